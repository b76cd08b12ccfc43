"""The catalogue as the servers read it."""

import pytest
from stdnum.cn import uscc

from sample_providers import catalogue, city
from sample_providers.question import check


@pytest.mark.requirement("DEM-01")
def test_there_are_21_interfaces_and_one_with_real_data() -> None:
    registered = catalogue.load()

    assert len(registered) == 22
    assert list(registered)[-1] == "mzj-admin-divisions"


def test_examples_pass_the_checks_of_their_own_parameters() -> None:
    for interface in catalogue.load().values():
        asked = check(interface.params, interface.question)
        assert asked == interface.question


def test_every_start_founds_the_same_city() -> None:
    registered = catalogue.load()

    assert city.found(registered) == city.found(registered)


def test_nobody_in_the_city_can_be_somebody_real() -> None:
    there = city.found(catalogue.load())

    assert len({person.id_card for person in there.people}) == city.PEOPLE
    assert len({business.uscc for business in there.businesses}) == city.BUSINESSES
    assert all(person.id_card.startswith("9901") and person.name.endswith("测试") for person in there.people)
    assert all(uscc.is_valid(business.uscc) and business.uscc[2:6] == "9901" for business in there.businesses)
