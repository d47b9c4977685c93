"""A throwaway WHEP server on stock aiortc, playing two tones, with accidents on demand."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet

from tests.peer.tones import FRAME, LOOP, payloads

SILENCE = b"\xec\xff\xfe"
"""A CELT frame of 10 ms of stereo digital silence (RFC 6716, section 3.1: configuration 29, stereo bit)."""


_PAGE = """<!doctype html><title>a room</title><audio id="audio" autoplay></audio><script type="module">
const peer = new RTCPeerConnection();
peer.ontrack = ({track}) => { document.querySelector("#audio").srcObject = new MediaStream([track]); };
peer.addTransceiver("audio", {direction: "recvonly"});
const offer = await peer.createOffer();
offer.sdp = offer.sdp.replace("useinbandfec=1", "useinbandfec=1;stereo=1");
await peer.setLocalDescription(offer);
const answer = await fetch(location.pathname + "/whep", {
  method: "POST", body: offer.sdp, headers: {"content-type": "application/sdp"},
});
await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
</script>"""
"""The least page that listens."""


class ToneTrack(MediaStreamTrack):
    """10 ms Opus packets at their own pace.

    skip: frames that are not sent, the timestamps going on. late: frame → seconds that it waits.
    last: frame after which nothing comes any more.
    """

    kind = "audio"

    def __init__(
        self,
        skip: frozenset[int] = frozenset(),
        late: dict[int, float] | None = None,
        last: int | None = None,
        silent: bool = False,
    ) -> None:
        super().__init__()
        self.skip, self.late, self.last, self.silent = skip, late or {}, last, silent
        self.index = 0
        self.begin: float | None = None

    async def recv(self) -> Packet[Any]:
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        self.begin = self.begin or loop.time()
        while self.index in self.skip:
            self.index += 1
        if self.last is not None and self.index > self.last:
            await asyncio.sleep(3600)
        due = self.begin + self.index * FRAME / 48_000 + self.late.get(self.index, 0)
        await asyncio.sleep(max(0, due - loop.time()))
        packet: Packet[Any] = Packet(SILENCE if self.silent else payloads()[self.index % LOOP])
        packet.pts = self.index * FRAME
        packet.time_base = Fraction(1, 48_000)
        self.index += 1
        return packet


class WhepServer:
    """``async with WhepServer(track) as server: server.room``; counts offers and deletions."""

    def __init__(self, track: MediaStreamTrack | None) -> None:
        self.track = track
        self.offers: list[str] = []
        self.deleted = 0
        self.room = ""
        self._peers: list[RTCPeerConnection] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        payloads()
        app = web.Application()
        app.router.add_post("/r/main/whep", self._post)
        app.router.add_delete("/session/1", self._delete)
        app.router.add_get("/", self._root)
        app.router.add_get("/r/main", self._page)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.room = f"http://127.0.0.1:{port}/r/main"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for peer in self._peers:
            await asyncio.wait_for(peer.close(), 5)
        assert self._runner is not None
        await self._runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        offer = await request.text()
        self.offers.append(offer)
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.append(peer)
        if self.track is not None:
            peer.addTrack(self.track)
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        answer = peer.localDescription.sdp
        return web.Response(
            status=201, text=answer, content_type="application/sdp", headers={"Location": "/session/1"}
        )

    async def _delete(self, request: web.Request) -> web.Response:
        self.deleted += 1
        return web.Response()

    async def _root(self, request: web.Request) -> web.Response:
        raise web.HTTPFound("/r/main")

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")
