"""Passwords: a right one costs once, guessing is slowed down by address, and the event loop waits for none of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from rtcserver.access import logins
from rtcserver.access.logins import FAILURES, WAITING, Logins
from rtcserver.access.users import NOBODY, User
from rtcserver.clock import NS
from rtcserver.errors import PeerError

ANNA = User("anna", "the hash of: right")


class Clock:
    now_s = 1000.0

    def __call__(self) -> int:
        return int(self.now_s * NS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(logins, "monotonic_ns", found)
    return found


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was hashed: (password, hash); a hash is of the word at its end."""
    found: list[tuple[str, str]] = []

    def matches(password: str, kept: str) -> bool:
        assert threading.current_thread().name.startswith("passwords")
        found.append((password, kept))
        return kept.endswith(f": {password}")

    monkeypatch.setattr(logins, "matches", matches)
    return found


@pytest.fixture
def door(clock: Clock, checked: list[tuple[str, str]]) -> Iterator[Logins]:
    found = Logins([ANNA])
    yield found
    found.close()


async def test_a_right_password_is_hashed_once(door: Logins, checked: list[tuple[str, str]]) -> None:
    for _ in range(3):
        assert await door.right("anna", "right", "10.0.0.1")
    assert checked == [("right", ANNA.password)]
    assert not await door.right("anna", "wrong", "10.0.0.1")
    assert not await door.right("anna", "wrong", "10.0.0.1")
    assert len(checked) == 3


async def test_a_name_that_nobody_has_costs_as_much(door: Logins, checked: list[tuple[str, str]]) -> None:
    assert not await door.right("nobody", "right", "10.0.0.1")
    assert checked == [("right", NOBODY)]


async def test_who_guesses_waits_and_others_do_not(door: Logins, clock: Clock) -> None:
    for number in range(FAILURES):
        assert not await door.right("anna", f"guess {number}", "2001:db8::1")
    with pytest.raises(PeerError) as refused:
        await door.right("anna", "right", "2001:db8::2")
    assert (refused.value.status, refused.value.retry_after_s) == (429, 60)
    assert await door.right("anna", "right", "2001:db8:0:1::1")
    # Whoever is known by a right password is not shut out by a neighbour.
    assert await door.right("anna", "right", "2001:db8::2")
    clock.now_s += 61
    assert not await door.right("anna", "guess", "2001:db8::1")


async def test_right_passwords_are_no_guesses(door: Logins) -> None:
    for number in range(3 * FAILURES):
        door._right.clear()
        assert await door.right("anna", "right", "10.0.0.1"), number


async def test_few_wait_for_the_one_thread(door: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def slow(password: str, kept: str) -> bool:
        gate.wait(10)
        return False

    monkeypatch.setattr(logins, "matches", slow)
    waiting = [
        asyncio.create_task(door.right("anna", "guess", f"10.0.0.{number}")) for number in range(WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(PeerError) as refused:
        await door.right("anna", "guess", "10.0.1.1")
    assert (refused.value.status, refused.value.code) == (503, "busy")
    gate.set()
    assert await asyncio.gather(*waiting) == [False] * WAITING
    assert not await door.right("anna", "guess", "10.0.1.1")


async def test_who_waits_while_the_users_change_is_told_to_come_again(
    door: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(logins, "matches", lambda password, kept: release.wait(5))
    asked = [asyncio.create_task(door.right("anna", str(n), f"10.0.0.{n}")) for n in range(3)]
    await asyncio.sleep(0.05)
    asked[2].cancel()
    door.close()
    release.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert found[0] is True
    assert isinstance(found[1], PeerError)
    assert (found[1].status, found[1].retry_after_s) == (503, 1)
    assert isinstance(found[2], asyncio.CancelledError)
