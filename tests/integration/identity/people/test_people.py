"""People come in by a one-time link, sign in with two factors, and are locked out alone."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from harness.people import PASSWORD, WRONG

pytestmark = pytest.mark.anyio
ISSUER = "https://tongdao.example"


@pytest.mark.requirement("PEO-01")
async def test_a_one_time_link_sets_password_and_second_factor_and_is_good_once(office: Any) -> None:
    person = await office.invited("officer")
    first = office.browser()
    answer = await person.enrol(first, office.clock.now())
    assert answer.status_code == 200
    assert len(set(person.recovery)) == 10
    assert (await first.open("/login/account")).status_code == 200
    again = await office.browser().open(person.link.removeprefix(ISSUER))
    assert again.status_code == 404
    (event,) = await office.events("person.enrolled", actor=f"person:{person.id}")
    assert event.department == "gaj"
    assert person.login not in str(office.log.leaves)


@pytest.mark.requirement("PEO-01")
@pytest.mark.parametrize("gone", ["expired", "replaced", "never"])
async def test_a_link_that_is_no_longer_good_opens_nothing(office: Any, gone: str) -> None:
    person = await office.invited("officer")
    path = person.link.removeprefix(ISSUER)
    if gone == "expired":
        office.clock.ahead = timedelta(days=7, seconds=1)
    elif gone == "replaced":
        assert (await office.people("POST", f"/{person.id}/invitation")).status_code == 201
    else:
        path = path[:-1] + ("A" if path[-1] != "A" else "B")
    assert (await office.browser().open(path)).status_code == 404


@pytest.mark.requirement("PEO-01")
@pytest.mark.parametrize(
    "password",
    ["Short-7a", "alllowercaseletters", "Abababababab1" * 10, "aB1aB1aB1aB1", "x-{login}-Zebra-7"],
    ids=["short", "one-kind", "long", "few-characters", "name-in-it"],
)
async def test_a_weak_password_is_refused_and_the_link_stays_good(office: Any, password: str) -> None:
    person = await office.invited("officer")
    person.password = password.format(login=person.login)
    assert (await person.enrol(office.browser(), office.clock.now())).status_code == 422
    person.password = PASSWORD
    assert (await person.enrol(office.browser(), office.clock.now())).status_code == 200


@pytest.mark.requirement("PEO-02")
async def test_both_factors_sign_in_and_neither_does_alone(office: Any) -> None:
    person = await office.member("officer")
    visitor = office.browser()
    await visitor.open("/login/sign-in")
    half = await visitor.send("/login/sign-in", login=person.login, password=person.password)
    assert half.headers["location"] == "/login/code"
    assert (await visitor.open("/login/account")).headers["location"] == "/login/sign-in"
    assert (await visitor.open("/login/password")).headers["location"] == "/login/sign-in"
    await visitor.follow(half)
    assert (await visitor.send("/login/code", code="000000")).status_code == 401
    done = await visitor.send("/login/code", code=person.code(office.clock.now()))
    assert done.headers["location"] == "/login/account"
    assert person.login in (await visitor.follow(done)).text


@pytest.mark.requirement("PEO-02")
@pytest.mark.parametrize("row", ["E-7-replay", "E-7-step-before", "E-7-step-reuse-by-two"])
async def test_no_code_is_good_twice(office: Any, row: str) -> None:
    person, at = await office.member("officer"), office.clock.now()
    if row == "E-7-step-reuse-by-two":
        both = await asyncio.gather(*(person.sign_in(office.browser(), at) for _ in range(2)))
        assert sorted(answer.status_code for answer in both) == [303, 401]
        return
    assert (await person.sign_in(office.browser(), at)).status_code == 303
    steps = 0 if row == "E-7-step-before" else 1
    other = office.browser()
    await other.open("/login/sign-in")
    await other.follow(await other.send("/login/sign-in", login=person.login, password=person.password))
    assert (await other.send("/login/code", code=person.code(at, steps))).status_code == 401


@pytest.mark.requirement("PEO-02")
async def test_a_recovery_code_stands_in_once(office: Any) -> None:
    person = await office.member("officer")
    for spelling, status in ((person.recovery[0].lower().replace("-", " "), 303), (person.recovery[0], 401)):
        visitor = office.browser()
        await visitor.open("/login/sign-in")
        await visitor.follow(await visitor.send("/login/sign-in", login=person.login, password=person.password))
        assert (await visitor.send("/login/code", code=spelling)).status_code == status


@pytest.mark.requirement("PEO-03")
@pytest.mark.parametrize("is_there", [True, False], ids=["E-7-somebody", "E-7-nobody"])
async def test_five_wrong_passwords_lock_this_place_out_and_no_other(office: Any, is_there: bool) -> None:
    person = await office.member("officer")
    login = person.login if is_there else f"{person.login}x"
    attacker = office.browser("198.51.100.1")
    await attacker.open("/login/sign-in")
    statuses = [(await attacker.send("/login/sign-in", login=login, password=WRONG)).status_code for _ in range(6)]
    assert statuses == [401, 401, 401, 401, 401, 429]
    refused = await attacker.send("/login/sign-in", login=login, password=person.password)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "900")
    if is_there:
        assert (await person.sign_in(office.browser(), office.clock.now())).status_code == 303
        office.clock.ahead = timedelta(minutes=15, seconds=1)
        assert (await attacker.send("/login/sign-in", login=login, password=PASSWORD)).status_code == 303


@pytest.mark.requirement("PEO-03")
async def test_many_guesses_at_once_are_counted_one_by_one(office: Any) -> None:
    person = await office.member("officer")
    attacker = office.browser("198.51.100.2")
    await attacker.open("/login/sign-in")
    fields = {**attacker.hidden(), "login": person.login, "password": WRONG}
    answers = await asyncio.gather(*(attacker.http.post("/login/sign-in", data=fields) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 15


@pytest.mark.requirement("PEO-03")
async def test_behind_one_address_a_known_browser_is_not_locked_out_by_a_neighbour(office: Any) -> None:
    person = await office.invited("officer")
    own = office.browser("203.0.113.50")
    await person.enrol(own, office.clock.now())
    neighbour = office.browser("203.0.113.50")
    await neighbour.open("/login/sign-in")
    for _ in range(6):
        answer = await neighbour.send("/login/sign-in", login=person.login, password=WRONG)
    assert answer.status_code == 429
    assert (await person.sign_in(own, office.clock.now())).status_code == 303
    for cookie in own.http.cookies.jar:  # the device cookie is good for its own name alone
        if cookie.name.endswith("device"):
            neighbour.http.cookies.set(cookie.name, "x" + str(cookie.value), path="/login")
    assert (await neighbour.send("/login/sign-in", login=person.login, password=WRONG)).status_code == 429


@pytest.mark.requirement("PEO-03")
async def test_who_knows_a_password_cannot_guess_codes_from_many_addresses(office: Any) -> None:
    person = await office.invited("officer")
    own = office.browser()
    await person.enrol(own, office.clock.now())
    statuses = []
    for n in range(21):
        attacker = office.browser(f"2001:db8:{n:x}::1")
        await attacker.open("/login/sign-in")
        half = await attacker.send("/login/sign-in", login=person.login, password=person.password)
        await attacker.follow(half)
        statuses.append((await attacker.send("/login/code", code="000000")).status_code)
    assert statuses == [401] * 20 + [429]
    assert (await person.sign_in(own, office.clock.now())).status_code == 303


@pytest.mark.requirement("PEO-03")
async def test_one_network_does_not_try_a_password_on_every_name(office: Any) -> None:
    person = await office.member("officer")
    attacker = office.browser("198.51.100.77")
    await attacker.open("/login/sign-in")
    fields = {**attacker.hidden(), "password": WRONG}
    rows = "SELECT count(*) FROM identity.attempt"
    for n in range(60):
        assert (await attacker.http.post("/login/sign-in", data={**fields, "login": f"n{n}"})).status_code == 401
    (before,) = await office.rows(rows)
    for n in range(60, 65):
        assert (await attacker.http.post("/login/sign-in", data={**fields, "login": f"n{n}"})).status_code == 429
    assert await office.rows(rows) == [before]
    assert (await person.sign_in(office.browser(), office.clock.now())).status_code == 303


@pytest.mark.requirement("PEO-03")
async def test_failures_are_counted_in_the_log(office: Any) -> None:
    person = await office.member("officer")
    visitor = office.browser()
    await visitor.open("/login/sign-in")
    for _ in range(3):
        await visitor.send("/login/sign-in", login=person.login, password=WRONG)
    assert await office.counted_failures(f"person:{person.id}", 3) == 3


@pytest.mark.requirement("PEO-05")
@pytest.mark.parametrize("second", ["system-administrator", "audit-administrator"])
async def test_administrations_exclude_each_other(office: Any, second: str) -> None:
    person = await office.invited("security-administrator", "officer")
    answer = await office.people("PUT", f"/{person.id}/roles", {"roles": ["security-administrator", second]})
    assert (answer.status_code, answer.json()["code"]) == (409, "person/roles-exclude")
    with pytest.raises(asyncpg.UniqueViolationError, match="person_role_one_administration"):
        await office.rows("INSERT INTO identity.person_role VALUES ($1, $2)", person.id, second)


@pytest.mark.requirement("PEO-05")
async def test_a_role_change_is_in_the_log_and_revokes_what_was_issued(office: Any) -> None:
    person = await office.member("officer")
    answer = await office.people("PUT", f"/{person.id}/roles", {"roles": ["head"]})
    assert (answer.status_code, answer.json()["roles"]) == (200, ["head"])
    (event,) = await office.events("person.roles_changed", person=f"person:{person.id}")
    assert (event.actor, event.facts["before"], event.facts["roles"]) == ("platform-operator", "officer", "head")
    assert await office.is_revoked("person", f"person:{person.id}")


@pytest.mark.requirement("PEO-05")
@pytest.mark.parametrize("role", ["system-administrator", "audit-administrator", "security-administrator"])
async def test_a_link_for_another_administrator_does_not_bring_the_administration(office: Any, role: str) -> None:
    administrator, victim = await office.member("security-administrator"), await office.member(role, "officer")
    token = await office.token_of(administrator)
    answer = await office.people("POST", f"/{victim.id}/invitation", None, token)
    kept = ["officer", role] if role == "security-administrator" else ["officer"]
    assert (answer.status_code, answer.json()["person"]["roles"]) == (201, kept)
    changed = await office.events("person.roles_changed", person=f"person:{victim.id}")
    before = " ".join(sorted([role, "officer"]))
    assert [event.facts["before"] for event in changed] == ([before] if len(kept) == 1 else [])
    other = await office.member("system-administrator")
    answer = await office.people("POST", f"/{other.id}/invitation")  # the operator has every right anyway
    assert answer.json()["person"]["roles"] == ["system-administrator"]


@pytest.mark.requirement("PEO-05")
async def test_a_client_gives_no_administration(office: Any) -> None:
    client, key = await office.service.registered(scope="people:write")
    token = await office.service.token(client, key)
    body = {"login": "pp-1", "name": "x", "department": "platform", "roles": ["audit-administrator"]}
    assert (await office.people("POST", "", body, token)).status_code == 403
    person = await office.invited()
    for role, status in (("head", 200), ("system-administrator", 403)):
        answer = await office.people("PUT", f"/{person.id}/roles", {"roles": [role]}, token)
        assert answer.status_code == status


@pytest.mark.requirement("PEO-05")
@pytest.mark.parametrize("row", ["no-department", "administration", "administration-later"])
async def test_people_are_where_the_catalog_says_and_administrators_at_the_platform(office: Any, row: str) -> None:
    body = {"login": "qq-1", "name": "x", "department": "gaj", "roles": ["officer"]}
    if row == "administration-later":
        person = await office.invited("officer")
        answer = await office.people("PUT", f"/{person.id}/roles", {"roles": ["audit-administrator"]})
    else:
        wrong = {"department": "nowhere"} if row == "no-department" else {"roles": ["system-administrator"]}
        answer = await office.people("POST", "", {**body, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (409, "request/conflict")


@pytest.mark.requirement("PEO-05")
@pytest.mark.parametrize("how", ["role", "suspended"])
async def test_the_last_active_security_administrator_stays(office: Any, how: str) -> None:
    await office.rows("DELETE FROM identity.person_role WHERE role = 'security-administrator'")
    last = await office.member("security-administrator")

    async def taken() -> int:
        if how == "role":
            answer = await office.people("PUT", f"/{last.id}/roles", {"roles": []})
        else:
            answer = await office.people("POST", f"/{last.id}/standing", {"standing": "suspended", "reason": "x"})
        return int(answer.status_code)

    assert await taken() == 409
    await office.member("security-administrator")
    assert await taken() == 200


@pytest.mark.requirement("PEO-05")
async def test_nobody_decides_on_their_own_rights(office: Any) -> None:
    person = await office.member("security-administrator")
    token = await office.token_of(person)
    for method, path, body in (
        ("PUT", "/roles", {"roles": ["system-administrator"]}),
        ("POST", "/invitation", None),
        ("POST", "/standing", {"standing": "active", "reason": "test"}),
    ):
        answer = await office.people(method, f"/{person.id}{path}", body, token)
        assert (answer.status_code, answer.json()["code"]) == (403, "person/own-rights")


@pytest.mark.requirement("PEO-05")
@pytest.mark.parametrize(
    "body",
    [
        {"login": "a", "name": "A", "department": "gaj", "roles": []},
        {"login": "abc", "name": "A", "department": "gaj", "roles": ["root"]},
        {"login": "abc", "name": "A", "department": "gaj", "roles": [], "standing": "active"},
        {"login": "abc", "name": "A", "department": "gaj", "roles": [], "password": "x"},
    ],
    ids=["login", "role", "E-5-standing", "E-5-password"],
)
async def test_an_invitation_says_who_and_nothing_else(office: Any, body: dict[str, Any]) -> None:
    assert (await office.people("POST", "", body)).status_code == 422


@pytest.mark.requirement("PEO-05")
async def test_a_login_name_is_somebody_s_once_and_people_are_listed(office: Any) -> None:
    person = await office.invited("officer")
    body = {"login": person.login, "name": "A", "department": "gaj", "roles": []}
    assert (await office.people("POST", "", body)).status_code == 409
    listed = (await office.people("GET", f"?after={person.login[:-1]}")).json()["people"]
    assert listed[0]["login"] == person.login
    assert not {"password", "totp", "link"} & listed[0].keys()


@pytest.mark.requirement("PEO-04")
async def test_a_suspended_person_is_out_at_once_and_does_not_come_in(office: Any) -> None:
    person = await office.invited("officer")
    own = office.browser()
    await person.enrol(own, office.clock.now())
    body = {"standing": "suspended", "reason": "left the department"}
    assert (await office.people("POST", f"/{person.id}/standing", body)).status_code == 200
    assert (await own.open("/login/account")).status_code == 303
    assert (await person.sign_in(office.browser(), office.clock.now())).status_code == 401
    assert await office.is_revoked("person", f"person:{person.id}")
    await office.people("POST", f"/{person.id}/standing", {**body, "standing": "active"})
    assert (await person.sign_in(office.browser(), office.clock.now())).status_code == 303


@pytest.mark.requirement("PEO-04")
async def test_a_forced_change_comes_before_anything_else(office: Any) -> None:
    person = await office.member("officer")
    await office.people("POST", f"/{person.id}/end-sessions", {"change_password": True})
    visitor = office.browser()
    answer = await person.sign_in(visitor, office.clock.now())
    assert answer.headers["location"] == "/login/password"
    await visitor.follow(answer)
    assert (await visitor.open("/login/account")).status_code == 303
    await visitor.open("/login/password")
    same = await visitor.send("/login/password", old=PASSWORD, password=PASSWORD, again=PASSWORD)
    assert same.status_code == 422
    new = "Anderes-Pferd-8"
    done = await visitor.send("/login/password", old=PASSWORD, password=new, again=new)
    assert done.headers["location"] == "/login/account"
    assert (await visitor.open("/login/account")).status_code == 200
