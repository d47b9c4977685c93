"""Janus (Debian's package) with one RTP mountpoint of its streaming plugin, and how load listeners reach it.

Configured in a temporary folder, on `isolated.ADDRESS` only: the HTTP transport, the streaming plugin, ICE-lite as this
project's server is, no recording, no event handlers, logging off. The mountpoint is fed with the Opus packets of
this project's tone instrument, or of a looped file, by a process of the benchmark's (``python -m benchmarks.rig.janus PORT
[FILE]``), whose CPU does not count as Janus's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from benchmarks.rig.common import say
from benchmarks.rig.isolated import ADDRESS, reachable
from benchmarks.rig.serving import Server, free_port
from rtcserver.config.model import InstrumentConfig
from rtcserver.encode.packet import EncodedPacket
from rtcserver.instrument.supervisor import InstrumentSupervisor
from rtcserver.load import sdp
from rtcserver.load.peer import JoinError
from rtcserver.load.sdp import Local, Remote

BINARY = "/usr/bin/janus"
MOUNTPOINT = 1
PAYLOAD_TYPE = 111
TIMEOUT_S = 15.0
INSTALL_S = 120.0
"""What each of apt's commands may take."""
KEEPALIVE_S = 25.0
"""Janus gives up a session of which it has heard nothing for 60 s."""


def available() -> bool:
    """Whether Janus is installed."""
    return shutil.which(BINARY) is not None


def install() -> None:
    """Install Debian's package, if this machine lets us. Needs a network: call it before `isolate`."""
    if available() or not reachable():
        return
    say("installing Janus with apt …")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in ("update -q", "install -y -q --no-install-recommends janus"):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                ["apt-get", *words.split()],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=INSTALL_S,
                env=environment,
            )


def require() -> None:
    """Raises RuntimeError if there is no Janus."""
    if not available():
        raise RuntimeError("Janus is not installed, and apt could not do it: sudo apt-get install janus")


def _configuration(folder: Path, http: int, rtp: int, data: int) -> None:
    system = Path("/usr/lib").glob("*/janus")
    library = next(system, Path("/usr/lib/janus"))
    for name in ("plugins", "transports", "events", "loggers"):
        (folder / name).mkdir()
    for part in ("plugins/libjanus_streaming.so", "transports/libjanus_http.so"):
        (folder / part).symlink_to(library / part)
    (folder / "janus.jcfg").write_text(
        f"""
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{folder}/plugins"
    transports_folder = "{folder}/transports"
    events_folder = "{folder}/events"
    loggers_folder = "{folder}/loggers"
    log_to_stdout = false
    debug_level = 0
    session_timeout = 60
}}
nat: {{
    ice_lite = true
    full_trickle = false
    ice_enforce_list = "{ADDRESS}"
}}
media: {{
    ipv6 = false
}}
"""
    )
    (folder / "janus.transport.http.jcfg").write_text(
        f"""
general: {{
    json = "compact"
    base_path = "/janus"
    http = true
    port = {http}
    ip = "{ADDRESS}"
    https = false
}}
admin: {{
    admin_http = false
}}
"""
    )
    (folder / "janus.plugin.streaming.jcfg").write_text(
        f"""
tone: {{
    type = "rtp"
    id = {MOUNTPOINT}
    description = "tone"
    audio = true
    audioport = {rtp}
    audiohost = "{ADDRESS}"
    audioiface = "{ADDRESS}"
    audiopt = {PAYLOAD_TYPE}
    audiocodec = "opus"
    audiofmtp = "stereo=1;sprop-stereo=1"
    video = false
}}
with-data: {{
    type = "rtp"
    id = {MOUNTPOINT + 1}
    description = "tone and data"
    audio = true
    audioport = {rtp + 1}
    audiohost = "{ADDRESS}"
    audioiface = "{ADDRESS}"
    audiopt = {PAYLOAD_TYPE}
    audiocodec = "opus"
    video = false
    data = true
    dataport = {data}
    datahost = "{ADDRESS}"
    dataiface = "{ADDRESS}"
}}
"""
    )


class Janus(Server):
    """A Janus of our own, fed with a tone or `file`. `signaling` without a data channel, `data_signaling` with one."""

    signaling = "benchmarks.rig.janus:JanusSignaling"
    data_signaling = "benchmarks.rig.janus:JanusDataSignaling"

    def __init__(self, *, cpu: int | None = None, file: Path | None = None) -> None:
        self._sound = [str(file)] if file else []
        self._folder = tempfile.TemporaryDirectory(prefix="bench-janus-")
        http, self._rtp = free_port(), free_port()
        _configuration(Path(self._folder.name), http, self._rtp, free_port())
        self._feeder: subprocess.Popen[bytes] | None = None
        base = f"http://{ADDRESS}:{http}/janus"
        super().__init__([BINARY, "-F", self._folder.name], base, f"{base}/info", cpu=cpu)

    def __enter__(self) -> Janus:
        super().__enter__()
        self._feeder = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.rig.janus", str(self._rtp), *self._sound]
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        feeder, self._feeder = self._feeder, None
        if feeder is not None:
            feeder.terminate()
            feeder.wait()
        super().__exit__(kind, error, trace)
        self._folder.cleanup()


class JanusSignaling:
    """`rtcserver.load.peer.Signaling` over Janus's HTTP API: a session and a handle a listener; Janus offers."""

    mountpoint = MOUNTPOINT

    def __init__(self, url: str) -> None:
        self.host = ADDRESS
        self._url = url
        # A long poll of each listener that joins is under way beside its requests.
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), connector=aiohttp.TCPConnector(limit=0)
        )
        self._sessions: set[str] = set()
        self._keepalive: asyncio.Task[None] | None = None

    async def open(self, local: Local) -> tuple[object, Remote]:
        session, handle, offer = await self.watch()
        try:
            remote = sdp.parse(offer)
        except ValueError as error:
            raise JoinError(f"Janus: {error}") from error
        await self.start(handle, sdp.answer(local, offer))
        return session, remote

    async def watch(self) -> tuple[str, str, str]:
        """A new session, its handle and Janus's offer. Raises JoinError."""
        if self._keepalive is None:
            self._keepalive = asyncio.create_task(self._keep_alive())
        try:
            session = f"{self._url}/{(await self._ask(self._url, janus='create'))['data']['id']}"
            self._sessions.add(session)
            attached = await self._ask(session, janus="attach", plugin="janus.plugin.streaming")
            handle = f"{session}/{attached['data']['id']}"
            watch = {"request": "watch", "id": self.mountpoint, "offer_audio": True, "offer_data": True}
            await self._ask(handle, janus="message", body=watch)
            offer = await self._event(session, "jsep")
            return session, handle, str(offer["jsep"]["sdp"])
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
            raise JoinError(f"Janus: {type(error).__name__} {error}") from error

    async def start(self, handle: str, answer: str) -> None:
        """Answer Janus's offer, upon which it sends. Raises JoinError."""
        described = {"type": "answer", "sdp": answer}
        try:
            await self._ask(handle, janus="message", body={"request": "start"}, jsep=described)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise JoinError(f"Janus: {type(error).__name__} {error}") from error

    async def close(self, handle: object) -> None:
        assert isinstance(handle, str)
        self._sessions.discard(handle)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, JoinError):
            await self._ask(handle, janus="destroy")

    async def shut_down(self) -> None:
        if self._keepalive is not None:
            self._keepalive.cancel()
        await self._http.close()

    async def _ask(self, url: str, **message: Any) -> dict[str, Any]:
        request = {"transaction": secrets.token_hex(6), **message}
        async with self._http.post(url, json=request) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
        if answer.get("janus") not in ("success", "ack"):
            raise JoinError(f"Janus: {answer.get('error', answer)}")
        return answer

    async def _event(self, session: str, key: str) -> dict[str, Any]:
        """The next event that has `key`."""
        while True:
            async with self._http.get(f"{session}?maxev=1") as response:
                event: dict[str, Any] = await response.json(content_type=None)
            if key in event:
                return event
            error = event.get("plugindata", {}).get("data", {}).get("error")
            if error:
                raise JoinError(f"Janus: {error}")

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            for session in tuple(self._sessions):
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, JoinError):
                    await self._ask(session, janus="keepalive")


class JanusDataSignaling(JanusSignaling):
    """The same, for the mountpoint with a data channel."""

    mountpoint = MOUNTPOINT + 1


async def _feed(port: int, file: Path | None) -> None:
    """Send the sound's packets as RTP to both mountpoints, for ever."""
    tone = InstrumentConfig(instrument="tone", frame_ms=20)
    played = tone if file is None else replace(tone, instrument="file", file=str(file))
    instrument = InstrumentSupervisor("bench", played)
    await instrument.start()
    feed = instrument.open_feed()
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    loop = asyncio.get_running_loop()
    sequence = 0
    try:
        while True:
            packet = EncodedPacket.unpack(await loop.sock_recv(feed, 65536))
            sequence = (sequence + 1) & 0xFFFF
            header = struct.pack("!BBHII", 0x80, PAYLOAD_TYPE, sequence, packet.media_time & 0xFFFFFFFF, 7)
            for target in (port, port + 1):
                out.sendto(header + packet.payload, (ADDRESS, target))
    finally:
        await instrument.close()


def main() -> None:
    """The feeder."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_feed(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))


# Not for script/bench, which lists the modules that have the usual last two lines.
if __name__ == '__main__':  # fmt: skip
    main()
