"""OAuth clients that nobody here wrote get a token and make a governed call, word for word as the guide says."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

import pytest
from joserfc.jwk import ECKey

from harness import guide
from harness.certificates import Authority as Certificates
from harness.checks import CASE, ending, journal
from harness.members import Authority
from harness.platform import Platform
from harness.replicas import replica
from runtime.http import Client, sync_client
from tongdao_cli.doctor.model import STEPS
from tongdao_cli.keys import OPERATOR
from tongdao_cli.postgres import free_port
from wire.scopes import CALL

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
NAME, DEPARTMENT = "of-the-guide", "sthjj"
SECRET = "a-secret-of-development-0123456789abcdef"
Run = Callable[..., "CompletedProcess[str]"]


class Other(NamedTuple):
    """Addresses of the second gateway."""

    plain: str
    encrypted: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All examples of the guide, and the key that its first one makes."""
    made = tmp_path_factory.mktemp("guide")
    guide.lay_out(made)
    done = guide.run("key.sh", made, SYSTEM=NAME)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def run(platform: Platform, client: Client, authority: Authority, folder: Path) -> Run:
    """Run an example as a system that is registered and granted; the guide's own call, one of a department."""
    authority.system(NAME, DEPARTMENT)
    authority.grant(NAME, "gaj-vehicle-info/v1", ["status"], case_pattern="YJ[0-9]{4}-[0-9]{6}")
    keys = json.loads((folder / "public.jwks.json").read_text())
    body = {"department": DEPARTMENT, "scope": CALL, "method": "private_key_jwt", "jwks": keys}
    authority.send("PUT", f"/oauth2/clients/{NAME}", body)
    _wait_until_granted(platform, client, NAME)

    def one(name: str, **told: str) -> "CompletedProcess[str]":
        variables = {"GATEWAY": platform.gateway, "SYSTEM": NAME, "CASE": CASE["Tongdao-Case"], **told}
        return guide.run(name, folder, **variables)

    return one


def _wait_until_granted(platform: Platform, client: Client, system: str) -> None:
    """The gateway hears of a grant within a second."""
    with platform.consumer(OPERATOR) as operator:
        query = {"interface": "gaj-vehicle-info/v1", "system": system, "case": CASE["Tongdao-Case"]}
        headers = {"Authorization": f"Bearer {operator.token()}"}
        for _ in range(1000):
            if client.get("/api/explain", params=query, headers=headers).json().get("decision") == "allow":
                return
    raise AssertionError("the grant did not arrive")


def check_governed(platform: Platform, done: "CompletedProcess[str]", before: int, system: str = NAME) -> None:
    """The example printed the department's answer, and the department was asked once, on record."""
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"status": "正常"}
    asked = journal(platform)[before:]
    assert len(asked) == 1
    leaf = ending(platform, asked[0]["call"])
    assert (leaf["status"], leaf["system"]) == (200, system)


@pytest.mark.requirement("CLI2-01")
@pytest.mark.requirement("DOC-02")
@pytest.mark.parametrize("name", ["first_call.sh", "with_authlib.py"])
def test_an_example_of_the_guide_makes_a_governed_call(platform: Platform, run: Run, name: str) -> None:
    before = len(journal(platform))
    check_governed(platform, run(name), before)


@pytest.mark.requirement("CLI2-01")
@pytest.mark.requirement("DOC-02")
@pytest.mark.parametrize("name", ["with_openid_client.mjs", "with_dpop.mjs"])
def test_openid_client_on_node_makes_a_governed_call(platform: Platform, run: Run, name: str) -> None:
    before = len(journal(platform))
    try:
        done = run(name)
    except guide.NoNode as reason:
        pytest.skip(str(reason))
    check_governed(platform, done, before)


@pytest.mark.requirement("CLI2-01")
@pytest.mark.requirement("DOC-02")
def test_the_first_example_says_why_it_is_refused(run: Run) -> None:
    unknown = run("first_call.sh", SYSTEM="nobody-knows-it")
    assert (unknown.returncode, '"invalid_client"' in unknown.stderr) == (1, True), unknown.stderr
    malformed = run("first_call.sh", CASE="not-a-case")
    assert (malformed.returncode, "case/malformed" in malformed.stdout) == (22, True), malformed.stdout


@pytest.mark.requirement("IDK-06")
@pytest.mark.requirement("DOC-02")
def test_a_department_changes_its_keys_away_from_the_home(
    platform: Platform, authority: Authority, tmp_path: Path
) -> None:
    system = "of-the-guide-keys"
    told = {"GATEWAY": platform.gateway, "SYSTEM": system, "CASE": "", "TONGDAO_HOME": str(tmp_path / "none")}
    guide.lay_out(tmp_path)
    assert guide.run("key.sh", tmp_path, **told).returncode == 0
    authority.system(system, DEPARTMENT)
    own = tmp_path / "public.jwks.json"
    body = {"department": DEPARTMENT, "scope": CALL, "method": "private_key_jwt", "jwks": json.loads(own.read_text())}
    authority.send("PUT", f"/oauth2/clients/{system}", body)
    guide.run("first_call.sh", tmp_path, **told)  # has a token and no grant
    third = ECKey.generate_key("P-256", {"kid": f"{system}-3"}).as_dict(private=False)
    (tmp_path / "next.public.jwks.json").write_text(json.dumps({"keys": [third]}))
    added = guide.run("add_key.sh", tmp_path, **told)
    assert (added.returncode, f"{system}-3" in added.stdout) == (0, True), added.stdout + added.stderr
    where = ("--gateway", platform.gateway, "--key", str(tmp_path / "key.pem"), "--kid", f"{system}-1")
    again = platform.tongdao_alone("keys", "add", system, str(own), *where)
    assert (again.returncode, f"{system}-1" in again.stdout) == (0, True), again.stderr
    done = guide.run("keys.sh", tmp_path, **told)
    assert (done.returncode, f"{system}-1 of {system} counts no more" in done.stdout) == (0, True), done.stderr
    following = ("--gateway", platform.gateway, "--key", str(tmp_path / "next.pem"))
    rotated = platform.tongdao_alone("keys", "rotate", system, "--remove-old", *following, "--kid", f"{system}-2")
    assert rotated.returncode == 0, rotated.stderr
    listed = platform.tongdao_alone("keys", "list", system, *following)
    assert {one["jwk"]["kid"] for one in json.loads(listed.stdout)["keys"]} == {
        f"{system}-3", ECKey.import_key((tmp_path / "next.pem").read_text()).thumbprint()
    }  # fmt: skip


@pytest.fixture(scope="module")
def certificates(folder: Path) -> Certificates:
    """An authority that vouches for gateway and clients; its own certificate lies where the guide has it."""
    made = Certificates(folder)
    (folder / "authority.pem").write_text(made.pem)
    return made


@pytest.fixture(scope="module")
def other(platform: Platform, folder: Path, certificates: Certificates) -> Iterator[Other]:
    """A second gateway, with TLS, whose identity service takes secrets."""
    port, own = free_port(), str(certificates.server_file("localhost"))
    files = {"tls_cert_file": own, "tls_key_file": own, "tls_client_ca_file": str(folder / "authority.pem")}
    with (
        replica(platform, "identity", "identity-dev", allow_client_secret_basic="true") as identity,
        replica(platform, "gateway", "gateway-dev", identity_url=identity, tls_port=str(port), **files) as gateway,
    ):
        yield Other(gateway, f"https://127.0.0.1:{port}")


@pytest.mark.requirement("CLI2-01")
@pytest.mark.requirement("DOC-02")
def test_requests_oauthlib_makes_a_governed_call_with_a_secret_of_development(
    platform: Platform, authority: Authority, run: Run, other: Other
) -> None:
    system = "of-the-guide-dev"
    authority.system(system, DEPARTMENT)
    authority.grant(system, "gaj-vehicle-info/v1", ["status"])
    with platform.consumer(OPERATOR) as operator, sync_client(other.plain) as gateway:
        headers = {"Authorization": f"Bearer {operator.token()}"}
        body = {"department": DEPARTMENT, "scope": CALL, "method": "client_secret_basic", "secret": SECRET}
        assert gateway.put(f"/oauth2/clients/{system}", json=body, headers=headers).is_success
        _wait_until_granted(platform, gateway, system)
    told = {"GATEWAY": other.plain, "SYSTEM": system, "SECRET": SECRET}
    before = len(journal(platform))
    done = run("with_requests_oauthlib.py", **told, OAUTHLIB_INSECURE_TRANSPORT="1")
    check_governed(platform, done, before, system)


@pytest.mark.requirement("CLI2-01")
@pytest.mark.requirement("DOC-02")
def test_curl_with_a_certificate_makes_a_governed_call(
    platform: Platform, client: Client, authority: Authority, run: Run, other: Other, certificates: Certificates
) -> None:
    system = "of-the-guide-tls"
    own = certificates.client(system).file
    own.rename(own.with_name("client.pem"))
    authority.system(system, DEPARTMENT)
    authority.grant(system, "gaj-vehicle-info/v1", ["status"])
    body = {"department": DEPARTMENT, "scope": CALL, "method": "tls_client_auth", "certificate_name": f"CN={system}"}
    authority.send("PUT", f"/oauth2/clients/{system}", body)
    _wait_until_granted(platform, client, system)
    before = len(journal(platform))
    check_governed(platform, run("with_certificate.sh", SYSTEM=system, GATEWAY=other.encrypted), before, system)
    said = _doctor_with_certificate(platform, system, other, own.parent)
    assert said["token"].startswith("ok"), said
    assert said["grant"].startswith("ok"), said
    assert said["keys"].startswith("-"), said
    stranger = _doctor_with_certificate(platform, "of-the-guide", other, own.parent)
    assert stranger["token"].startswith("wrong"), stranger


def _doctor_with_certificate(platform: Platform, system: str, other: Other, folder: Path) -> dict[str, str]:
    """What it says of each step; the issuer has another address here, which it says too."""
    files = ("--cert", str(folder / "client.pem"), "--ca", str(folder / "authority.pem"))
    where = ("--gateway", other.encrypted, "--interface", "gaj-vehicle-info", "--lang", "en")
    done = platform.tongdao_alone("doctor", "--system", system, *where, *files)
    lines = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    return {line.split()[1]: line for line in lines}


@pytest.mark.requirement("CLI2-02")
@pytest.mark.requirement("DOC-02")
def test_the_doctor_finds_everything_in_order(run: Run) -> None:
    done = run("doctor.sh", LC_ALL="C.UTF-8")
    assert done.returncode == 0, done.stdout + done.stderr
    states = dict(line.split()[1::-1] for line in done.stdout.splitlines()[:-1])
    assert states == {**dict.fromkeys(STEPS, "ok"), "tls": "-"}


@pytest.mark.requirement("CLI2-02")
def test_the_doctor_names_what_is_wrong_where_half_the_platform_is_down(platform: Platform, run: Run) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    with replica(platform, "gateway", "gateway-half", identity_url=gone) as gateway:
        done = run("doctor.sh", GATEWAY=gateway, LANG="zh_CN.UTF-8", LC_ALL="")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "正常  网关：可以受理调用" in done.stdout
    assert "错误  签发者：签发服务未应答：503" in done.stdout
    assert "未查  令牌：因前面的问题未检查" in done.stdout


def test_every_example_of_the_guide_is_run_by_a_test() -> None:
    text = Path(__file__).read_text()
    assert [name for name in guide.examples() if f'"{name}"' not in text] == []
