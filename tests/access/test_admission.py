"""Whoever is one too many is told so, with one time to come again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rtcserver.access.admission import RETRY_AFTER_S, Admission, Places
from rtcserver.errors import PeerError

PLACES = Places(
    listeners=10,
    opening=3,
    connecting=5,
    connecting_per_address=2,
    shared_addresses=("10.0.0.0/8", "2001:db8::1"),
    studio=4,
    studio_channel=2,
    connections=6,
)


@pytest.mark.parametrize(
    ("ask", "bound", "code", "counted"),
    [
        (Admission.opening, 3, "busy", "opening"),
        (Admission.listener, 10, "full", "listeners"),
        (Admission.connecting, 5, "busy", "connecting"),
        (Admission.studio, 4, "studio_full", "studio"),
        (Admission.connection, 6, "busy", "connections"),
    ],
)
def test_the_last_place_is_given_and_one_more_is_refused(
    ask: Callable[[Admission, int], None], bound: int, code: str, counted: str
) -> None:
    admission = Admission(PLACES)
    ask(admission, bound - 1)
    assert not admission.refused
    with pytest.raises(PeerError) as refused:
        ask(admission, bound)
    error = refused.value
    assert (error.status, error.code, error.retry_after_s) == (503, code, RETRY_AFTER_S)
    assert admission.refused == {counted: 1}


def test_one_address_has_its_own_bound_unless_it_is_shared() -> None:
    admission = Admission(PLACES)
    admission.connecting(2, 1, "192.0.2.1")
    for address in ("10.1.2.3", "2001:db8::1", ""):
        admission.connecting(2, 2, address)
    for address in ("192.0.2.1", "2001:db8::2", "no address"):
        with pytest.raises(PeerError, match="from your address"):
            admission.connecting(2, 2, address)
    assert admission.refused == {"connecting_per_address": 3}
    with pytest.raises(PeerError, match="Too many clients are connecting at"):
        admission.connecting(5, 0, "10.1.2.3")


def test_studio_by_channel_is_bounded_over_all_rooms() -> None:
    admission = Admission(PLACES)
    admission.studio(0, 1)
    admission.studio(3, None)
    with pytest.raises(PeerError, match="All 2 places for browsers without") as refused:
        admission.studio(0, 2)
    assert refused.value.code == "studio_full"


def test_a_server_without_studio_is_not_full() -> None:
    with pytest.raises(PeerError, match="turned off") as refused:
        Admission(Places(studio=0)).studio(0)
    assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (
        422,
        "studio_unavailable",
        None,
    )


def test_a_performers_number_is_handed_on_and_none_is_full() -> None:
    assert Admission().performer(5) == 5
    with pytest.raises(PeerError, match="performers' places") as refused:
        Admission().performer(None)
    assert refused.value.retry_after_s == RETRY_AFTER_S
