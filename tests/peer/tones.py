"""Real Opus packets of a two-tone sine, and a thread that feeds them to a socket at their own pace."""

from __future__ import annotations

import socket
import threading
import time
from functools import cache

import numpy as np
import opuslib

from rtcserver.encode.packet import EncodedPacket

FRAME = 480
LEFT_HZ = 440.0
RIGHT_HZ = 1000.0
LOOP = 100
"""Frames after which the tones repeat without a seam: whole periods of both in one second."""


@cache
def payloads() -> tuple[bytes, ...]:
    """One second of Opus (10 ms, restricted-lowdelay, 160 kb/s): a tone a side at -12 dBFS."""
    encoder = opuslib.Encoder(48000, 2, opuslib.APPLICATION_RESTRICTED_LOWDELAY)
    encoder.bitrate = 160_000
    t = np.arange(FRAME * LOOP * 2) / 48000
    stereo = np.stack([np.sin(2 * np.pi * LEFT_HZ * t), np.sin(2 * np.pi * RIGHT_HZ * t)], axis=1)
    pcm = (stereo * 0.25 * 32767).astype("<i2")
    packets = [encoder.encode(pcm[i : i + FRAME].tobytes(), FRAME) for i in range(0, len(pcm), FRAME)]
    return tuple(packets[LOOP:])  # the second round, when the encoder's state has settled


def packet(index: int, start: int = 0) -> EncodedPacket:
    """The packet of frame `index`, whose timeline begins at media time `start`."""
    return EncodedPacket(start + index * FRAME, FRAME, time.monotonic_ns(), 1, payloads()[index % LOOP])


class ToneFeed:
    """Writes a packet every 10 ms into `writer` until `stop`; a full socket drops the packet."""

    def __init__(self, writer: socket.socket, start: int = 0) -> None:
        self._writer = writer
        self._start = start
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.written = 0

    def __enter__(self) -> ToneFeed:
        payloads()
        self._writer.setblocking(False)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        begin = time.monotonic()
        while not self._stop.wait(max(0.0, begin + self.written * 0.01 - time.monotonic())):
            try:
                self._writer.send(packet(self.written, self._start).pack())
            except BlockingIOError:
                pass
            except OSError:
                return
            self.written += 1


def feed_pair() -> tuple[socket.socket, socket.socket]:
    """``(writer, reader)`` of a feed."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def dominant_hz(samples: np.ndarray) -> float:
    """The strongest frequency of a mono signal at 48 kHz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 17))
    return float(np.argmax(spectrum)) * 48000 / (1 << 17)
