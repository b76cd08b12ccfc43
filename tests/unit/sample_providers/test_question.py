"""What departments accept as a question."""

from typing import Any

import pytest

from sample_providers import catalogue
from sample_providers.question import check
from sample_providers.refusals import BadInput

REGISTERED = catalogue.load()


def asked(interface: str, **changed: Any) -> Any:
    """The example question of an interface with some values changed, checked."""
    known = REGISTERED[interface]
    return check(known.params, {**known.question, **changed})


@pytest.mark.parametrize(
    ("interface", "changed"),
    [
        ("gaj-identity-verify", {"name": None}),
        ("gaj-identity-verify", {"name": ""}),
        ("gaj-identity-verify", {"name": "长" * 51}),
        ("gaj-identity-verify", {"name": 7}),
        ("gaj-identity-verify", {"name": ["张三丰测试"]}),
        ("gaj-identity-verify", {"id_card": "990101199003070219"}),
        ("gaj-identity-verify", {"id_card": "99010119900307021"}),
        ("mzj-marriage-verify", {"id_b": "990101198511121380"}),
        ("scjgj-enterprise-base", {"uscc": "91990100700100010E"}),
        ("wjw-birth-cert-verify", {"birth_date": "2015-02-30"}),
        ("wjw-birth-cert-verify", {"birth_date": "20150604"}),
        ("wjw-medical-institution", {"page": "one"}),
        ("wjw-medical-institution", {"page": True}),
        ("swj-vat-detail", {"threshold": "1e9"}),
        ("swj-vat-detail", {"threshold": True}),
    ],
)
def test_a_question_of_the_wrong_form_is_refused(interface: str, changed: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        asked(interface, **changed)


def test_values_come_in_their_own_types() -> None:
    assert asked("wjw-medical-institution", page="2")["page"] == 2
    assert asked("swj-vat-detail", threshold="5000000.50")["threshold"] == 5_000_000.5


def test_names_that_are_not_registered_are_left_out() -> None:
    assert "secret" not in asked("gaj-identity-verify", secret="x")


def test_what_is_optional_may_be_left_out() -> None:
    assert "as_of" not in asked("rsj-social-insurance", as_of=None)
