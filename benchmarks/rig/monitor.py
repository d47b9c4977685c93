"""What really leaves the machine: the monitor of a PulseAudio null sink, by the wall clock."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from rtcserver.clock import wall_ns
from tests.rig.firefox import NullSink
from tests.rig.process import program

RATE = 48_000
_FRAME = 8
"""Bytes: two float32."""


class Monitor:
    """``async with Monitor(sink) as monitor: …; monitor.take()``. Records until it is left.

    A null sink has no converter: it takes its samples a block at a time, as a sound card's driver does. A card
    would play them evenly, each block from the moment on at which it was taken. `starts_ms` is drawn so.
    """

    def __init__(self, sink: NullSink) -> None:
        self._sink = sink
        self._child: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._parts: list[tuple[float, bytes]] = []

    async def __aenter__(self) -> Self:
        words = ["--raw", "--format=float32le", f"--rate={RATE}", "--channels=2", "--latency-msec=5"]
        self._child = await asyncio.create_subprocess_exec(
            program("parec", "pulseaudio-utils"),
            *words,
            "--device=null.monitor",
            env={**os.environ, **self._sink.variables},
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child is not None
        assert self._reading is not None
        if self._child.returncode is None:
            self._child.terminate()
        await self._child.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        while part := await self._child.stdout.read(1 << 16):
            self._parts.append((wall_ns() / 1e6, part))

    def take(self) -> tuple[npt.NDArray[np.float64], float]:
        """The sound since the last call, mono, and the wall time in ms at which its first sample plays."""
        parts, self._parts = self._parts, []
        if not parts:
            return np.zeros(0), 0.0
        sizes = np.array([len(part) for _, part in parts]) / _FRAME
        came = np.array([at for at, _ in parts])
        firsts = np.concatenate([[0.0], np.cumsum(sizes)[:-1]])
        # The latest blocks decide: whoever plays evenly has to wait for them.
        starts_ms = float(np.percentile(came - firsts * 1000 / RATE, 95))
        data = b"".join(part for _, part in parts)
        whole = np.frombuffer(data[: len(data) // _FRAME * _FRAME], np.float32).astype(np.float64)
        return whole.reshape(-1, 2).mean(axis=1), starts_ms
