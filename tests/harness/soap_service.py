"""A SOAP service of spyne's, in a process of its own: SOAP 1.1 at /soap11, 1.2 at /soap12, each with ?wsdl.

Run as a program it serves until its standard input ends, and says its port first. Spyne checks every question against
its own XSD (validator lxml) and writes its own answers; nothing of `soap` is in it.
"""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNKNOWN = "000000000000000000"
"""A number that the service answers with a fault of the sender."""
BROKEN = "999999999999999999"
"""One that makes it fail."""
NOBODY = "111111111111111111"
"""One for which there is no record."""
KNOWN = "110101199003078515"
NAMESPACE = "urn:tongdao:population"


@contextmanager
def running() -> Iterator[int]:
    """The port of the service, while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=10)


def wsdl(port: int, version: str) -> str:
    """The document as the service gives it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/soap{version.replace('.', '')}?wsdl", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def _records() -> tuple[Any, Any]:  # pragma: no cover  # in the other process
    """The types of a person and of a member of the household."""
    import spyne

    class Member(spyne.ComplexModel):  # type: ignore[misc]  # spyne has no types
        __namespace__ = NAMESPACE
        name = spyne.Unicode
        role = spyne.Unicode(values=["户主", "配偶", "子女"])

    class Person(spyne.ComplexModel):  # type: ignore[misc]
        __namespace__ = NAMESPACE
        id_card = spyne.Unicode(min_occurs=1, nillable=False)
        name = spyne.Unicode
        born = spyne.Date
        updated = spyne.DateTime
        children = spyne.Integer
        income = spyne.Decimal
        alive = spyne.Boolean
        deceased = spyne.Date
        phone = spyne.Unicode(max_occurs="unbounded")
        members = spyne.Array(Member)
        source = spyne.XmlAttribute(spyne.Unicode)

    return Person, Member


def _population() -> Any:  # pragma: no cover  # as above
    """The service class."""
    from datetime import UTC, date, datetime
    from decimal import Decimal

    import spyne

    Person, Member = _records()  # noqa: N806  # they are classes

    class Population(spyne.ServiceBase):  # type: ignore[misc]
        @spyne.rpc(spyne.Unicode(min_occurs=1, nillable=False), spyne.Integer, _returns=Person)  # type: ignore[untyped-decorator]
        def Query(_ctx: Any, id_card: str, limit: int | None) -> Any:  # noqa: N802, N805  # spyne's way
            if id_card == UNKNOWN:
                raise spyne.Fault("Client.NotFound", "身份证号不存在")
            if id_card == BROKEN:
                raise spyne.Fault("Server", "数据库不可用")
            if id_card == NOBODY:
                return None
            return Person(
                id_card=id_card, name="张三", born=date(1990, 3, 7), updated=datetime(2024, 1, 31, 8, 30, tzinfo=UTC),
                children=limit, income=Decimal("1234.50"), alive=True, phone=["13800000000", "13900000000"],
                members=[Member(name="李四", role="配偶")], source="公安",
            )  # fmt: skip

        @spyne.rpc(spyne.Unicode(max_occurs="unbounded"), _returns=spyne.Unicode(max_occurs="unbounded"))  # type: ignore[untyped-decorator]
        def Echo(_ctx: Any, text: list[str]) -> list[str]:  # noqa: N802, N805  # as above
            return text

    return Population


def _serve() -> None:  # pragma: no cover  # as above
    import logging
    import threading
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    import spyne
    from spyne.protocol.soap import Soap11, Soap12
    from spyne.server.wsgi import WsgiApplication

    logging.disable()

    def app(protocol: Any) -> Any:
        served = spyne.Application([_population()], NAMESPACE, "Population", in_protocol=protocol(validator="lxml"),
                             out_protocol=protocol())  # fmt: skip
        return WsgiApplication(served)

    apps = {"/soap11": app(Soap11), "/soap12": app(Soap12)}

    def route(environ: Any, start: Any) -> Any:
        return apps[environ["PATH_INFO"]](environ, start)

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = make_server("127.0.0.1", 0, route, handler_class=Quiet)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
