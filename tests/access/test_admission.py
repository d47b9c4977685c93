"""Whoever is one too many is told so, with one time to come again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rtcserver.access.admission import RETRY_AFTER_S, Admission, ClientRates, Places
from rtcserver.clock import NS
from rtcserver.errors import PeerError

PLACES = Places(
    listeners=10,
    opening=3,
    connecting=5,
    connecting_per_address=2,
    shared_addresses=("10.0.0.0/8", "2001:db8::1"),
    studio=4,
    studio_light=9,
    studio_channel=2,
    connections=6,
    connections_per_address=4,
    listeners_per_room=7,
    offers_per_minute=4,
    requests_per_minute=60,
    uploads_per_minute=2,
)


@pytest.mark.parametrize(
    ("ask", "bound", "code", "counted"),
    [
        (Admission.opening, 3, "busy", "opening"),
        (Admission.listener, 10, "full", "listeners"),
        (Admission.connecting, 5, "busy", "connecting"),
        (Admission.studio, 4, "studio_full", "studio"),
        (Admission.studio_light, 9, "studio_full", "studio_light"),
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


def test_light_has_places_of_its_own_and_a_sentence_for_those_who_find_none() -> None:
    admission = Admission(PLACES)
    # All places for exact samples are taken.
    with pytest.raises(PeerError):
        admission.studio(4)
    admission.studio_light(8)
    with pytest.raises(PeerError) as refused:
        admission.studio_light(9)
    sentence = "All 9 places of Studio light in this room are taken; Listen mode has room."
    assert str(refused.value) == sentence
    admission.studio(3)


@pytest.mark.parametrize("places", [Places(studio_light=0), Places(studio=0)])
def test_light_that_is_turned_off_is_not_full(places: Places) -> None:
    admission = Admission(places)
    with pytest.raises(PeerError, match="Studio light is turned off on this server") as refused:
        admission.studio_light(0)
    assert (refused.value.status, refused.value.code) == (422, "studio_unavailable")
    assert refused.value.retry_after_s is None
    assert not admission.refused


def test_a_performers_number_is_handed_on_and_none_is_full() -> None:
    assert Admission().performer(5) == 5
    with pytest.raises(PeerError, match="performers' places") as refused:
        Admission().performer(None)
    assert refused.value.retry_after_s == RETRY_AFTER_S


def test_a_room_has_its_own_bound() -> None:
    admission = Admission(PLACES)
    admission.listener(9, 6)
    with pytest.raises(PeerError, match="All 7 places of this room") as refused:
        admission.listener(7, 7)
    assert (refused.value.status, refused.value.code) == (503, "full")
    assert admission.refused == {"listeners_per_room": 1}


def test_one_address_may_not_take_all_connections() -> None:
    admission = Admission(PLACES)
    admission.connection(5, 3, "192.0.2.1")
    admission.connection(5, 4, "10.1.2.3")
    with pytest.raises(PeerError, match="Your address has 4 connections open; it may have 4") as refused:
        admission.connection(5, 4, "192.0.2.1")
    assert refused.value.retry_after_s == RETRY_AFTER_S
    assert admission.refused == {"connections_per_address": 1}


@pytest.mark.parametrize(
    ("ask", "bound", "what"),
    [(Admission.offer, 4, "offers"), (Admission.request, 60, "requests"), (Admission.upload, 2, "uploads")],
)
def test_who_comes_too_often_is_told_when_to_come_again(
    ask: Callable[[Admission, str, int], None], bound: int, what: str
) -> None:
    admission = Admission(PLACES)
    for number in range(bound):
        # The addresses of one household's /64 count together.
        ask(admission, f"2001:db8:0:1::{number}", NS)
    sentence = f"too many {what} from your address: {bound} a minute are allowed"
    with pytest.raises(PeerError, match=sentence) as refused:
        ask(admission, "2001:db8:0:1::ffff", NS)
    again = refused.value.retry_after_s
    assert refused.value.status == 429
    assert again == 60 // bound
    assert admission.refused == {what: 1}
    for other in ("2001:db8:0:2::1", "192.0.2.1", "10.1.2.3", ""):
        ask(admission, other, NS)
    with pytest.raises(PeerError):
        ask(admission, "2001:db8:0:1::1", (again + 1) * NS - 1)
    ask(admission, "2001:db8:0:1::1", (again + 1) * NS)


def test_a_shared_address_may_come_as_often_as_it_likes() -> None:
    admission = Admission(PLACES)
    for _ in range(1000):
        admission.offer("10.1.2.3", NS)
    assert not admission.refused


def test_clients_that_were_quiet_are_forgotten_and_others_when_there_are_too_many() -> None:
    rates = ClientRates(60, max_clients=10)
    for number in range(10):
        assert rates.take(f"a{number}", 0) == 0
    assert len(rates) == 10
    rates.take("b", 0)
    assert len(rates) == 10
    rates.take("c", 10 * NS)
    assert len(rates) == 1


def test_a_classroom_joins_at_once_by_the_defaults() -> None:
    """Sixty people behind one address that is not named as shared, each with a page, six connections and two offers."""
    admission = Admission()
    for number in range(60):
        for connection in range(6):
            admission.connection(number * 6 + connection, number * 6 + connection, "192.0.2.1")
        for _ in range(80):
            admission.request("192.0.2.1", 0)
        for _ in range(2):
            admission.offer("192.0.2.1", 0)
        admission.connecting(number, number, "192.0.2.1")
