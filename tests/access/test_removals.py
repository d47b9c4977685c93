"""Who was removed is not let in again at once, and whoever is kept out for longer; others are not touched."""

from __future__ import annotations

import pytest

from rtcserver.access.door import Grant
from rtcserver.access.removals import KEEP_OUT_S, MAX_REMEMBERED, SETTLE_S, Removals
from rtcserver.clock import NS
from rtcserver.errors import PeerError

HERE, LINK = "192.0.2.7", Grant("token", "abc")


def lets_in(
    removals: Removals, at_s: float, address: str = HERE, grant: Grant = LINK, agent: str = "Firefox"
) -> bool:
    try:
        removals.check("main", address, grant, agent, round(at_s * NS))
    except PeerError as error:
        return (error.status, error.code) != (403, "removed") or not error.retry_after_s
    return True


def test_a_removed_program_does_not_come_back_by_itself() -> None:
    removals = Removals()
    assert lets_in(removals, 0)
    removals.add("main", HERE, LINK, "Firefox", keep_out=False, now_ns=0)
    assert not lets_in(removals, SETTLE_S - 0.1)
    assert lets_in(removals, SETTLE_S)
    assert lets_in(removals, 0, agent="VLC")
    assert lets_in(removals, 0, address="192.0.2.8")
    assert lets_in(removals, 0, grant=Grant())
    removals.check("side", HERE, LINK, "Firefox", 0)


def test_who_is_kept_out_does_not_come_in_by_another_browser() -> None:
    removals = Removals()
    removals.add("main", "2001:db8::7", LINK, "Firefox", keep_out=True, now_ns=0)
    for agent in ("Firefox", "VLC"):
        assert not lets_in(removals, KEEP_OUT_S - 1, "2001:db8::8", agent=agent)
        assert lets_in(removals, KEEP_OUT_S, "2001:db8::8", agent=agent)
    assert lets_in(removals, 0, "2001:db8:1::7")


@pytest.mark.parametrize(("left_s", "words"), [(4, "in 4 s"), (61, "in 2 min"), (600, "in 10 min")])
def test_it_is_said_when_to_come_again(left_s: int, words: str) -> None:
    removals = Removals()
    removals.add("main", HERE, LINK, "", keep_out=True, now_ns=0)
    with pytest.raises(PeerError, match=words):
        removals.check("main", HERE, LINK, "", (KEEP_OUT_S - left_s) * NS)


def test_the_oldest_is_forgotten_before_there_are_too_many() -> None:
    removals = Removals()
    for number in range(MAX_REMEMBERED + 1):
        removals.add("main", f"10.0.{number >> 8}.{number & 255}", LINK, "", keep_out=True, now_ns=0)
    assert lets_in(removals, 1, "10.0.0.0")
    assert not lets_in(removals, 1, "10.0.0.1")
