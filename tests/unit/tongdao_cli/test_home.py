"""A home keeps its ports, admits one user at a time and says plainly what is in the way."""

import socket
import stat
from pathlib import Path

import pytest

from tongdao_cli.home import INNER_PORTS, CannotStart, Home, port_trouble


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


def listener() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


@pytest.mark.requirement("CLI-01")
def test_a_taken_port_is_told_with_the_remedy() -> None:
    with listener() as taken:
        port = taken.getsockname()[1]
        assert port_trouble(port) == (
            f"port {port} is taken by another program; stop it or choose another with --port"
        )  # fmt: skip
    assert port_trouble(port) == ""


@pytest.mark.requirement("CLI-02")
def test_a_later_start_finds_the_same_ports(home: Home) -> None:
    first = home.choose_ports()
    assert set(first) == set(INNER_PORTS)
    assert len(set(first.values())) == len(INNER_PORTS)
    assert Home(home.root).choose_ports() == first


@pytest.mark.requirement("CLI-02")
def test_only_the_port_that_is_taken_changes(home: Home) -> None:
    first = home.choose_ports()
    with listener() as taken:
        home.remember(ports={**first, "identity": taken.getsockname()[1]})
        second = home.choose_ports()
        assert second["identity"] != taken.getsockname()[1]
    assert {**second, "identity": 0} == {**first, "identity": 0}
    assert home.state()["ports"] == second


@pytest.mark.requirement("CLI-03")
def test_a_home_has_one_user_at_a_time(home: Home) -> None:
    with home.locked():
        home.announce({"gateway": "http://127.0.0.1:1"})
        with pytest.raises(CannotStart, match="in use by another tongdao"), Home(home.root).locked():
            pass
        assert Home(home.root).running() == {"gateway": "http://127.0.0.1:1"}
    assert home.running() == {}
    with Home(home.root).locked():
        pass


def test_what_a_killed_start_left_behind_does_not_count_as_running(home: Home) -> None:
    home.announce({"gateway": "http://127.0.0.1:1"})
    assert home.running() == {}
    assert Home(home.root / "never-made").running() == {}


def test_files_with_secrets_are_for_their_owner_alone(home: Home) -> None:
    home.announce({"database_url": "postgresql://somebody:secret@127.0.0.1/x"})
    assert stat.S_IMODE((home.root / "run.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o700


def test_a_place_where_one_cannot_write_is_told_in_one_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(CannotStart, match="choose another with --home"):
        Home(in_the_way / "home").make()


def test_a_broken_state_file_is_told_in_one_line(home: Home) -> None:
    (home.root / "state.json").write_text("{")
    with pytest.raises(CannotStart, match=r"cannot read .*state\.json"):
        home.state()
