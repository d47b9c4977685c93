"""The process that plays a room's PCM blocks on a local output.

``python -m rtcserver.monitor.process FD``, where FD is the control socket (`rtcserver.children.control_socket`).
Down: ``start`` (``device``; with the feed's descriptor), ``timings``, ``stop``. Up: ``status`` (five a second),
``timings`` (on request; it forgets the durations afterwards).
"""

from __future__ import annotations

import os
import select
import socket
import sys
from typing import Any

import numpy as np

from rtcserver.capture.devices import choose, list_devices, load_portaudio
from rtcserver.capture.durations import Durations
from rtcserver.children import child, control_socket
from rtcserver.children.control_socket import EXIT_DEPENDENCY
from rtcserver.children.lock_probe import LockProbe
from rtcserver.children.scheduling import steady
from rtcserver.clock import NS, monotonic_ns
from rtcserver.encode.feed import FeedReader
from rtcserver.encode.packet import KIND_PCM
from rtcserver.encode.pcm import PcmBlock, unpack
from rtcserver.errors import DependencyError, InstrumentError
from rtcserver.instrument.timings import summary
from rtcserver.monitor.playout import Playout, Samples

STATUS_NS = NS // 5
RETRY_NS = NS
TARGET_MS = 32
"""Sound that waits when playing begins: a burst of the instrument's, one of the output's, and what a scheduler adds."""
SLACK_MS = 12
"""By how much the mean level may move before single frames are left out or put in."""

PRIORITY = 15
"""Under SCHED_FIFO; below the instrument's, whose sound everybody hears."""
SWITCH_S = 0.0002
"""How long one thread may hold the interpreter while another waits: the output's callback must not wait for a reader."""


class MonitorProcess:
    """Everything of the process; `run` returns its exit code."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        message, fds = control_socket.receive_start(sock, descriptors=1)
        self._wanted = "" if message["device"] == "default" else str(message["device"])
        self._feed = FeedReader(socket.socket(fileno=fds[0]), (KIND_PCM,))
        self._device = ""
        self._error: str | None = None
        self._rate = 0
        self._stream: Any = None
        self._playout: Playout | None = None
        self._epoch = -1
        self._next_frame = 0
        self._retry_ns = 0
        self._next_status_ns = 0
        self._callback_ns = Durations()
        self._lock_probe = LockProbe()
        self._output_underflows = 0
        self._asked = 0
        """Frames that the output has asked for."""
        self._stopping = False

    def run(self) -> int:
        """Play until told to stop or the server is gone."""
        try:
            self._sd = load_portaudio()
        except DependencyError as error:
            self._error = str(error)
            self._report(monotonic_ns())
            return EXIT_DEPENDENCY
        self._sock.setblocking(False)
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        poll.register(self._feed.fileno(), select.POLLIN)
        while not self._stopping and not self._feed.ended:
            for fd, _ in poll.poll(100):
                if fd == self._sock.fileno():
                    self._control()
            while (packet := self._feed.read()) is not None:
                self._take(unpack(packet.payload))
            self._report(monotonic_ns())
        return 0

    def close(self) -> None:
        """Close the output. May hang in its driver."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)

    def _take(self, block: PcmBlock) -> None:
        if block.rate != self._rate or self._stream is None:
            self._open(block.rate)
        playout = self._playout
        if playout is None:
            return
        if block.epoch == self._epoch and block.first_frame > self._next_frame:
            playout.skip(block.first_frame - self._next_frame)
        self._epoch, self._next_frame = block.epoch, block.first_frame + block.frames
        # A power of two: each of the integers is exact as a float32 of 24 bits.
        playout.write(block.to_int().astype(np.float32) * np.float32(2.0 ** (1 - block.bits)))

    def _open(self, rate: int) -> None:
        if monotonic_ns() < self._retry_ns:
            return
        self.close()
        self._playout = None
        try:
            devices = list_devices(self._sd, outputs=True)
            device = choose(devices, self._wanted, key="monitor", what="output")
            playout = Playout(rate, rate * TARGET_MS // 1000, rate * SLACK_MS // 1000)
            self._stream = self._sd.OutputStream(
                samplerate=rate,
                device=device.index,
                channels=2,
                dtype="float32",
                latency="low",
                dither_off=True,
                clip_off=True,
                callback=self._callback(playout),
            )
            self._stream.start()
        except (InstrumentError, self._sd.PortAudioError) as error:
            self.close()
            self._error = str(error) if isinstance(error, InstrumentError) else f"monitor: {error.args[0]}"
            self._retry_ns = monotonic_ns() + RETRY_NS
            # PortAudio's list of devices is frozen: let it look again before the next try.
            self._sd._terminate()
            self._sd._initialize()
            return
        self._playout, self._rate, self._device, self._error = playout, rate, device.name, None

    def _callback(self, playout: Playout) -> Any:
        callback_ns = self._callback_ns

        def callback(out: Samples, frames: int, time: Any, status: Any) -> None:
            now = monotonic_ns()
            self._asked += frames
            if status and status.output_underflow:
                self._output_underflows += 1
            playout.read(out)
            callback_ns.add(monotonic_ns() - now)

        return callback

    def _status(self) -> dict[str, Any]:
        playout = self._playout
        return {
            "type": "status",
            "at_ns": monotonic_ns(),
            "asked": self._asked,
            "device": self._device,
            "error": self._error,
            "rate": self._rate,
            "played": playout.played if playout is not None else 0,
            "level": playout.level if playout is not None else 0,
            "underruns": playout.underruns if playout is not None else 0,
            "overruns": playout.overruns if playout is not None else 0,
            "slips": playout.slips if playout is not None else 0,
            "output_underflows": self._output_underflows,
        }

    def _report(self, now_ns: int) -> None:
        if now_ns < self._next_status_ns:
            return
        self._next_status_ns = now_ns + STATUS_NS
        self._send(self._status())

    def _send(self, message: dict[str, Any]) -> None:
        try:
            control_socket.send(self._sock, message)
        except BlockingIOError:
            return
        except OSError:
            self._stopping = True

    def _control(self) -> None:
        try:
            received = control_socket.receive(self._sock)
        except BlockingIOError:
            return
        except OSError:
            received = None
        if received is None or received[0]["type"] == "stop":
            self._stopping = True
        elif received[0]["type"] == "timings":
            self._send(
                {
                    **self._status(),
                    "type": "timings",
                    "callback_ns": summary(self._callback_ns.values()),
                    "lock_ns": summary(self._lock_probe.values()),
                }
            )
            self._callback_ns.clear()
            self._lock_probe.clear()


def main() -> int:
    """Entry point of the process."""
    child.die_with_parent()
    child.print_without_errors()
    process = MonitorProcess(socket.socket(fileno=int(sys.argv[1])))
    sys.setswitchinterval(SWITCH_S)
    steady(PRIORITY)
    code = process.run()
    process.close()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
