"""Who is insured: the social insurance register (rsj), which speaks SOAP 1.1 as such systems do (insured.wsdl)."""

from collections.abc import Awaitable, Callable
from xml.sax.saxutils import escape

from fastapi import FastAPI
from lxml import etree
from starlette.requests import Request
from starlette.responses import Response

from sample_providers.catalogue import Row
from sample_providers.city import City, chance

PATH = "/rsj/soap"
NAMESPACE = "http://rsj.yunjiang.example/insured"
EXAMPLE = "990101199003070218"
LARGEST_BODY = 64 * 1024
_MEDIA_TYPE = "text/xml; charset=utf-8"
_STATES = ("参保缴费", "参保缴费", "暂停缴费")
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
    "<s:Body>{}</s:Body></s:Envelope>"
)


def add_soap(app: FastAPI, city: City) -> None:
    """Serve the register at PATH."""
    app.router.add_route(PATH, _endpoint(_insured(city)), methods=["POST"])


def _insured(city: City) -> dict[str, Row]:
    """The register by identity number."""
    rng = chance("insured")
    known = {EXAMPLE: {"name": "张三丰测试", "status": "参保缴费", "months_paid": 147, "last_paid": "2026-10-31",
                       "employer": ["云江市示例软件有限公司"]}}  # fmt: skip
    others = {
        person.id_card: {
            "name": person.name, "status": rng.choice(_STATES), "months_paid": rng.randint(1, 400),
            "last_paid": f"2026-{rng.randint(1, 10):02}-28", "employer": [],
        }
        for person in city.people
    }  # fmt: skip
    return {**others, **known}


def _endpoint(register: dict[str, Row]) -> Callable[[Request], Awaitable[Response]]:
    async def ask(request: Request) -> Response:
        body = await request.body()
        number = _asked(body) if len(body) <= LARGEST_BODY else None
        if number is None:
            return _fault("soap:Client", "请求不是 QueryInsured")
        if number not in register:
            return _fault("soap:Client", "无记录")
        return Response(_ENVELOPE.format(_answer(register[number])), media_type=_MEDIA_TYPE)

    return ask


def _asked(body: bytes) -> str | None:
    """The number that a QueryInsured names; None for anything else."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        found = etree.fromstring(body, parser).find(f".//{{{NAMESPACE}}}QueryInsured/{{{NAMESPACE}}}id_card")
    except etree.XMLSyntaxError:
        return None
    return None if found is None else (found.text or "").strip()


def _answer(facts: Row) -> str:
    """The facts in the order of the schema."""
    values = [(name, value) for name, one in facts.items() for value in (one if isinstance(one, list) else [one])]
    members = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values)
    return f'<QueryInsuredResponse xmlns="{NAMESPACE}">{members}</QueryInsuredResponse>'


def _fault(code: str, text: str) -> Response:
    fault = f"<s:Fault><faultcode>{code.replace('soap', 's')}</faultcode><faultstring>{text}</faultstring></s:Fault>"
    return Response(_ENVELOPE.format(fault), 500, media_type=_MEDIA_TYPE)
