"""Rules of what is unusual: read strictly, and a mistake is one plain line."""

from pathlib import Path

import pytest

from audit_service.anomalies.rules import BadRules, NightUse, as_data, parse, rules_in


@pytest.mark.requirement("ANO-05")
def test_the_rules_of_the_package_are_whole_and_cover_what_has_to_be_noticed() -> None:
    rules = rules_in(None)
    assert {rule.__struct_config__.tag for rule in rules} == {
        "volume_jump", "enumeration", "night_use", "repeated_subject",
    }  # fmt: skip
    assert isinstance(as_data(rules), list)


@pytest.mark.requirement("ANO-05")
def test_a_file_replaces_them(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules: []")
    assert rules_in(file) == []
    file.write_text("rules: 1")
    with pytest.raises(BadRules, match=r"^.*rules.yaml: Expected `array`, got `int` - at `\$.rules`$"):
        rules_in(file)
    with pytest.raises(BadRules, match="cannot be read"):
        rules_in(tmp_path / "none.yaml")


VOLUME = "id: v, kind: volume_jump, minutes: 60, days: 7, factor: 3"


@pytest.mark.requirement("ANO-05")
@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("id: v, kind: other", "Invalid value 'other'"),
        (VOLUME, "missing required field `at_least`"),
        (f"{VOLUME}, at_least: 5, at_most: 6", "unknown field `at_most`"),
        (f"{VOLUME}, at_least: '5'", "Expected `int`, got `str`"),
        (f"{VOLUME}, at_least: 0", "Expected `int` >= 1"),
        (f"{VOLUME.replace('60', '61')}, at_least: 5", "multiple of 10"),
        (f"{VOLUME.replace('3', '.nan')}, at_least: 5", "> 1"),
        (f"{VOLUME}, at_least: 5, but_not: {{system: [a]}}", "unknown field `system`"),
        ("id: N, kind: night_use, from: '22:00', to: '06:00', at_least: 1", "regex"),
        ("id: n, kind: night_use, from: '22:05', to: '06:00', at_least: 1", "regex"),
        ("id: n, kind: night_use, from: '22:00', to: '22:00', at_least: 1", "n: from and to are the same"),
        ("id: e, kind: enumeration, minutes: 60", "e: needs either subjects"),
        ("id: e, kind: enumeration, minutes: 60, subjects: 5, questions: 5, miss_share: 0.5", "e: needs either"),
        ("id: e, kind: enumeration, minutes: 60, questions: 5", "e: needs either subjects"),
        ("id: r, kind: repeated_subject", "r: needs either times or systems"),
        ("id: r, kind: repeated_subject, times: 1, systems: 1", "r: needs either times or systems"),
        ("id: r, id: s, kind: repeated_subject, times: 1", "id is written twice"),
    ],
)
def test_a_mistake_is_one_plain_line(rule: str, told: str) -> None:
    with pytest.raises(BadRules) as bad:
        parse(f"rules: [{{{rule}}}]")
    assert told in str(bad.value)
    assert "\n" not in str(bad.value)


@pytest.mark.requirement("ANO-05")
def test_two_rules_do_not_share_a_name() -> None:
    one = "{id: r, kind: repeated_subject, times: 1}"
    with pytest.raises(BadRules, match="r: two rules of this name"):
        parse(f"rules: [{one}, {one}]")


@pytest.mark.parametrize(
    ("start", "end", "hours"), [("22:00", "06:00", 8), ("00:00", "06:00", 6), ("06:00", "00:00", 18)]
)
def test_a_night_may_cross_midnight(start: str, end: str, hours: int) -> None:
    [rule] = parse(f"rules: [{{id: n, kind: night_use, from: '{start}', to: '{end}', at_least: 1}}]")
    assert isinstance(rule, NightUse)
    assert rule.length.total_seconds() == hours * 3600
