"""Profile files: what is wrong in one is named by file and key, and nothing in one passes unread."""

import copy
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from statute import profiles as reading
from statute import schema
from statute.model import Profile, ProfileError, UnknownKey
from statute.profiles import bundled, bundled_texts, read, read_profile

TEXTS = bundled_texts()
FREE = {("analogue_outside_text",), ("staff", "roles", "v")}
Path = tuple[Any, ...]


PARSED = {name: yaml.safe_load(text) for name, text in TEXTS.items()}


def data(name: str) -> Any:
    return copy.deepcopy(PARSED[name])


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place in a file, except where anything may stand."""
    if path in FREE:
        return
    yield path, value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from walk(inner, (*path, key))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def dotted(path: Path) -> str:
    """As an error names the place: no `v`, numbers in brackets."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path if step != "v").lstrip(".")


@pytest.fixture
def read_data(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read a file whose YAML has been parsed already: parsing it a thousand times would take minutes."""

    def reader(name: str, written: Any) -> Profile:
        monkeypatch.setattr(reading, "load", lambda text: written)
        return read_profile(name, "the text")

    return reader


@pytest.mark.requirement("POL-10")
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_an_unknown_key_is_an_error_at_every_level(name: str, read_data: Any) -> None:
    places = [path for path, value in walk(data(name)) if isinstance(value, dict)]
    assert len(places) > 15
    for path in places:
        written = data(name)
        at(written, path)["unheard_of"] = 1
        with pytest.raises(ProfileError) as error:
            read_data(name, written)
        assert str(error.value).startswith(f"{name}: {dotted((*path, 'unheard_of'))}: unknown key; known are: ")


@pytest.mark.requirement("POL-10")
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_wrong_type_is_an_error_everywhere(name: str, read_data: Any) -> None:
    leaves = [path for path, value in walk(data(name)) if path and not isinstance(value, dict | list)]
    assert len(leaves) > 50
    for path in leaves:
        written = data(name)
        at(written, path[:-1])[path[-1]] = -1.5  # neither text nor count nor share nor date nor list
        with pytest.raises(ProfileError) as error:
            read_data(name, written)
        file, place, why = str(error.value).split(": ", 2)
        assert file == name
        assert dotted(path).startswith(place), str(error.value)
        assert "is not " in why


@pytest.mark.requirement("POL-11")
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_value_without_its_article_is_an_error(name: str, read_data: Any) -> None:
    """Each value cites; where it does not, nobody could show a department why."""
    stated = [
        path
        for path, value in walk(data(name))
        if isinstance(value, dict) and value.get("cite") and (value.get("v") or value.get("days") or value.get("qual"))
    ]
    assert len(stated) > 3
    for path in stated:
        written = data(name)
        del at(written, path)["cite"]
        with pytest.raises(ProfileError, match="cite: is missing"):
            read_data(name, written)


CHANGES = {
    "schema: dx-policy/1": ("schema: dx-policy/2", "schema: 'dx-policy/2' is not one of dx-policy/1"),
    "id: changde": ("id: 常德", "id: is not made of small letters"),
    "id: changde\n": ("", "id: is missing"),
    "  title: 常德市公共数据管理办法\n": ("", "instrument.title: is missing"),
    "effective: 2022-08-24": ("effective: '2022-08-24'", "instrument.effective: '2022-08-24' is not a date such as"),
    "issued: 2022-08-24": ("issued: 2022-08-24 10:00:00", "instrument.issued: .* is not a date such as"),
    "expires: 2027-08-24": ("expires: 2021-08-24", "instrument.expires: 2021-08-24 is before it takes effect"),
    "status: in_force": ("status: inforce", "instrument.status: 'inforce' is not one of draft, in_force, superseded"),
    "floor: national": ("floor: 7", "floor: 7 is not text"),
    "days: 10, unit: WD, from: demand_submitted": ("days: -1, unit: WD", "demand.reply.days: -1 is not a whole number"),
    "days: 10, unit: WD, from: reply": ("days: true, unit: WD", "demand.fulfil.days: True is not a whole number"),
    "days: 10, unit: WD, from: application_received": ("days: 10", "share.conditional.reply.unit: is missing"),
    "qual: immediate_if_possible, days: 10": ("days: 10000", "open.reply.days: 10000 is not .* from 0 to 9999"),
    "max: 15, mode: add": ("max: 4, mode: total", "correction.by_requester.extend.max: 4 in total is less than the 5"),
    "max: 15, mode: add,": ("max: 15,", "correction.by_requester.extend.mode: is missing"),
    "approve_by: 提供部门负责人, notify": ("notify", "correction.by_requester.extend.approve_by: is missing"),
    "days: 5, unit: WD, from: feedback": ("from: feedback", "correction.by_requester.days: is missing"),
    "legal_basis: [法律, 法规]": ("legal_basis: [法律, 法轨]", r"share.refusal.legal_basis\[1\]: '法轨' is not one of"),
    "legal_basis: [法律,": ("legal_basis: [null,", r"share.refusal.legal_basis\[0\]: is null"),
    "mode: auto_grant": ("mode: auto", "share.unconditional.mode: 'auto' is not one of .*auto_grant"),
    "third_party: allowed": ("third_party: ' '", "assessment.third_party: ' ' is not text"),
    "third_party: allowed,": ('third_party: "a\\0b",', "assessment.third_party: .* is not text"),
}  # fmt: skip


@pytest.mark.requirement("POL-10")
@pytest.mark.parametrize("old", sorted(CHANGES))
def test_what_is_wrong_is_named(old: str) -> None:
    new, told = CHANGES[old]
    assert old in TEXTS["changde.yaml"]
    with pytest.raises(ProfileError, match=f"^here/changde.yaml: {told}"):
        read_profile("here/changde.yaml", TEXTS["changde.yaml"].replace(old, new, 1))


@pytest.mark.requirement("POL-10")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file: None is not a mapping"),
        ("- a", "the file: .* is not a mapping"),
        ("a: [", "line 1"),
        ("id: x\nid: y", r"id is written twice \(line 2\)"),
        ("id: &a x\nfloor: *a", r"anchors and tags are not used here \(line 1\)"),
        ("id: !!python/name:os.system x", "anchors and tags are not used here"),
        ("id: !!timestamp x", "anchors and tags are not used here"),
        ("{a: 1}: x", "a key is not text"),
        ("issued: 2026-02-30", "day is out of range|day .* month"),
        ("a: \x00", "special characters"),
        ("a: b\n---\nc: d", "expected a single document|another document"),
        ("[" * 5000, "recursion"),
        ("8: x", "8: unknown key"),
    ],
)
def test_text_that_is_no_profile_is_refused(text: str, told: str) -> None:
    with pytest.raises(ProfileError, match=f"^p.yaml: .*({told})"):
        read_profile("p.yaml", text)


@settings(max_examples=60)
@given(st.data())
def test_no_damage_to_a_file_is_anything_but_an_error_or_a_profile(draw: st.DataObject) -> None:
    text = TEXTS["zibo.yaml"]
    start = draw.draw(st.integers(0, len(text) - 1))
    length = draw.draw(st.integers(0, 40))
    insert = draw.draw(st.text(max_size=12) | st.sampled_from(["null", "{", "]", "\n", "&a ", "*a", "!!int ", "1e400"]))
    try:
        told = read_profile("zibo.yaml", text[:start] + insert + text[start + length :]).file
    except ProfileError as error:
        told = str(error)
    assert told.startswith("zibo.yaml")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"changde.yaml": ("floor: national", "floor: nation")}, "changde.yaml: floor: there is no profile nation "),
        ({"changde.yaml": ("floor: national", "floor: changde")}, "changde.yaml: floor: there is no profile changde "),
        (
            {"changde.yaml": ("floor: national", "floor: _platform_default")},
            "changde.yaml: floor: there is no profile _p",
        ),
        ({"zibo.yaml": ("floor: national", "floor: changde")}, "zibo.yaml: floor: changde has a floor itself"),
        ({"zibo.yaml": ("id: zibo", "id: yunnan")}, "(zibo|yunnan).yaml: id: there are two profiles yunnan"),
        (
            {"yunnan.yaml": ("days: 2, unit: WD", "days: 2, unit: CD")},
            "yunnan.yaml: share.unconditional.reply.unit: CD ",
        ),
        (
            {"_platform_default.yaml": ("id: _platform_default", "id: other")},
            "_platform_default.yaml: instrument.title: is",
        ),
    ],
)
def test_profiles_have_to_fit_each_other(change: dict[str, tuple[str, str]], told: str) -> None:
    texts = dict(TEXTS)
    for name, (old, new) in change.items():
        assert old in texts[name]
        texts[name] = texts[name].replace(old, new)
    with pytest.raises(ProfileError, match=f"^{told}"):
        read(texts)


def test_without_the_platform_there_is_no_last_word() -> None:
    with pytest.raises(ProfileError, match=r"^_platform_default\.yaml: id: "):
        read({"national.yaml": TEXTS["national.yaml"]})


def test_units_that_only_one_side_states_need_no_comparison() -> None:
    text = TEXTS["changde.yaml"].replace("days: 10, unit: WD, from: demand_submitted", "days: 10, unit: CD")
    found = bundled().with_profile(read_profile("changde.yaml", text))
    clock = found.law("changde", government=True).clock("demand.reply")
    assert clock is not None
    assert clock.unit == "CD"


@pytest.mark.requirement("POL-12")
def test_a_version_is_given_or_follows_from_the_bytes() -> None:
    text = TEXTS["zibo.yaml"]
    first, again = read_profile("a.yaml", text), read_profile("b.yaml", text)
    assert first.version == again.version
    assert len(first.version) == 12
    assert read_profile("a.yaml", text + "\n").version != first.version
    assert read_profile("a.yaml", text + "\nversion: '2026.1'\n").version == "2026.1"
    assert len({bundled().get(one).version for one in bundled().ids()}) == 6


@pytest.mark.requirement("POL-13")
@pytest.mark.requirement("CD-29-31", "DQ-41-43")
@pytest.mark.parametrize(
    ("profile", "on", "reason"),
    [
        ("deqing", date(2026, 11, 22), "is a draft, not in force"),
        ("yunnan", date(2026, 11, 22), "is a draft, not in force"),
        ("zibo", date(2024, 10, 31), "takes effect on 2024-11-01"),
        ("zibo", date(2024, 11, 1), ""),
        ("changde", date(2027, 8, 24), ""),
        ("changde", date(2027, 8, 25), "expired on 2027-08-24"),
        ("national", date(2026, 11, 22), ""),
    ],
)
def test_what_may_be_put_in_force(profile: str, on: date, reason: str) -> None:
    found = bundled().get(profile)
    told = found.may_be_activated(on)
    assert told == (f"{found.title} {reason}" if reason else "")


def test_neither_what_is_superseded_nor_what_has_no_day_may_be_put_in_force() -> None:
    text = TEXTS["zibo.yaml"]
    old = read_profile("z.yaml", text.replace("status: in_force", "status: superseded"))
    assert old.may_be_activated(date(2026, 1, 1)).endswith("is superseded, not in force")
    undated = read_profile("z.yaml", text.replace("effective: 2024-11-01", "effective: null"))
    assert undated.may_be_activated(date(2026, 1, 1)).endswith("takes effect on no known day")


def test_an_instrument_may_last_a_day_or_expire_without_a_known_beginning() -> None:
    text = TEXTS["changde.yaml"]
    assert read_profile("c.yaml", text.replace("2027-08-24", "2022-08-24")).expires == date(2022, 8, 24)
    assert read_profile("c.yaml", text.replace("effective: 2022-08-24", "effective: null")).effective is None


@pytest.mark.requirement("POL-13")
def test_an_expiry_is_told_ninety_days_before() -> None:
    last, changde = date(2027, 8, 24), bundled().get("changde")
    assert changde.expires_soon(last - timedelta(days=91)) is None
    assert changde.expires_soon(last - timedelta(days=90)) == 90
    assert changde.expires_soon(last) == 0
    assert changde.expires_soon(last + timedelta(days=2)) == -2
    assert bundled().get("zibo").expires_soon(last) is None


def test_what_a_profile_is_called() -> None:
    zibo = bundled().get("zibo")
    assert (zibo.doc_no, zibo.rank, zibo.region, zibo.floor) == (
        "淄博市人民政府令第119号", "地方政府规章", "淄博市", "national",
    )  # fmt: skip
    assert (zibo.incomplete, bundled().get("changde").incomplete) == (True, False)
    assert bundled().get("changde").issued == date(2022, 8, 24)
    assert bundled().get("national").floor is None
    assert bundled().get("deqing").doc_no == ""


def test_planning_notes_outside_the_text_are_no_law() -> None:
    """Zibo's file quotes a sister city for planning: 5 days for subjects. Nothing of it may be heard."""
    assert "analogue_outside_text" in data("zibo.yaml")
    without = data("zibo.yaml")
    del without["analogue_outside_text"]
    assert read_profile("z.yaml", yaml.safe_dump(without)).entries == bundled().get("zibo").entries


def test_an_unknown_profile_is_told_those_that_there_are() -> None:
    with pytest.raises(UnknownKey, match="no profile beijing; there are: changde, deqing, jingdezhen"):
        bundled().get("beijing")
    with pytest.raises(UnknownKey, match="no profile _platform_default"):
        bundled().law("_platform_default", government=True)


def test_every_stated_key_is_in_the_list_of_keys() -> None:
    known = set(schema.keys())
    for one in bundled().ids():
        stated = {key for key, entry in bundled().get(one).entries.items() if entry.cite}
        sections = {key.partition(".")[0] for key in known}
        assert stated - known <= sections
