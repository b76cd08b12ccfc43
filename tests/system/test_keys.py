"""Keys on a running platform: a department rotates those of its systems, by command and through the gateway."""

import pytest

from harness.members import Authority
from harness.platform import Platform
from tongdao_cli.keys import public
from wire import scopes


@pytest.mark.requirement("IDK-06")
@pytest.mark.requirement("IDK-10")
def test_a_system_gets_a_new_key_by_command_and_goes_on(platform: Platform, authority: Authority) -> None:
    old = platform.secrets.system("keys-own")
    body = {"department": "jtj", "scope": scopes.CALL, "method": "private_key_jwt", "jwks": {"keys": [public(old)]}}
    authority.send("PUT", "/oauth2/clients/keys-own", body)
    done = platform.tongdao("keys", "rotate", "keys-own", "--remove-old")
    assert done.returncode == 0, done.stderr
    assert "proves who it is with" in done.stdout
    new = platform.secrets.key_of("keys-own")
    assert new["kid"] != old["kid"]
    listed = platform.tongdao("keys", "list", "keys-own")
    assert (listed.stdout.count('"kid"'), new["kid"] in listed.stdout) == (1, True)
    last = platform.tongdao("keys", "remove", "keys-own", new["kid"])
    assert (last.returncode, "request/conflict" in last.stderr) == (1, True)


@pytest.mark.requirement("IDK-06")
def test_an_officer_sees_and_changes_keys_through_the_gateway(platform: Platform, authority: Authority) -> None:
    member = authority.system("keys-of-jtj", "jtj")
    officer = authority.officer("jtj", scopes.OFFICER, "keys-officer")
    address = f"/oauth2/clients/{member.name}/keys"
    new = public(platform.secrets.system("keys-new"))
    assert officer.ask("POST", address, {"jwk": new}).status_code == 201
    assert officer.ask("DELETE", f"{address}/{member.key['kid']}").status_code == 204
    listed = officer.ask("GET", address).json()["keys"]
    assert [one["jwk"]["kid"] for one in listed] == [new["kid"]]
    stranger = authority.officer("jyj", scopes.OFFICER, "keys-stranger")
    assert stranger.ask("GET", address).status_code == 404
