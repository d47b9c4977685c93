"""Whose ``X-Forwarded-*`` headers are believed, and what follows from them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.access.door import house
from rtcserver.access.rules import AccessRule
from rtcserver.peer.base import PeerBackend, PeerRequest, PeerSession
from rtcserver.stock.peer import StockBackend
from signaling.forwarded import OTHERS, Origin, Proxies
from tests.sdp import offers
from tests.signaling.served import SECRET, serve

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
    found = Proxies(TRUSTED).origin(remote, "studio.local:8080", forwarded_for, [])
    assert (found.address, found.host) == (address, "studio.local")


@pytest.mark.parametrize(
    ("remote", "forwarded_for", "others", "doubtful"),
    [
        ("10.1.2.3", ["192.0.2.7"], True, False),
        ("10.1.2.3", ["10.1.0.1"], False, False),
        ("10.1.2.3", [], False, False),  # a client on a network of trusted proxies, or the proxy itself
        ("10.1.2.3", [], True, True),  # it says for whom it asks in a header that is not read
        ("10.1.2.3", ["192.0.2.7, unknown"], False, True),
        ("10.1.2.3", ["", " , "], False, True),  # it asks for somebody, and does not say for whom
        ("10.2.0.1", ["192.0.2.7"], False, True),
        ("10.2.0.1", [], True, True),
        ("127.0.0.2", ["127.0.0.1"], False, True),
        ("fe80::1%eth0", ["192.0.2.7"], False, True),
        ("10.2.0.1", [], False, False),
        ("2001:db8::1", ["192.0.2.7"], True, True),  # a rule may name a public network
        ("203.0.113.5", [], True, True),
        ("203.0.113.5", [], False, False),
        ("", ["192.0.2.7"], True, True),
    ],
)
def test_who_asks_is_in_doubt_behind_a_proxy_that_is_not_believed(
    remote: str, forwarded_for: list[str], others: bool, doubtful: bool
) -> None:
    assert Proxies(TRUSTED).origin(remote, "h", forwarded_for, [], others).doubtful is doubtful


@pytest.mark.parametrize("header", ["X-Forwarded-For", *OTHERS])
async def test_a_stranger_is_no_neighbour_because_a_proxy_in_the_house_asks(
    static: Path, header: str, caplog: pytest.LogCaptureFixture
) -> None:
    value = "for=203.0.113.9" if header == "Forwarded" else "203.0.113.9"
    headers = {header: value, "Content-Type": "application/sdp"}
    async with serve(static) as served:
        for _ in range(2):
            async with served.post("/r/main/whep", offers.small(), headers=headers) as response:
                assert response.status == 401
                assert "a proxy that is not in trusted_proxies" in (await response.json())["message"]
        async with served.http.get(served.url("/metrics"), headers=headers) as response:
            assert response.status == 401
        async with served.http.get(served.url("/api/rooms")) as response:
            assert response.status == 200
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    assert said == [
        "127.0.0.1 forwards requests and is not in trusted_proxies, or does not say for whom: "
        "whom it asks for gets no rights of a network"
    ]


async def test_a_trusted_proxy_says_who_is_a_neighbour(
    static: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(static, trusted_proxies=["127.0.0.1"]) as served:
        for client, status in (("192.168.1.5", 200), ("203.0.113.9", 401), ("unknown", 401)):
            headers = {"X-Forwarded-For": client}
            async with served.http.get(served.url("/api/rooms"), headers=headers) as response:
                assert response.status == status
    # The one that it did not name.
    assert len(caplog.records) == 1
    caplog.clear()


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
    found = Proxies().origin(remote, "here", forwarded_for, forwarded_host)
    assert found == Origin(remote, "here", found.doubtful)


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
    static: Path, trusted: tuple[str, ...], address: str, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    noting: list[Noting] = []
    open_to_all = house((AccessRule(("listen",)),), SECRET)

    def wrap(backend: StockBackend) -> PeerBackend:
        noting.append(Noting(backend))
        return noting[0]  # type: ignore[return-value]

    headers = {"X-Forwarded-For": "10.0.2.7", "X-Forwarded-Host": "music.example:8443"}
    async with (
        serve(static, wrap=wrap, trusted_proxies=trusted, door=open_to_all) as served,
        served.post("/r/main/whep", offers.small(), headers=headers) as response,
    ):
        assert response.status == 201
    (request,) = noting[0].asked
    assert (request.remote_address, request.http_host) == (address, host)
    # An untrusted one is named, as it may give its own address's rights to strangers.
    assert len(caplog.records) == (0 if trusted else 1)
    caplog.clear()
