"""What a server made of stock aiortc is: a peer connection per listener, which encodes raw frames itself.

``python -m benchmarks.rig.stock PORT [FILE]``: WHEP on `isolated.ADDRESS`, for `fanout`, `joins` and `networks` to measure.
The sound, a tone or a looped WAV file, is made once; each listener has a track of its own that hands out its 20 ms frames,
paced as aiortc's examples do.
"""

from __future__ import annotations

import asyncio
import fractions
import secrets
import sys
import time
from pathlib import Path

import numpy as np
from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame

from benchmarks.rig.isolated import ADDRESS
from benchmarks.rig.music import Stereo16, read_wav

RATE = 48_000
SAMPLES = 960


def tone() -> Stereo16:
    """A second of stereo, ``(samples, 2)`` int16."""
    t = np.arange(RATE) / RATE
    sides = np.stack([np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 660 * t)], axis=1)
    return (sides * 4000).astype(np.int16)


class LoopTrack(MediaStreamTrack):
    """Raw frames on time, as fast as asyncio wakes it."""

    kind = "audio"

    def __init__(self, sound: Stereo16) -> None:
        super().__init__()
        self._sound = sound
        self._began = time.monotonic()
        self._count = 0

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(self._began + self._count * SAMPLES / RATE - time.monotonic())
        frame = AudioFrame(format="s16", layout="stereo", samples=SAMPLES)
        places = np.arange(self._count * SAMPLES, (self._count + 1) * SAMPLES)
        frame.planes[0].update(self._sound.take(places, axis=0, mode="wrap").tobytes())
        frame.pts = self._count * SAMPLES
        frame.sample_rate = RATE
        frame.time_base = fractions.Fraction(1, RATE)
        self._count += 1
        return frame


class Stock:
    """The WHEP handlers."""

    def __init__(self, sound: Stereo16) -> None:
        self._sound = sound
        self._connections: dict[str, RTCPeerConnection] = {}

    async def post(self, request: web.Request) -> web.Response:
        """Answer an offer."""
        offer = (await request.text()).replace("a=setup:actpass", "a=setup:active")
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        name = secrets.token_hex(8)
        self._connections[name] = connection
        connection.addTrack(LoopTrack(self._sound))
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        answer = await connection.createAnswer()
        assert answer is not None
        await connection.setLocalDescription(answer)
        text = connection.localDescription.sdp
        location = {"Location": f"/r/main/whep/{name}"}
        return web.Response(status=201, text=text, content_type="application/sdp", headers=location)

    async def delete(self, request: web.Request) -> web.Response:
        """End a session."""
        connection = self._connections.pop(request.match_info["name"], None)
        if connection is not None:
            await connection.close()
        return web.Response()

    async def ready(self, _: web.Request) -> web.Response:
        """Asked until the server is up."""
        return web.json_response({"sessions": len(self._connections)})


def main() -> None:
    """Serve until killed."""
    sound = read_wav(Path(sys.argv[2])) if len(sys.argv) > 2 else tone()
    stock, app = Stock(sound), web.Application()
    app.add_routes(
        [
            web.post("/r/main/whep", stock.post),
            web.delete("/r/main/whep/{name}", stock.delete),
            web.get("/ready", stock.ready),
        ]
    )
    web.run_app(app, host=ADDRESS, port=int(sys.argv[1]), print=None, access_log=None)


# Not for script/bench, which lists the modules that have the usual last two lines.
if __name__ == '__main__':  # fmt: skip
    main()
