"""The server's side of an instrument process: starts it, watches it, starts it again.

Liveness is a process that runs and reports; progress is device frames that advance with the
monotonic clock. A process that ends, or is silent or stuck, is replaced with a backoff. The
feeds outlive it: their writing halves stay open here and are handed to each new process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

from rtcserver import child
from rtcserver.clock import NS, monotonic_ns
from rtcserver.config import InstrumentConfig, to_dict
from rtcserver.encode.timeline import Anchor
from rtcserver.errors import ProcessError
from rtcserver.instrument import control
from rtcserver.instrument.control import EXIT_DEPENDENCY, Status

log = logging.getLogger(__name__)

SILENCE_NS = 3 * NS
"""A process that reports nothing for so long is killed."""
PROGRESS_NS = 3 * NS
"""A live process whose device frames stand still for so long is killed."""
BACKOFF_S = (0.05, 0.25, 1.0, 2.0)
"""Waits before the first, second, … restart in a row."""
HEALTHY_NS = 10 * NS
"""A process that ran well for so long makes the next restart a first one."""
FEED_BUFFER = 256 * 1024
MIDI_EVENTS = 400
"""Events in one control message."""


class Backoff:
    """How long to wait before the next restart. Pure."""

    def __init__(self, waits_s: tuple[float, ...] = BACKOFF_S, healthy_ns: int = HEALTHY_NS) -> None:
        self._waits = waits_s
        self._healthy_ns = healthy_ns
        self._failures = 0

    def ended(self, lived_ns: int) -> float:
        """A process ended after `lived_ns` of life; returns the wait in seconds."""
        if lived_ns >= self._healthy_ns:
            self._failures = 0
        wait = self._waits[min(self._failures, len(self._waits) - 1)]
        self._failures += 1
        return wait


class InstrumentSupervisor:
    """One room's instrument process. All methods on the event loop that `start` ran on."""

    def __init__(self, room: str, config: InstrumentConfig) -> None:
        self.room = room
        self.config = config
        self.status = Status(bitrate_bps=config.bitrate_bps)
        self.restarts = 0
        self.origin = Anchor(0, monotonic_ns())
        """The beginning of the room's timeline."""
        self._feeds: dict[socket.socket, socket.socket] = {}
        """Writing halves, by their reading half."""
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._last_report_ns = 0
        self._last_progress_ns = 0
        self._last_frames = (-1, -1)
        self._timings: list[asyncio.Future[dict[str, Any]]] = []
        self._encoded_before = 0
        self._studio = False
        self.on_status: Callable[[Status], None] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def encoded(self) -> int:
        """Packets encoded by all processes of this room so far."""
        return self._encoded_before + self.status.encoded

    @property
    def anchor(self) -> Anchor:
        """The latest moment known on both clocks."""
        if self.status.at_ns:
            return Anchor(self.status.media_time, self.status.at_ns)
        return self.origin

    async def start(self) -> None:
        """Start the first process and the watch over it."""
        self._task = asyncio.create_task(self._supervise(), name=f"instrument {self.room}")

    def subscribe(self) -> socket.socket:
        """A new feed: the reading half, non-blocking; `unsubscribe` ends it. It survives restarts."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FEED_BUFFER)
        ours.setblocking(False)
        self._feeds[ours] = theirs
        if self._sock is not None:
            self._tell({"type": "add_feed"}, (theirs.fileno(),))
        return ours

    def unsubscribe(self, feed: socket.socket) -> None:
        """Close both halves of a feed; the process forgets it at its next packet."""
        feed.close()
        writing = self._feeds.pop(feed, None)
        if writing is not None:
            writing.close()

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Change the Opus bitrate from the next frame on; kept over restarts."""
        self.config = InstrumentConfig(**{**to_dict(self.config), "bitrate_bps": bitrate_bps})
        self._tell({"type": "set_bitrate", "bitrate_bps": bitrate_bps})

    def set_studio(self, on: bool) -> None:
        """Put Studio payloads on the feeds, too; kept over restarts."""
        if on != self._studio:
            self._studio = on
            self._tell({"type": "studio", "on": on})

    def midi(self, message: bytes) -> None:
        """Play a channel message on an embedded instrument; others ignore it."""
        self.midi_play([(0, message, None)])

    def midi_play(self, events: Iterable[tuple[int, bytes, int | None]]) -> None:
        """Play ``(performer, message, at_ns)`` on an embedded instrument; at_ns None: at once."""
        packed = [[performer, message.hex(), at_ns or 0] for performer, message, at_ns in events]
        for first in range(0, len(packed), MIDI_EVENTS):
            self._tell({"type": "midi", "events": packed[first : first + MIDI_EVENTS]})

    def midi_release(self, performer: int) -> None:
        """Let go of all that `performer` holds on an embedded instrument, and drop what is scheduled."""
        self._tell({"type": "midi_release", "performer": performer})

    def midi_silence(self) -> None:
        """Silence an embedded instrument."""
        self._tell({"type": "midi_silence"})

    async def timings(self, *, reset: bool = False) -> dict[str, Any]:
        """Durations in the running process (ns: count, p50, p99, max), and how far it has come.

        See `InstrumentProcess`. reset: forget the durations afterwards, to begin a measurement.
        """
        if self._sock is None:
            raise ProcessError("the instrument process does not run")
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._timings.append(future)
        self._tell({"type": "timings", "reset": reset})
        return await asyncio.wait_for(future, 5)

    async def close(self) -> None:
        """Stop the process; after 2 s it is killed. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._reap(graceful=True)
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()

    async def _supervise(self) -> None:
        backoff = Backoff()
        while True:
            born = monotonic_ns()
            self._spawn()
            await self._watch()
            code = await self._reap(graceful=False)
            wait = backoff.ended(monotonic_ns() - born)
            if code == EXIT_DEPENDENCY:
                # What is missing on the machine does not come back by trying often.
                wait = 30.0
            self.restarts += 1
            self._encoded_before += self.status.encoded
            self.status.encoded = 0
            if self.status.state == "live":
                self.status.state = "silent"
                self.status.error = "the instrument process ended unexpectedly and is being restarted"
                self.status.code = "restarting"
            log.warning(
                "room %s: instrument process ended (%s), next start in %.2f s: %s",
                self.room,
                code,
                wait,
                self.status.error,
            )
            self._changed()
            await asyncio.sleep(wait)

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = subprocess.Popen(
                child.command("rtcserver.instrument.process", str(theirs.fileno())),
                env=child.environment(),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                # A terminal's Ctrl-C is for the server; it tells its children itself.
                process_group=0,
            )
        finally:
            theirs.close()
        ours.setblocking(False)
        self._sock = ours
        anchor = self.anchor
        self._tell(
            {
                "type": "start",
                "config": to_dict(self.config),
                "media_time": anchor.media_time,
                "at_ns": anchor.at_ns,
                "epoch": self.status.epoch,
            }
        )
        self._tell({"type": "studio", "on": self._studio})
        for feed in self._feeds.values():
            self._tell({"type": "add_feed"}, (feed.fileno(),))
        self._ended.clear()
        self._last_report_ns = self._last_progress_ns = monotonic_ns()
        self._last_frames = (-1, -1)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable, ours)

    async def _watch(self) -> None:
        """Return when the process has ended or must end."""
        while not self._ended.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 0.25)
            now = monotonic_ns()
            if now - self._last_report_ns > SILENCE_NS:
                log.warning("room %s: the instrument process does not report; killing it", self.room)
                return
            if self.status.state == "live" and now - self._last_progress_ns > PROGRESS_NS:
                log.warning("room %s: the instrument process makes no progress; killing it", self.room)
                return

    async def _reap(self, *, graceful: bool) -> int | None:
        """End the process for good and return its exit code."""
        process, sock = self._process, self._sock
        self._process = self._sock = None
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            if graceful:
                with contextlib.suppress(OSError):
                    control.send(sock, {"type": "stop"})
            sock.close()
        for future in self._timings:
            future.cancel()
        self._timings.clear()
        if process is None:
            return None
        if not graceful and not self._ended.is_set():
            process.kill()
        for _ in range(200):
            if process.poll() is not None:
                return process.returncode
            await asyncio.sleep(0.01)
        process.kill()
        return await asyncio.to_thread(process.wait)

    def _readable(self, sock: socket.socket) -> None:
        try:
            while True:
                received = control.receive(sock)
                if received is None:
                    break
                self._handle(received[0])
        except BlockingIOError:
            return
        except (OSError, ProcessError) as error:
            log.warning("room %s: instrument control: %s", self.room, error)
        asyncio.get_running_loop().remove_reader(sock.fileno())
        self._ended.set()

    def _handle(self, message: dict[str, Any]) -> None:
        now = monotonic_ns()
        self._last_report_ns = now
        if message["type"] == "status":
            before = (self.status.state, self.status.error)
            at_ns, media_time = self.status.at_ns, self.status.media_time
            self.status = Status.from_message(message)
            if not self.status.at_ns:
                # A new process that has not captured yet: the timeline goes on from the old one.
                self.status.at_ns, self.status.media_time = at_ns, media_time
            if (self.status.epoch, self.status.frames) != self._last_frames:
                self._last_frames = (self.status.epoch, self.status.frames)
                self._last_progress_ns = now
            if before != (self.status.state, self.status.error):
                self._changed()
        elif message["type"] == "timings":
            for future in self._timings:
                if not future.done():
                    future.set_result(message)
            self._timings.clear()

    def _changed(self) -> None:
        log.info("room %s: %s is %s%s", self.room, self.status.device or self.config.instrument,
                 self.status.state, f": {self.status.error}" if self.status.error else "")  # fmt: skip
        if self.on_status is not None:
            self.on_status(self.status)

    def _tell(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        if self._sock is None:
            return
        try:
            control.send(self._sock, message, fds)
        except BlockingIOError:
            log.warning("room %s: the instrument process does not read its control socket", self.room)
        except OSError:
            self._ended.set()
