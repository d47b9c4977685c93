"""What the backend is told of how a client got here, for the addresses that it is offered."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request

from rtcserver.errors import PeerError
from rtcserver.peer.base import PeerRequest, PeerSession
from signaling.forwarded import local_address
from tests.sdp import offers
from tests.signaling.served import Served


async def test_the_host_and_the_address_of_a_request(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[PeerRequest] = []

    async def refuse(room: str, offer: str, request: PeerRequest) -> PeerSession:
        told.append(request)
        raise PeerError(503, "enough", "That is all there is to know.")

    monkeypatch.setattr(served.backend, "open", refuse)
    async with served.post("/r/main/whep", offers.small(), headers={"Host": "music.local:8080"}) as response:
        assert response.status == 503
    assert [(t.http_host, t.local_address, t.remote_address) for t in told] == [
        ("music.local", "127.0.0.1", "127.0.0.1")
    ]


@pytest.mark.parametrize(
    ("sockname", "address"),
    [
        (("192.0.2.1", 8080), "192.0.2.1"),
        (("2001:db8::1", 8080, 0, 0), "2001:db8::1"),
        (("fe80::1", 8080, 0, 3), "fe80::1%3"),
        (("fe80::1%eth0", 8080, 0, 3), "fe80::1%3"),
        ("/run/rtcserver.sock", ""),
        (None, ""),
    ],
)
def test_a_sockets_name_as_text(sockname: object, address: str) -> None:
    transport = Mock()
    transport.get_extra_info.side_effect = {"sockname": sockname}.get
    assert local_address(make_mocked_request("POST", "/r/main/whep", transport=transport)) == address
