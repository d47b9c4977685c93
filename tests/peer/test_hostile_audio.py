"""All hostile packets, one after the other, beside a listener whose sound comes from a broadcast process."""

from __future__ import annotations

import asyncio
import itertools
import socket

import pytest

from rtcserver.clock import monotonic_ns, ns_to_samples
from rtcserver.encode.packet import EncodedPacket
from rtcserver.peer.oneport import OnePortBackend, OnePortSession, supervised
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from tests.peer.hearing import Listener
from tests.transport.hostile import Scene, cases
from tests.transport.stock import on_loopback, until

__all__ = ["on_loopback"]
FRAME = 480


class Player:
    """A feed on which a numbered packet falls due every 10 ms, late if the test's own loop is."""

    def __init__(self) -> None:
        self.feed, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.start_ns = monotonic_ns()
        self.written = 0
        self._task = asyncio.ensure_future(self._play())

    async def _play(self) -> None:
        while True:
            due = ns_to_samples(monotonic_ns() - self.start_ns) // FRAME
            while self.written < due:
                payload = self.written.to_bytes(4, "big") + bytes(100)
                packet = EncodedPacket(self.written * FRAME, FRAME, monotonic_ns(), 0, payload)
                self._writer.send(packet.pack())
                self.written += 1
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.feed.close()
        self._writer.close()


class AudioBystander:
    """A `Bystander` that hears a room. Every packet since the first is there, once and in order."""

    def __init__(self, backend: OnePortBackend) -> None:
        self.backend = backend
        self.listener = Listener()
        self.session: OnePortSession | None = None

    async def start(self, endpoint: MediaEndpoint) -> None:
        self.session = await self.listener.join(self.backend)
        await until(lambda: self.listener.rtp)

    async def beat(self) -> None:
        before = len(self.listener.rtp)
        await until(lambda: len(self.listener.rtp) > before)
        assert self.session is not None
        assert self.session.info().state == "connected"

    async def finish(self) -> None:
        await self.listener.close()


@pytest.mark.usefixtures("on_loopback")
async def test_the_sound_of_a_bystander_has_no_gap() -> None:
    endpoint = MediaEndpoint(EndpointConfig(host="127.0.0.1"))
    backend = OnePortBackend(endpoint, own_broadcast=supervised)
    await backend.start()
    player = Player()
    bystander = AudioBystander(backend)
    try:
        backend.add_feed("main", player.feed, FRAME, lambda: (0, player.start_ns))
        await bystander.start(endpoint)
        scene = Scene(endpoint, bystander)
        for case in cases():
            await scene.run(case)
        packets = bystander.listener.rtp
        first = packets[0].sequence_number
        assert [p.sequence_number for p in packets] == [(first + n) & 0xFFFF for n in range(len(packets))]
        steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(packets)}
        assert steps == {FRAME}
        await bystander.finish()
    finally:
        await backend.close()
        await player.close()
