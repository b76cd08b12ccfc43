"""`tongdao policy`: exact answers for machines, one plain line for what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from statute.model import CLOCK_KEYS
from statute.profiles import bundled, bundled_texts
from tongdao_cli.main import build

PROFILES = ("changde", "deqing", "jingdezhen", "national", "yunnan", "zibo")
PROVISIONAL = "(provisional: a year's holidays are not announced yet; 预计，放假安排未公布)"


def run(command: str) -> Result:
    return CliRunner().invoke(build(), ["policy", *command.split()], env={"COLUMNS": "200"})


def answer(command: str) -> Any:
    done = run(f"{command} --json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.requirement("POL-14")
@pytest.mark.parametrize("government", [True, False])
@pytest.mark.parametrize("profile", PROFILES)
def test_clocks_are_those_that_the_law_comes_to(profile: str, government: bool) -> None:
    told = answer(f"clocks --profile {profile}{'' if government else ' --non-government'}")
    law = bundled().law(profile, government=government)
    assert tuple(told) == CLOCK_KEYS
    for key, clock in told.items():
        assert list(clock) == ["base", "total", "unit", "source", "cite"]
        assert clock == {name: getattr(law.clock(key), name) for name in clock}


@pytest.mark.requirement("POL-14")
def test_a_clock_for_machines() -> None:
    assert answer("clocks --profile deqing")["share.conditional.reply"] == {
        "base": 10, "total": 20, "unit": "WD", "source": "floor", "cite": "政务数据共享条例 art.21 para 1",
    }  # fmt: skip
    assert answer("clocks --profile deqing --non-government")["share.conditional.reply"] == {
        "base": 10, "total": 10, "unit": "WD", "source": "platform", "cite": "platform",
    }  # fmt: skip


def test_clocks_for_people() -> None:
    told = run("clocks --profile yunnan").stdout
    assert "云南省公共数据管理办法（征求意见稿） (yunnan, version " in told
    assert "simulated: its status is draft" in told
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in told.splitlines()}
    assert rows["catalog.update_on_change"] == "10 WD, at most 15 floor 政务数据共享条例 art.17 para 2"
    assert rows["demand.reply"] == "10 WD platform 平台默认，非法定: platform"
    assert set(CLOCK_KEYS) <= set(rows)
    assert "simulated" not in run("clocks --profile changde").stdout


@pytest.mark.requirement("POL-15")
def test_one_key_is_explained_layer_by_layer() -> None:
    told = answer("show correction.by_requester --profile changde")
    assert told["key"] == "correction.by_requester"
    assert told["version"] == bundled().get("changde").version
    assert [(one["source"], one["base"], one["total"]) for one in told["layers"]] == [
        ("local", 5, 20), ("floor", 10, 10), ("platform", 5, 5),
    ]  # fmt: skip
    effective = told["effective"]
    assert (effective["base"], effective["total"], effective["source"]) == (5, 10, "mixed")
    assert (effective["approve_by"], effective["notify"]) == ("提供部门负责人", ["requester"])
    assert effective["cite"] == "常德市公共数据管理办法 art.14; 政务数据共享条例 art.26 para 2"
    assert len(answer("show correction.by_requester --profile changde --non-government")["layers"]) == 2


@pytest.mark.requirement("POL-15")
def test_a_key_is_explained_to_people() -> None:
    told = run("show share.conditional.reply --profile jingdezhen").stdout
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in told.splitlines()}
    local = "1 WD in_principle 景德镇市政务数据共享管理暂行办法 art.10 para 2 原则上1个工作日"
    assert rows["local"] == local
    assert rows["floor"].startswith("10 WD, at most 20 must by same_level_authority; tell requester; with reason 政务")
    assert rows["applies"] == f"(local) {local}"
    assert "said of the time: immediate_if_possible" in run("show open.reply --profile changde").stdout
    assert "the local text could not be read here" in run("show open.reply --profile zibo").stdout
    assert "could not be read" not in run("show open.reply --profile changde").stdout


@pytest.mark.requirement("POL-15")
def test_a_key_that_is_no_clock_is_explained_too() -> None:
    told = answer("show catalog.basis_required.none --profile changde")
    assert told["effective"]["value"] == ["理由", "法律", "行政法规"]
    assert [one["value"] for one in told["layers"]] == [
        ["理由", "法律", "法规"], ["理由", "法律", "行政法规", "国务院决定"], None,
    ]  # fmt: skip
    assert answer("show share.unconditional.mode --profile zibo")["effective"]["source"] == "floor"
    assert answer("show share.refusal --profile zibo")["effective"]["unread"] is True
    ordered = answer("show correction.authority_ordered --profile yunnan")["effective"]
    assert (ordered["value"], ordered["qualifier"]) == (None, "deadline_set_by_authority")
    assert '["法律", "政策"]' in run("show share.refusal.legal_basis --profile jingdezhen").stdout


def test_profiles_are_listed_with_their_state() -> None:
    told = {one["id"]: one for one in answer("profiles --on 2027-06-01")}
    assert tuple(told) == PROFILES
    assert told["changde"]["expires_in_days"] == 84
    assert told["changde"]["not_activated_because"] == ""
    assert (told["deqing"]["draft"], told["changde"]["draft"]) == (True, False)
    assert told["deqing"]["not_activated_because"].endswith("is a draft, not in force")
    assert [one for one, row in told.items() if row["incomplete"]] == ["zibo"]
    assert told["national"] | {"version": ""} == {
        "id": "national", "version": "", "title": "政务数据共享条例", "region": "全国", "status": "in_force",
        "effective": "2025-08-01", "expires": None, "floor": None, "draft": False, "incomplete": False,
        "expires_in_days": None, "not_activated_because": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("on", "profile", "remark"),
    [
        ("2027-06-01", "changde", "expires in 84 days"),
        ("2027-08-25", "changde", "has expired"),
        ("2027-01-01", "deqing", "may be simulated, not activated"),
        ("2027-01-01", "zibo", "part of the text is unread"),
    ],
)
def test_profiles_for_people(on: str, profile: str, remark: str) -> None:
    rows = run(f"profiles --on {on}").stdout.splitlines()
    assert [line.split()[0] for line in rows if line.rstrip().endswith(remark)].count(profile) == 1


def test_profiles_are_judged_by_today_unless_told_otherwise() -> None:
    assert tuple(one["id"] for one in answer("profiles")) == PROFILES


@pytest.mark.requirement("CAL-10")
@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("due --from 2026-02-13 --days 10 --region CN --json", '{"due":"2026-03-05","provisional":false}'),
        ("due --from 2026-12-31 --days 1 --json", '{"due":"2027-01-04","provisional":true}'),
        ("due --from 2026-11-22 --days 0 --json", '{"due":"2026-11-22","provisional":false}'),
        ("due --from 2026-02-13 --days 10", "2026-03-05"),
        ("due --from 2026-12-31 --days 1", f"2027-01-04 {PROVISIONAL}"),
    ],
)  # fmt: skip
def test_due(command: str, line: str) -> None:
    done = run(command)
    assert (done.exit_code, done.stdout) == (0, f"{line}\n")


@pytest.mark.requirement("POL-16")
@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("clocks --profile beijing", f"no profile beijing; there are: {', '.join(PROFILES)}"),
        ("show share.refusal --profile beijing", "no profile beijing; there are: changde, deqing, jingdezhen, nat"),
        ("show demand.replay --profile zibo", "no key demand.replay; there is: demand.reply"),
        ("show demand --profile zibo", "no key demand; there is: demand.route, demand.reply, demand.fulfil"),
        ("show weather --profile zibo", "no key weather; keys start with one of: party_scope, excluded_data, staff"),
        ("due --from 2026-02-30 --days 1", "--from 2026-02-30 is no day; write it as 2026-01-31"),
        ("due --from soon --days 1", "--from soon is no day; write it as 2026-01-31"),
        ("due --from 2026-01-01 --days 1 --region XX", "no calendar for region XX; there are: CN"),
        ("due --from 2050-12-31 --days 1", "the working days of 2051 are not known; years 2024 to 2050"),
        ("due --from 9999-12-31 --days 1", "what starts at 9999-12-31 ends in a year that nobody knows"),
        ("profiles --on tomorrow", "--on tomorrow is no day; write it as 2026-01-31"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_one_line_that_says_what_is_allowed(command: str, told: str) -> None:
    done = run(command)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"tongdao: {told}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command", ["clocks", "show", "show open.reply", "due --from 2026-01-01 --days -1",
                "due --from 2026-01-01 --days x", "due --days 1", "check"]
)  # fmt: skip
def test_what_is_missing_or_out_of_range_is_told_with_two(command: str) -> None:
    assert run(command).exit_code == 2


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A sound profile of a city that is not bundled, a sound calendar, and what is wrong with others."""
    city = bundled_texts()["changde.yaml"].replace("id: changde", "id: mytown")
    year = "schema: dx-calendar/1\nregion: CN\nyears:\n 2027: {status: announced, weekdays_off: [2027-01-01], DAYS}"
    for name, text in {
        "city": city,
        "unknown-key": city.replace("approver: {v: provider", "approver: {value: provider"),
        "floor": city.replace("floor: national", "floor: province"),
        "calendar": year.replace("DAYS", "weekends_worked: []"),
        "weekday": year.replace("DAYS", "weekends_worked: [2027-01-04]"),
        "unannounced": "schema: dx-calendar/1\nregion: CN\nyears: {2027: {status: provisional}}",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    return tmp_path


@pytest.mark.requirement("POL-16")
@pytest.mark.parametrize(
    ("name", "told", "exit_code"),
    [
        ("city", "good: profile mytown version ", 0),
        ("calendar", "good: calendar CN version ", 0),
        ("unannounced", "good: calendar CN version ", 0),
        ("unknown-key", "share.conditional.approver.value: unknown key; known are: v, cite", 1),
        ("floor", "floor: there is no profile province that could be a floor", 1),
        ("weekday", "years.2027.weekends_worked[0]: 2027-01-04 is no Saturday or Sunday", 1),
        ("bytes", "'utf-8' codec can't decode", 1),
        ("missing", "cannot be read: No such file", 1),
    ],
)
def test_files_are_checked(files: Path, name: str, told: str, exit_code: int) -> None:
    file = files / f"{name}.yaml"
    done = run(f"check {file}")
    assert done.stdout.startswith(f"{file}: {told}"), done.stdout
    assert done.exit_code == exit_code


def test_one_bad_file_among_good_ones_is_enough(files: Path) -> None:
    done = run(f"check {files}/city.yaml {files}/floor.yaml {files}/calendar.yaml")
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 3
    assert run(f"check {files}/city.yaml {files}/calendar.yaml").exit_code == 0
