"""`tongdao policy …`: what law applies, when time is up, whether a law file is sound. Needs no running platform."""

import difflib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from statute import schema
from statute.calendar import SHANGHAI, CalendarError, bundled_calendar, read_calendar
from statute.model import CLOCK_KEYS, Answer, Clock, Profile, ProfileError, UnknownKey
from statute.profiles import bundled, read_profile
from statute.resolve import Law
from statute.strict_yaml import BadYaml, load

policy = typer.Typer(no_args_is_help=True, help="What law applies, and when a time limit ends.")

ProfileOption = Annotated[str, typer.Option("--profile", help="whose law; `policy profiles` lists them")]
NonGovernmentOption = Annotated[
    bool, typer.Option("--non-government", help="a party is no 政府部门: the national floor does not bind")
]
JsonOption = Annotated[bool, typer.Option("--json", help="machine-readable")]


@contextmanager
def _plainly() -> Iterator[None]:
    """A wrong profile, key, region or date is one line that says what is allowed."""
    try:
        yield
    except (UnknownKey, CalendarError) as error:
        sys.stderr.write(f"tongdao: {error}\n")
        raise typer.Exit(1) from None


@policy.command()
def clocks(profile: ProfileOption, non_government: NonGovernmentOption = False, as_json: JsonOption = False) -> None:
    """Print the time limits that apply, each with where it comes from."""
    with _plainly():
        law = bundled().law(profile, government=not non_government)
    found = [clock for key in CLOCK_KEYS if (clock := law.clock(key))]
    if as_json:
        fields = ("base", "total", "unit", "source", "cite")
        _print_json({clock.key: {name: getattr(clock, name) for name in fields} for clock in found})
        return
    table = _table("clock", "time", "source", "article")
    for clock in found:
        table.add_row(clock.key, _time(clock), clock.source, _article(clock))
    _title(law)
    Console().print(table, markup=False)


@policy.command()
def show(
    key: Annotated[str, typer.Argument(help="for example share.conditional.reply or share.refusal")],
    profile: ProfileOption,
    non_government: NonGovernmentOption = False,
    as_json: JsonOption = False,
) -> None:
    """Explain one key: what each layer says by itself, and what applies."""
    with _plainly():
        law = bundled().law(profile, government=not non_government)
        layers, applies = _explained(law, key)
    if as_json:
        effective = _as_data(applies) | {"qualifier": _qualifier(law, key), "unread": law.unread(key)}
        told = [_as_data(one) for one in layers]
        _print_json(
            {"key": key, "profile": profile, "version": law.profile.version, "effective": effective, "layers": told}
        )
        return
    table = _table("", "says", "binding", "extension", "article")
    for one in layers:
        table.add_row(one.source, *_told(one))
    table.add_section()
    table.add_row(f"applies ({applies.source})", *_told(applies))
    _title(law, key)
    Console().print(table, markup=False)
    if qualifier := _qualifier(law, key):
        typer.echo(f"said of the time: {qualifier}")
    if law.unread(key):
        typer.echo("the local text could not be read here; it may say something else")


def _explained(law: Law, key: str) -> tuple[list[Clock | Answer], Clock | Answer]:
    try:
        entry, rest = schema.split(key)
    except KeyError:
        raise UnknownKey(f"no key {key}; {_near(key)}") from None
    silent = Answer(key, None, "platform", "")
    applies = law.value(key) if rest or not schema.is_clock(entry) else law.clock(key) or silent
    return list(law.alone(key)), applies


def _near(key: str) -> str:
    known = list(schema.keys())
    inside = [one for one in known if one.startswith(f"{key}.")]
    near = inside or difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    sections = dict.fromkeys(one.partition(".")[0] for one in known)
    return f"there is: {', '.join(near)}" if near else f"keys start with one of: {', '.join(sections)}"


def _qualifier(law: Law, key: str) -> str:
    entry, rest = schema.split(key)
    return law.qualifier(key) if schema.is_clock(entry) and not rest else ""


@policy.command()
def profiles(
    on: Annotated[str, typer.Option(help="the day to judge by; today otherwise")] = "", as_json: JsonOption = False
) -> None:
    """List the profiles: in force, draft, incomplete, soon to expire."""
    with _plainly():
        day = _day(on, "--on") if on else datetime.now(UTC).astimezone(SHANGHAI).date()
    found = [bundled().get(one) for one in bundled().ids()]
    if as_json:
        _print_json([_summary(profile, day) for profile in found])
        return
    table = _table("profile", "title", "status", "effective", "expires", "remarks")
    for profile in found:
        dates = [str(one or "-") for one in (profile.effective, profile.expires)]
        table.add_row(profile.id, profile.title, profile.status, *dates, "; ".join(_remarks(profile, day)))
    Console().print(table, markup=False)


def _summary(profile: Profile, day: date) -> dict[str, object]:
    return {
        "id": profile.id, "version": profile.version, "title": profile.title, "region": profile.region,
        "status": profile.status, "effective": profile.effective, "expires": profile.expires, "floor": profile.floor,
        "draft": profile.status == "draft", "incomplete": profile.incomplete,
        "expires_in_days": profile.expires_soon(day), "not_activated_because": profile.may_be_activated(day),
    }  # fmt: skip


def _remarks(profile: Profile, day: date) -> Iterator[str]:
    if profile.status == "draft":
        yield "may be simulated, not activated"
    if profile.incomplete:
        yield "part of the text is unread"
    left = profile.expires_soon(day)
    if left is not None:
        yield f"expires in {left} days" if left >= 0 else "has expired"


@policy.command()
def due(
    from_: Annotated[str, typer.Option("--from", metavar="DATE", help="the day of receipt")],
    days: Annotated[int, typer.Option(min=0, max=9999, help="working days")],
    region: Annotated[str, typer.Option(help="whose calendar")] = "CN",
    as_json: JsonOption = False,
) -> None:
    """Print the last of so many working days after a day."""
    with _plainly():
        found = bundled_calendar(region).due(_day(from_, "--from"), days)
    if as_json:
        typer.echo(json.dumps({"due": str(found.date), "provisional": found.provisional}, separators=(",", ":")))
    elif found.provisional:
        typer.echo(f"{found.date} (provisional: a year's holidays are not announced yet; 预计，放假安排未公布)")
    else:
        typer.echo(f"{found.date}")


def _day(text: str, option: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  # a day has no zone
    except ValueError:
        raise CalendarError(f"{option} {text} is no day; write it as 2026-01-31") from None


@policy.command()
def check(files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="profiles and calendars")]) -> None:
    """Check profile and calendar files; exit code 1 if any is wrong, naming file and key."""
    results = [_check(file) for file in files]
    raise typer.Exit(0 if all(results) else 1)


def _check(file: Path) -> bool:
    try:
        typer.echo(f"{file}: {_sound(file, file.read_text('utf-8'))}")
    except OSError as error:
        typer.echo(f"{file}: cannot be read: {error.strerror}")
    except (UnicodeDecodeError, BadYaml, CalendarError) as error:
        typer.echo(f"{file}: {error}")
    except ProfileError as error:
        typer.echo(f"{error}")  # names the file itself
    else:
        return True
    return False


def _sound(file: Path, text: str) -> str:
    written = load(text)
    if isinstance(written, Mapping) and written.get("schema") == "dx-calendar/1":
        calendar = read_calendar(text)
        announced = [str(number) for number, year in calendar.years.items() if year.announced]
        return (
            f"good: calendar {calendar.region} version {calendar.version}, announced: {', '.join(announced) or 'none'}"
        )
    profile = read_profile(str(file), text)
    bundled().with_profile(profile)
    return f"good: profile {profile.id} version {profile.version}"


def _title(law: Law, key: str = "") -> None:
    what = f"{key} under " if key else ""
    typer.echo(f"{what}{law.profile.title} ({law.profile.id}, version {law.profile.version})")
    if law.profile.status != "in_force":
        typer.echo(f"simulated: its status is {law.profile.status}")


def _told(one: Clock | Answer) -> tuple[str, str, str, str]:
    if isinstance(one, Clock):
        return _time(one), one.binding, _extension(one), _article(one)
    return ("-" if one.value is None else _text(one.value)), "", "", _article(one)


def _time(clock: Clock) -> str:
    longer = f", at most {clock.total}" if clock.total > clock.base else ""
    return f"{clock.base} {clock.unit}{longer}"


def _extension(clock: Clock) -> str:
    if clock.total == clock.base:
        return ""
    asked = [f"by {clock.approve_by}"] if clock.approve_by else []
    told = [f"tell {', '.join(clock.notify)}"] if clock.notify else []
    return "; ".join([*asked, *told, *(["with reason"] if clock.reason else [])])


def _article(one: Clock | Answer) -> str:
    return f"平台默认，非法定: {one.cite}" if one.source == "platform" and one.cite else one.cite


def _as_data(one: Clock | Answer) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name != "key"}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for n, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=n == 0)  # a key that is cut is no use
    return table
