"""What can be consented to, who may see it, and how its token is signed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from catalog_service.consents.model import Consent, Held, in_force, may_see, mistakes_in_consent
from catalog_service.consents.tokens import Signer
from catalog_service.directory.model import Interface
from catalog_service.feed.model import Actor
from gateway.consent import Reader
from runtime.ids import uuid7
from wire import scopes
from wire.catalog import Field, Grant, Operation, State
from wire.tokens import LONGEST_TOKEN, Keys, read

NOON = datetime(2026, 10, 1, 12, 0, 0, tzinfo=UTC)
NOW = int(NOON.timestamp())
INTERFACE = Interface(
    id="rsj-insurance", version="v1", provider="rsj", resource="2039900100003/000001", name="…",
    base_url="http://rsj.example", networks=["10.0.0.0/8"], fields=[Field(name="name"), Field(name="pension")],
    operations=[Operation(method="GET", path="/{id_card}", target="/{id_card}")], subject="id_card",
    consent_required=True,
)  # fmt: skip
GRANT = Grant(
    id="g", revision=1, system="zjj-housing", department="zjj", interface=INTERFACE.key, purpose="公租房",
    fields=["pension"],
)  # fmt: skip
CONSENT = Consent(
    id="01a", subject="p1:" + "0" * 32, system="zjj-housing", department="zjj", interface=INTERFACE.key,
    purpose="公租房", fields=["pension"], office="window", given_by="window-a", given=NOW, expires=NOW + 60,
)  # fmt: skip
KEYS = [ECKey.generate_key("P-256") for _ in range(2)]


def like(thing: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(thing, **changes)


def wrong(*fields: str, interface: Interface = INTERFACE, purpose: str = "公租房", **changes: Any) -> list[str]:
    """Paths of the mistakes in a consent to these fields under one grant, and another of a further purpose."""
    grants = [like(GRANT, **changes), like(GRANT, purpose="其他", fields=["name"])]
    return [path for path, _ in mistakes_in_consent(interface, grants, purpose, fields)]


@pytest.mark.requirement("CON-03")
def test_fields_are_those_of_one_grant_for_the_purpose() -> None:
    assert wrong("pension") == []
    assert wrong("pension", "name") == ["fields/1"]
    assert wrong("name", purpose="其他") == []
    assert wrong("pension", purpose="营销") == ["purpose"]
    assert wrong("pension", "pension") == ["fields/1"]
    assert [path for path, _ in mistakes_in_consent(INTERFACE, [], "公租房", ["pension"])] == ["interface"]


@pytest.mark.requirement("CON-03")
def test_two_grants_for_one_purpose_do_not_add_up() -> None:
    grants = [GRANT, like(GRANT, fields=["name"])]
    assert [path for path, _ in mistakes_in_consent(INTERFACE, grants, "公租房", ["pension", "name"])] == ["fields/1"]
    assert list(mistakes_in_consent(INTERFACE, grants, "公租房", ["name"])) == []


@pytest.mark.requirement("CON-03")
def test_a_whole_answer_is_consented_to_whole_or_in_fields() -> None:
    assert wrong("*", fields=["*"]) == []
    assert wrong("name", fields=["*"]) == []
    assert wrong("salary", fields=["*"]) == ["fields/0"]
    assert wrong("name", fields=["*"], interface=like(INTERFACE, format="binary")) == ["fields/0"]
    assert wrong("*", fields=["*"], interface=like(INTERFACE, format="binary")) == []


@pytest.mark.requirement("CON-03")
def test_a_granted_object_is_consented_to_whole_or_in_parts() -> None:
    nested = like(INTERFACE, fields=[Field(name=name) for name in ("home", "home.city", "homes.city")])
    assert wrong("home", "home.city", interface=nested, fields=["home"]) == []
    assert wrong("homes.city", "home.street", interface=nested, fields=["home"]) == ["fields/0", "fields/1"]
    assert wrong("home", interface=nested, fields=["home.city"]) == ["fields/0"]


@pytest.mark.requirement("CON-03")
@pytest.mark.parametrize("changes", [{"consent_required": False}, {"subject": ""}], ids=["not-asked", "nobody-named"])
def test_only_what_asks_for_a_consent_takes_one(changes: dict[str, Any]) -> None:
    assert wrong("pension", interface=like(INTERFACE, **changes)) == ["interface"]


def test_long_lists_of_what_is_possible_are_cut() -> None:
    grants = [like(GRANT, purpose=f"用途{n}") for n in range(60)]
    [(_, said)] = mistakes_in_consent(INTERFACE, grants, "营销", ["pension"])
    assert (said.count("、"), said[-1]) == (49, "…")


@pytest.mark.requirement("CON-03")
@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"not_before": NOW}, True),
        ({"not_before": NOW + 1}, False),
        ({"not_after": NOW + 1}, True),
        ({"not_after": NOW}, False),
        ({"state": State(standing="suspended")}, False),
        ({"state": State(standing="revoked")}, False),
    ],
    ids=["open", "begins", "not-yet", "ends-soon", "ended", "suspended", "revoked"],
)
def test_a_grant_counts_while_it_can_be_used(changes: dict[str, Any], counts: bool) -> None:
    assert bool(in_force([like(GRANT, **changes)], NOON)) is counts


@pytest.mark.requirement("CON-06")
def test_the_state_of_a_consent() -> None:
    assert Held(CONSENT).state(NOON) == "given"
    assert Held(like(CONSENT, expires=NOW)).state(NOON) == "expired"
    assert Held(like(CONSENT, expires=NOW), call="c", used=NOW).state(NOON) == "used"
    assert Held(CONSENT, call="c", used=NOW, revoked=NOW).state(NOON) == "revoked"
    assert "subject" not in Held(CONSENT).shown(NOON)


SUBJECT, OFFICER = frozenset({scopes.SUBJECT}), frozenset({scopes.OFFICER})


@pytest.mark.requirement("CON-04")
@pytest.mark.parametrize(
    ("actor", "sees"),
    [
        (Actor("window-b", "window", SUBJECT), True),
        (Actor("window-b", "window", OFFICER), False),
        (Actor("elsewhere", "elsewhere", SUBJECT), False),
        (Actor("zjj-housing", "zjj"), True),
        (Actor("rsj-officer", "rsj", OFFICER), False),
        (Actor("dsjj", "dsjj", frozenset({scopes.AUTHORITY})), True),
        (Actor("operator", "platform"), False),
    ],
    ids=[
        "its-office",
        "not-for-persons",
        "another-office",
        "its-user",
        "the-provider",
        "the-authority",
        "the-operator",
    ],
)
def test_who_sees_a_consent(actor: Actor, sees: bool) -> None:
    assert may_see(actor, CONSENT) is sees


# --- tokens ---------------------------------------------------------------------------------------------------------
def signer(*keys: Any) -> Signer:
    return Signer({"keys": list(keys)}, "https://issuer", "https://gateway")


def private(key: ECKey, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=True), **more}


@pytest.mark.requirement("CON-01")
def test_the_first_key_signs_and_old_tokens_still_verify_after_a_change(tmp_path: Path) -> None:
    file = tmp_path / "consent.jwks"
    file.write_text(json.dumps({"keys": [private(KEYS[0])]}))
    old = Signer.from_file(file, "https://issuer", "https://gateway").token(CONSENT)
    changed = signer(private(KEYS[1]), private(KEYS[0]))
    published = {key["kid"]: ECKey.import_key(key) for key in changed.public()["keys"]}
    for token, key in ((old, KEYS[0]), (changed.token(CONSENT), KEYS[1])):
        header, claims = read(token)  # as strictly as every token is read
        assert (header["kid"], header["typ"], header["alg"]) == (key.thumbprint(), "consent+jwt", "ES256")
        jws.deserialize_compact(token, published[header["kid"]], algorithms=["ES256"])
        assert (claims["iss"], claims["aud"], claims["jti"]) == ("https://issuer", "https://gateway", "01a")


@pytest.mark.requirement("CON-01")
def test_names_of_keys_are_kept_and_nothing_private_is_published() -> None:
    keys = signer(private(KEYS[0], kid="new"), private(KEYS[1], kid="old")).public()["keys"]
    assert [key["kid"] for key in keys] == ["new", "old"]
    assert all(key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in keys)


@pytest.mark.requirement("CON-01")
@pytest.mark.parametrize(
    "keys",
    [
        [],
        [KEYS[0].as_dict(private=False)],
        [ECKey.generate_key("P-384").as_dict(private=True)],
        [RSAKey.generate_key(2048).as_dict(private=True)],
        [private(KEYS[0], kid="a"), private(KEYS[1], kid="a")],
    ],
    ids=["none", "public", "another-curve", "another-kind", "one-name-twice"],
)
def test_other_keys_sign_no_consent(keys: list[Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        signer(*keys)


@pytest.mark.requirement("CON-01")
@pytest.mark.anyio
async def test_what_is_signed_here_is_what_gateways_read() -> None:
    signs = signer(private(KEYS[0]))

    async def published() -> dict[str, Any]:
        return signs.public()

    keys = Keys(published)
    await keys.refresh()
    id_as_given = like(CONSENT, id=str(uuid7()))
    told = Reader("https://issuer", "https://gateway", keys).read(signs.token(id_as_given), NOW + 1)
    assert msgspec.structs.asdict(told) == {
        "id": id_as_given.id, "subject": CONSENT.subject, "system": "zjj-housing", "interface": INTERFACE.key,
        "purpose": "公租房", "fields": ("pension",),
    }  # fmt: skip


def test_a_consent_of_ordinary_length_fits_into_a_token() -> None:
    long = like(CONSENT, purpose="公" * 200, fields=[f"field_of_the_answer_{n}" for n in range(50)])
    assert len(signer(private(KEYS[0])).token(long)) < LONGEST_TOKEN
