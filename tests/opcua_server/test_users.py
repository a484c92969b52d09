"""Who may do what, who is who, and how guessing is slowed down."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import FrozenInstanceError
from datetime import timedelta
from itertools import product
from pathlib import Path

import argon2
import pytest

from opcua_server.access import certificates, login, users, x509_checks
from opcua_server.access.certificates import own_certificate
from opcua_server.access.login import Gate, Throttle
from opcua_server.access.roles import ANONYMOUS_INSTRUCTOR, RIGHTS, Right, Role, User, may, may_write
from opcua_server.access.state import AccessError
from opcua_server.access.users import UserStore
from opcua_server.access.x509_checks import thumbprint
from twin.design.load import load_design
from twin.errors import BatchtwinError
from twin.plant import Plant
from twin.tags import WRITER, setpoint

PASSWORD = "open sesame"
QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def store(tmp_path):
    return UserStore(tmp_path / "opcua" / "users.json", QUICK)


@pytest.fixture(scope="session")
def badge(tmp_path_factory):
    """A certificate that is valid now."""
    return own_certificate(tmp_path_factory.mktemp("badge"), "urn:here:badge", [], "client").der


# --- roles ------------------------------------------------------------------------------------------------

WRITES = {
    "observer": "",
    "operator": "operator local",
    "controller": "controller dispatch",
    "instructor": "operator local controller dispatch",
    "admin": "operator local controller dispatch",
}
MAY = {  # by right, as the documentation tells it
    "browse": "observer operator controller instructor admin",
    "read": "observer operator controller instructor admin",
    "acknowledge": "operator instructor admin",
    "orders": "operator controller instructor admin",
    "lockstep": "controller instructor admin",
    "time": "instructor admin",
    "faults": "instructor admin",
    "record": "instructor admin",
    "verdict": "operator controller instructor admin",
    "audit": "admin",
    "diagnostics": "admin",
    "users": "admin",
}


@pytest.mark.parametrize(("role", "right"), list(product(Role, Right)))
def test_each_role_has_the_rights_it_should(role, right):
    assert may(role, right) == (role in MAY[right].split())


@pytest.mark.parametrize("role", Role)
def test_each_role_writes_the_tags_it_should(role):
    table = Plant(load_design("hzs180")).table
    writers = {t.writer for t in table}
    assert {"operator", "local", "controller", "dispatch", "plant", "nobody"} == writers | {"plant"} >= set(WRITER.values())
    for tag in table:
        assert may_write(role, tag) == (tag.writer in WRITES[role].split()), tag.name


def test_nobody_may_write_for_a_writer_that_is_not_in_the_table():
    assert not any(
        may_write(role, setpoint("X", "x", "x", writer=w)) for role in Role for w in ("somebody", "plant", "nobody", "operator local")
    )


def test_the_table_and_a_user_are_fixed():
    with pytest.raises(TypeError):
        RIGHTS[Role.OBSERVER] = RIGHTS[Role.ADMIN]
    with pytest.raises(FrozenInstanceError):
        ANONYMOUS_INSTRUCTOR.role = Role.ADMIN
    assert User("anonymous", Role.INSTRUCTOR) == ANONYMOUS_INSTRUCTOR


# --- the file ---------------------------------------------------------------------------------------------


def test_there_is_no_user_until_one_is_added(store):
    assert store.accounts == {}
    for name in ("admin", "Admin", "anonymous", "root", ""):
        for password in ("admin", "", "anything"):
            assert store.verify(name, password) is None
    assert not store.path.exists()


def test_a_user_is_known_by_name_and_password(store):
    assert store.add("li", "operator", PASSWORD) == User("li", Role.OPERATOR)
    store.add("王工", "observer", PASSWORD)
    assert store.verify("li", PASSWORD) == User("li", Role.OPERATOR)
    assert store.verify("王工", PASSWORD) == User("王工", Role.OBSERVER)
    for name, password in (
        ("li", "open sesam"),
        ("li", PASSWORD + " "),
        ("li", ""),
        ("Li", PASSWORD),
        ("wang", PASSWORD),
        ("li\0", PASSWORD),
    ):
        assert store.verify(name, password) is None
    text = store.path.read_text()
    assert PASSWORD not in text and "$argon2id$" in text and store.path.stat().st_mode & 0o777 == 0o600


def test_todays_hash_is_strong(tmp_path):
    store = UserStore(tmp_path / "users.json")
    store.add("li", "operator", PASSWORD)
    assert argon2.extract_parameters(store.accounts["li"].hash) == argon2.profiles.RFC_9106_LOW_MEMORY


def test_the_same_letters_written_otherwise_are_the_same(store):
    store.add("Zo\u00eb", "operator", "pass\u00ebword")
    assert store.verify("Zoe\u0308", "passe\u0308word") == User("Zo\u00eb", Role.OPERATOR)
    with pytest.raises(AccessError):
        store.add("Zoe\u0308", "operator", PASSWORD)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "-x", "a/b", "../x", "a\n", "a\x1b[2J", "anonymous", "Internal", "x" * 65, "\ud800", "a,b"]
)
def test_names_that_mislead_are_refused(store, name):
    with pytest.raises(AccessError) as caught:
        store.add(name, "operator", PASSWORD)
    assert all(c.isprintable() for c in caught.value.text("en") + caught.value.text("zh")) and len(str(caught.value)) < 400
    assert not store.path.exists()


@pytest.mark.parametrize("password", ["", "1234567", "x" * 257])
def test_passwords_that_are_too_short_or_too_long_are_refused(store, password):
    with pytest.raises(AccessError):
        store.add("li", "operator", password)
    store.add("li", "operator", PASSWORD)
    with pytest.raises(AccessError):
        store.set_password("li", password)
    assert store.verify("li", PASSWORD)


def test_a_password_that_is_far_too_long_is_not_even_hashed(store, monkeypatch):
    store.add("li", "operator", PASSWORD)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", pytest.fail)
    assert store.verify("li", "x" * 257) is None and store.verify("x" * 65, PASSWORD) is None


def test_names_and_roles_that_are_not_there_are_told_with_the_nearest(store):
    with pytest.raises(BatchtwinError, match="no role named 'operater'; did you mean 'operator'"):
        store.add("li", "operater", PASSWORD)
    store.add("li", "operator", PASSWORD)
    for change in (store.remove, store.check_known, lambda n: store.set_password(n, PASSWORD), lambda n: store.add_certificate(n, b"")):
        with pytest.raises(BatchtwinError, match="no user named 'lii'; did you mean 'li'"):
            change("lii")
    for taken in ("li", "LI"):
        with pytest.raises(AccessError, match="a user li already"):
            store.add(taken, "admin", PASSWORD)
    assert store.verify("li", PASSWORD).role == Role.OPERATOR


def test_changes_of_another_process_hold_at_once(store):
    server = UserStore(store.path, QUICK)
    assert server.verify("li", PASSWORD) is None
    store.add("li", "operator", PASSWORD)
    assert server.verify("li", PASSWORD)
    store.set_password("li", PASSWORD + "!")
    assert server.verify("li", PASSWORD) is None and server.verify("li", PASSWORD + "!")
    server.add("wang", "observer", PASSWORD)
    store.remove("li")
    assert server.verify("li", PASSWORD + "!") is None and server.verify("wang", PASSWORD)
    store.path.unlink()
    assert server.verify("wang", PASSWORD) is None


def test_two_who_change_the_file_at_a_time_lose_nothing(store):
    threads = [threading.Thread(target=UserStore(store.path, QUICK).add, args=(f"u{n}", "observer", PASSWORD)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.accounts) == 8


def test_the_file_does_not_grow_without_end(store, badge, monkeypatch):
    monkeypatch.setattr(users, "MOST_USERS", 1)
    monkeypatch.setattr(users, "MOST_CERTIFICATES", 0)
    store.add("li", "operator", PASSWORD)
    with pytest.raises(AccessError, match="1 users already"):
        store.add("wang", "operator", PASSWORD)
    with pytest.raises(AccessError, match="0 certificates already"):
        store.add_certificate("li", badge)


def test_a_login_leaves_the_file_alone(store):
    store.add("li", "operator", PASSWORD)
    before = store.path.stat().st_ino, store.path.read_bytes()
    assert store.verify("li", PASSWORD) and not store.verify("li", "wrong password")
    assert (store.path.stat().st_ino, store.path.read_bytes()) == before


def test_an_old_hash_is_made_anew_when_its_owner_comes(store):
    store.add("li", "operator", PASSWORD)
    stronger = UserStore(store.path, argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert stronger.verify("li", "wrong password") is None
    assert argon2.extract_parameters(store.accounts["li"].hash).time_cost == 1
    assert stronger.verify("li", PASSWORD) and stronger.verify("li", PASSWORD)
    assert argon2.extract_parameters(store.accounts["li"].hash).time_cost == 2


def test_an_unknown_name_takes_as_long_as_a_wrong_password(store, monkeypatch, badge):
    store.add("li", "operator", PASSWORD)
    store.add("wang", "operator", certificate=badge)
    hashed = []
    verify = argon2.PasswordHasher.verify
    monkeypatch.setattr(
        argon2.PasswordHasher, "verify", lambda self, stored, given: (hashed.append(stored), verify(self, stored, given))[1]
    )
    for name in ("li", "nobody", "wang"):
        assert store.verify(name, "wrong password") is None
    assert len(hashed) == 3 and all(h.split("$")[:4] == store.accounts["li"].hash.split("$")[:4] for h in hashed)
    assert store.verify("wang", "nobody") is None and store.verify("somebody", "nobody") is None  # the word behind the dummy


@pytest.mark.parametrize(
    "text",
    [
        "", "rubbish", "[]", "{}", '{"version": 2, "users": {}}', '{"version": 1, "users": []}', '{"version": 1, "users": {"li": 1}}',
        '{"version": 1, "users": {"li": {"role": "king", "hash": "", "certificates": []}}}',
        '{"version": 1, "users": {"li": {"role": "admin", "hash": 5, "certificates": []}}}',
        '{"version": 1, "users": {"li": {"role": "admin", "hash": "", "certificates": ["x"]}}}',
        '{"version": 1, "users": {"l i": {"role": "admin", "hash": "", "certificates": []}}}', "[" * 100_000, "\x80",
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_in_one_line_and_lets_nobody_in(store, text):
    store.add("li", "operator", PASSWORD)
    store.path.write_text(text, encoding="latin-1")
    for act in (
        lambda: store.verify("li", PASSWORD),
        lambda: store.remove("li"),
        lambda: store.accounts,
        lambda: store.by_certificate(b"x"),
    ):
        with pytest.raises(AccessError, match="users.json is damaged") as caught:
            act()
        assert "\n" not in caught.value.text("en") and "已损坏" in caught.value.text("zh")
    assert store.path.read_text(encoding="latin-1") == text


def test_a_file_that_others_can_read_lets_nobody_in(store):
    store.add("li", "operator", PASSWORD)
    assert store.verify("li", PASSWORD)
    store.path.chmod(0o640)
    with pytest.raises(AccessError, match="chmod 600"):
        store.verify("li", PASSWORD)


# --- certificates -----------------------------------------------------------------------------------------


def test_a_user_is_known_by_certificate(store, badge):
    store.add("li", "controller", certificate=badge)
    assert store.by_certificate(badge) == User("li", Role.CONTROLLER, thumbprint(badge))
    assert store.by_certificate(badge[:-1] + bytes([badge[-1] ^ 1])) is None and store.by_certificate(b"") is None
    assert store.verify("li", "") is None
    store.remove("li")
    assert store.by_certificate(badge) is None


def test_a_certificate_belongs_to_one_user(store, badge, tmp_path):
    store.add("li", "controller", PASSWORD)
    assert store.add_certificate("li", badge) == thumbprint(badge)
    for act in (lambda: store.add("wang", "admin", PASSWORD, badge), lambda: store.add_certificate("li", badge)):
        with pytest.raises(AccessError, match="belongs to li"):
            act()
    second = own_certificate(tmp_path, "urn:here:second", []).der
    store.add_certificate("li", second)
    assert store.by_certificate(badge).name == store.by_certificate(second).name == "li" and store.verify("li", PASSWORD)
    assert list(store.accounts) == ["li"]


def test_an_expired_certificate_lets_nobody_in(store, tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "VALIDITY", -timedelta(hours=1))
    expired = own_certificate(tmp_path, "urn:here:old", []).der
    for der in (expired, b"rubbish"):
        with pytest.raises(AccessError, match="cannot be used"):
            store.add("li", "operator", certificate=der)
    store.add("li", "operator", PASSWORD)
    whole = json.loads(store.path.read_text())
    whole["users"]["li"]["certificates"] = [thumbprint(expired), thumbprint(b"rubbish")]
    store.path.write_text(json.dumps(whole))
    assert store.by_certificate(expired) is None and store.by_certificate(b"rubbish") is None


def test_a_weak_certificate_lets_nobody_in(store, badge, monkeypatch):
    store.add("li", "operator", PASSWORD, badge)
    monkeypatch.setattr(x509_checks, "KEY_BITS", (3072, 4096))
    assert store.by_certificate(badge) is None
    store.remove("li")
    with pytest.raises(AccessError, match="cannot be used"):
        store.add("li", "operator", PASSWORD, badge)


# --- logging in -------------------------------------------------------------------------------------------


class Clock:
    """Time that goes on when somebody waits."""

    def __init__(self):
        self.now, self.waits = 1000.0, []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gate(store, clock):
    store.add("li", "operator", PASSWORD)
    found = Gate(store, Throttle(clock), clock.sleep)
    yield found
    found.close()


def attempts(gate, name, password, peer, count=1):
    return [asyncio.run(gate.login(name, password, peer)) for _ in range(count)]


def test_a_user_logs_in_at_once(gate, clock):
    assert attempts(gate, "li", PASSWORD, "192.0.2.1", 20) == [User("li", Role.OPERATOR)] * 20
    assert clock.waits == []


@pytest.mark.parametrize(
    ("name", "password"), [(None, PASSWORD), ("", PASSWORD), ("li", None), ("x" * 100_000, "x" * 100_000), ("\ud800", "\ud800")]
)
def test_whatever_a_client_sends_is_no_login(gate, name, password):
    assert attempts(gate, name, password, "192.0.2.1") == [None]


def test_guessing_becomes_slow_and_no_slower_than_a_few_seconds(gate, clock):
    assert attempts(gate, "li", "wrong", "192.0.2.1", 12) == [None] * 12
    assert clock.waits[:3] == [0.25, 0.5, 1.0] and len(clock.waits) == 9 and max(clock.waits) == clock.waits[-1] == 3.0
    assert sorted(clock.waits) == clock.waits


def test_nobody_is_locked_out_by_guesses_from_elsewhere(gate, clock):
    attempts(gate, "li", "wrong", "192.0.2.66", 30)
    clock.waits.clear()
    assert attempts(gate, "li", PASSWORD, "192.0.2.1") == [User("li", Role.OPERATOR)]
    assert clock.waits == [1.0]
    assert attempts(gate, "li", PASSWORD, "192.0.2.1") and clock.waits == [1.0]  # who has passed owes nothing
    attempts(gate, "li", "wrong", "192.0.2.66")
    assert clock.waits[-1] == 3.0  # the guesser still does


def test_guessing_at_many_names_is_slow_too(gate, clock):
    for n in range(10):
        attempts(gate, f"user{n}", "wrong", "192.0.2.66")
    assert clock.waits[-1] == 3.0
    clock.waits.clear()
    attempts(gate, "li", PASSWORD, "192.0.2.1")
    assert clock.waits == []


def test_attempts_of_one_address_queue_up_and_too_many_are_refused():
    throttle = Throttle(lambda: 0.0)
    for _ in range(10):
        throttle.failed("li", "192.0.2.66")
    assert [throttle.wait("li", "192.0.2.66") for _ in range(5)] == [3.0, 6.0, 9.0, None, None]
    assert throttle.wait("li", "192.0.2.1") == 1.0


def test_what_is_refused_at_once_is_not_even_hashed(store, monkeypatch):
    store.add("li", "operator", PASSWORD)
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    gate = Gate(store, Throttle(lambda: 0.0), sleep)
    attempts(gate, "nobody", "wrong", "192.0.2.66", 10)
    waits.clear()
    assert attempts(gate, "li", PASSWORD, "192.0.2.66", 5) == [None] * 5 and waits == []
    assert attempts(gate, "li", PASSWORD, "192.0.2.1") == [User("li", Role.OPERATOR)]
    gate.close()


def test_failures_are_forgotten(gate, clock):
    attempts(gate, "li", "wrong", "192.0.2.1", 9)
    clock.waits.clear()
    clock.now += login.FORGET_S
    attempts(gate, "li", "wrong", "192.0.2.1", 3)
    assert clock.waits == []


def test_guesses_cannot_fill_the_memory(monkeypatch, clock):
    monkeypatch.setattr(login, "REMEMBERED", 5)
    throttle = Throttle(clock)
    for n in range(100):
        for _ in range(4):
            throttle.wait(f"user{n}", f"192.0.2.{n}")
            throttle.failed(f"user{n}", f"192.0.2.{n}")
    assert [len(t) for t in (*throttle._failures.values(), throttle._free_at)] == [5, 5, 5]
    assert throttle.wait("other", "192.0.2.99") and not throttle.wait("other", "192.0.2.1")


def test_hashing_does_not_hold_up_the_server(store, clock):
    """While a password is checked the event loop goes on."""
    store.add("li", "operator", PASSWORD)
    gate, going_on, verify = Gate(store), threading.Event(), store.verify
    store.verify = lambda name, password: verify(name, password) if going_on.wait(10) else None

    async def both():
        waiting = asyncio.create_task(gate.login("li", PASSWORD, "192.0.2.1"))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(going_on.set)
        return await waiting

    assert asyncio.run(both()) == User("li", Role.OPERATOR)
    gate.close()


def test_a_damaged_file_is_told_to_the_server(gate, store):
    store.path.write_text("rubbish")
    with pytest.raises(AccessError, match="damaged"):
        attempts(gate, "li", PASSWORD, "192.0.2.1")


def test_the_documentation_tells_the_roles_as_they_are():
    page = (Path(__file__).resolve().parents[2] / "docs/security.md").read_text(encoding="utf-8")
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in re.findall(r"^\|.*$", page.split("roles -->")[1].split("<!--")[0], re.M)
    ]
    assert head[1:] == [role.value for role in Role]
    told = {
        right: {role for role, mark in zip(Role, row[1:], strict=True) if mark == "●"}
        for row in rows[:-1]
        for right in re.findall(r"`(\w+)`", row[0])
    }
    assert told == {right.value: {role for role in Role if may(role, right)} for right in Right}
    assert [set(cell.split(", ")) - {""} for cell in rows[-1][1:]] == [set(RIGHTS[role].writes) for role in Role]
