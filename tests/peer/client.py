"""A listener for tests: a stock aiortc peer that hears a room and measures what it hears."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame

from tests.peer.tones import dominant_hz


@dataclass
class Listener:
    """Make, `offer`, `answer`, `hear`, `close`."""

    data_channel: bool = False
    pc: RTCPeerConnection = field(default_factory=lambda: RTCPeerConnection(RTCConfiguration(iceServers=[])))

    def __post_init__(self) -> None:
        self._track: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        self.pc.on("track", self._on_track)
        self.pc.addTransceiver("audio", "recvonly")
        self.channel = self.pc.createDataChannel("test") if self.data_channel else None

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and not self._track.done():
            self._track.set_result(track)

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def answer(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def hear(self, seconds: float) -> tuple[float, float, list[int]]:
        """Dominant frequency left and right over the last `seconds`, and the frames' timestamps."""
        async with asyncio.timeout(20):
            track = await self._track
            blocks: list[np.ndarray] = []
            times: list[int] = []
            samples = 0
            skip = 20
            while samples < seconds * 48000:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                assert frame.pts is not None
                if skip:
                    skip -= 1
                    continue
                times.append(frame.pts)
                blocks.append(frame.to_ndarray().reshape(-1, 2))
                samples += frame.samples
        heard = np.concatenate(blocks).astype(np.float64)
        return dominant_hz(heard[:, 0]), dominant_hz(heard[:, 1]), times

    async def close(self) -> None:
        await asyncio.wait_for(self.pc.close(), 10)
