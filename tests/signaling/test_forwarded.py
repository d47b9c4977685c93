"""Whose ``X-Forwarded-*`` headers are believed, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.peer.base import PeerBackend, PeerRequest, PeerSession
from rtcserver.stock.peer import StockBackend
from signaling.forwarded import Origin, Proxies
from tests.sdp import offers
from tests.signaling.served import serve

TRUSTED = ("127.0.0.1", "10.1.0.0/16", "fd00::/8")


@pytest.mark.parametrize(
    ("remote", "forwarded_for", "address"),
    [
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["192.0.2.7"], "192.0.2.7"),
        ("10.1.2.3", ["203.0.113.9, 192.0.2.7"], "192.0.2.7"),  # the first is what the client itself claims
        ("10.1.2.3", ["203.0.113.9", "192.0.2.7, 10.1.9.9"], "192.0.2.7"),  # a chain of two proxies
        ("10.1.2.3", ["10.1.0.1, 10.1.0.2"], "10.1.0.1"),
        ("10.1.2.3", ["192.0.2.7:50123"], "192.0.2.7"),
        ("10.1.2.3", ["[2001:db8::7]:50123"], "2001:db8::7"),
        ("10.1.2.3", ["2001:db8::7"], "2001:db8::7"),
        ("10.1.2.3", ["::ffff:192.0.2.7"], "192.0.2.7"),
        ("10.1.2.3", ["192.0.2.7, unknown"], "10.1.2.3"),
        ("10.1.2.3", ["", " , "], "10.1.2.3"),
        ("fd00::1", ["192.0.2.7"], "192.0.2.7"),
        ("10.2.0.1", ["192.0.2.7"], "10.2.0.1"),  # a stranger
        ("2001:db8::1", ["192.0.2.7"], "2001:db8::1"),
        ("fe80::1%eth0", ["192.0.2.7"], "fe80::1"),
        ("", ["192.0.2.7"], ""),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(
    remote: str, forwarded_for: list[str], address: str
) -> None:
    assert Proxies(TRUSTED).origin(remote, "studio.local:8080", forwarded_for, []) == Origin(
        address, "studio.local"
    )


@pytest.mark.parametrize(
    ("remote", "forwarded_host", "host"),
    [
        ("127.0.0.1", ["music.example:8443"], "music.example"),
        ("127.0.0.1", ["claimed.example, music.example"], "music.example"),
        ("127.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("127.0.0.1", ["no host at all"], "backend"),
        ("127.0.0.1", [], "backend"),
        ("192.0.2.7", ["music.example"], "backend"),
    ],
)
def test_the_host_is_the_one_that_the_client_asked(remote: str, forwarded_host: list[str], host: str) -> None:
    assert Proxies(TRUSTED).origin(remote, "backend:8080", [], forwarded_host).host == host


LINES = st.lists(st.text(max_size=40), max_size=4)


@given(remote=st.ip_addresses().map(str), forwarded_for=LINES, forwarded_host=LINES)
def test_without_trusted_proxies_no_header_has_a_say(
    remote: str, forwarded_for: list[str], forwarded_host: list[str]
) -> None:
    assert Proxies().origin(remote, "here", forwarded_for, forwarded_host) == Origin(remote, "here")


@given(forwarded_for=LINES, forwarded_host=LINES)
def test_nonsense_of_a_trusted_proxy_is_no_error(forwarded_for: list[str], forwarded_host: list[str]) -> None:
    Proxies(TRUSTED).origin("127.0.0.1", "here", forwarded_for, forwarded_host)


class Noting:
    """A backend that notes what it is asked, and then does it."""

    def __init__(self, backend: StockBackend) -> None:
        self.backend = backend
        self.asked: list[PeerRequest] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.backend, name)

    async def open(self, room: str, offer: str, request: PeerRequest) -> PeerSession:
        self.asked.append(request)
        return await self.backend.open(room, offer, request)


@pytest.mark.parametrize(
    ("trusted", "address", "host"),
    [((), "127.0.0.1", "127.0.0.1"), (("127.0.0.0/8",), "10.0.2.7", "music.example")],
)
async def test_an_offer_comes_from_who_a_trusted_proxy_says(
    static: Path, trusted: tuple[str, ...], address: str, host: str
) -> None:
    noting: list[Noting] = []

    def wrap(backend: StockBackend) -> PeerBackend:
        noting.append(Noting(backend))
        return noting[0]  # type: ignore[return-value]

    headers = {"X-Forwarded-For": "10.0.2.7", "X-Forwarded-Host": "music.example:8443"}
    async with (
        serve(static, wrap=wrap, trusted_proxies=trusted) as served,
        served.post("/r/main/whep", offers.small(), headers=headers) as response,
    ):
        assert response.status == 201
    (request,) = noting[0].asked
    assert (request.remote_address, request.http_host) == (address, host)
