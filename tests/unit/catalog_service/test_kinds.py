"""All kinds of cases together."""

import pytest

from catalog_service.cases import kinds
from catalog_service.cases.kinds import EFFECTS, KINDS
from harness.machines import check_sound


@pytest.mark.requirement("CAS-10")
@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_name_in_a_table_means_something(name: str) -> None:
    check_sound(KINDS[name], EFFECTS)
    assert KINDS[name].machine.name == name


def test_every_kind_has_letters_of_its_own() -> None:
    letters = [kind.letters for kind in KINDS.values()]
    assert len(set(letters)) == len(letters)


def test_an_effect_has_one_meaning() -> None:
    given = [name for module in vars(kinds).values() if hasattr(module, "EFFECTS") for name in module.EFFECTS]
    assert sorted(given) == sorted(EFFECTS)


def test_every_effect_is_used() -> None:
    used = {name for kind in KINDS.values() for row in kind.machine.rows for name in row.effects}
    assert used == set(EFFECTS)
