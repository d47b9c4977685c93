"""A Studio listener without a browser: asks as the page does, and keeps the very samples that the server sends.

PCM comes as RTP payload and is taken before any decoder (`rtcserver.transport.aiortc_tap`), as the page's worker takes
it by an Encoded Transform. Like the page it says `studio_ready` once frames arrive, and reports each second,
so that the server answers losses with redundancy. PROTOCOL.md, "Studio". One event loop; not thread-safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urldefrag

import numpy as np

from rtcserver.client.assembly import Assembler, is_studio
from rtcserver.client.listener import MODE_HEADER, Listener
from rtcserver.client.measure import AUDIBLE_DBFS, RATE, AudioMeter, Side, side
from rtcserver.client.midi import MidiClient
from rtcserver.client.progress import hear_telling
from rtcserver.client.ways import MediaPath
from rtcserver.client.whep import ListenError
from rtcserver.encode.pcm import VERSION, decode_samples
from rtcserver.transport.aiortc_tap import TappedPacket

FORMAT_HEADER = "Rtcserver-Studio"
LIGHT_HEADERS = {MODE_HEADER: "studio", "Rtcserver-Quality": "light"}
"""Ask for Studio light, which is Opus: any listener takes it (`rtcserver.client.listener`)."""
PROOF = 5
"""So many frames show that they arrive; then PCM is asked for."""
REPORT_S = 1.0


@dataclass(frozen=True, slots=True)
class StudioSummary:
    """What a Studio listener has to say in the end. Counts of blocks: see `Assembler`.

    rate: Hz. bits: a sample. exact: whether the server calls them the instrument's own samples.
    seconds: recorded, `missing_ms` of it silence in place of lost blocks. complete: all that was asked for came.
    silence: frames before the PCM. first_pcm_ms: since the listener set out.
    redundancy: whether the server ended up sending each block twice.
    """

    url: str
    state: str
    rate: int
    bits: int
    exact: bool
    block_frames: int
    epoch: int | None
    epochs: int
    blocks: int
    lost: int
    repaired: int
    duplicates: int
    late: int
    invalid: int
    foreign: int
    missing_ms: float
    seconds: float
    complete: bool
    kbps: float
    silence: int
    redundancy: bool
    jitter_ms: float
    jitter_max_ms: float
    connected_ms: float
    first_packet_ms: float | None
    first_pcm_ms: float | None
    rejected: int
    left: Side
    right: Side

    @property
    def heard(self) -> bool:
        """Whether there were blocks, and a side above `AUDIBLE_DBFS`."""
        return self.blocks > 0 and max(self.left.dbfs, self.right.dbfs) > AUDIBLE_DBFS

    def to_json(self) -> dict[str, Any]:
        """Flat, with the names that Listen's report has for the same figures."""

        def to_tenth(value: float | None) -> float | None:
            return None if value is None else round(value, 1)

        return {
            "mode": "studio",
            "rate": self.rate,
            "bits": self.bits,
            "exact": self.exact,
            "frames": self.block_frames,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "blocks": self.blocks,
            "lost": self.lost,
            "repaired": self.repaired,
            "duplicates": self.duplicates,
            "late": self.late,
            "invalid": self.invalid,
            "foreign": self.foreign,
            "missing_ms": round(self.missing_ms, 3),
            "seconds": self.seconds,
            "complete": self.complete,
            "kbps": round(self.kbps, 1),
            "silence": self.silence,
            "redundancy": self.redundancy,
            "jitter_ms": round(self.jitter_ms, 3),
            "jitter_max_ms": round(self.jitter_max_ms, 3),
            "left_dbfs": self.left.dbfs,
            "right_dbfs": self.right.dbfs,
            "left_hz": self.left.hz,
            "right_hz": self.right.hz,
            "state": self.state,
            "connected_ms": to_tenth(self.connected_ms),
            "first_packet_ms": to_tenth(self.first_packet_ms),
            "first_pcm_ms": to_tenth(self.first_pcm_ms),
            "rejected": self.rejected,
            "heard": self.heard,
            "url": self.url,
        }

    def to_text(self) -> str:
        """A few lines for a person."""
        if not self.blocks:
            return f"{self.url}: connected, but no samples came"

        def words(name: str, of: Side) -> str:
            return f"{name} {of.dbfs:.1f} dBFS" + ("" if of.hz is None else f", {of.hz:.1f} Hz")

        kind = "the instrument's own samples" if self.exact else "not the instrument's own samples"
        notes = []
        if self.epochs > 1:
            notes.append(f"the instrument was opened {self.epochs} times: the parts follow one another")
        if self.foreign:
            notes.append(f"the format changed: {self.foreign} blocks of the new one were left out")
        return "\n".join(
            (
                f"{self.url}: Studio, {self.rate} Hz, {self.bits} bits, {self.seconds:g} s, {kind}",
                f"{self.blocks} blocks of {self.block_frames} frames, {self.lost} lost "
                f"({self.missing_ms:.0f} ms), {self.repaired} repaired, {self.duplicates} duplicates, "
                f"jitter {self.jitter_ms:.2f} ms",
                f"{words('left', self.left)}; {words('right', self.right)}",
                *notes,
            )
        )


class StudioListener:
    """``async with StudioListener(url) as ear:`` connects on entry, says goodbye on exit, both bounded in time.

    window_s: take the first so many seconds only. on_pcm: called with ``(samples, rate, bits)``, each new
    stretch of interleaved little-endian samples as they were sent, silence where blocks were lost. midi: the
    channels, with a token perhaps; by default one that only signs in. path: see `Listener`.
    """

    def __init__(
        self,
        url: str,
        *,
        window_s: float | None = None,
        connect_timeout_s: float = 10.0,
        keep_s: float = 30.0,
        on_pcm: Callable[[bytes, int, int], None] | None = None,
        insecure: bool = False,
        path: MediaPath | None = None,
        midi: MidiClient | None = None,
    ) -> None:
        self.url = urldefrag(url).url
        self.pcm = Assembler()
        self.format: dict[str, Any] = {}
        """What the server said that it sends: version, rate, bits, frames, exact, …"""
        self.redundancy = False
        self.silence = 0
        self.midi = midi or MidiClient()
        self.midi.on_said = self._on_said
        self._window_s = window_s
        self._keep_s = keep_s
        self._on_pcm = on_pcm
        self._taken = 0
        self._bytes = 0
        self._first_ns: int | None = None
        self._ready = False
        self._failure = ""
        self._meter = AudioMeter(keep_s)
        self._reporting: asyncio.Task[None] | None = None
        self._ear = Listener(
            url,
            connect_timeout_s=connect_timeout_s,
            insecure=insecure,
            path=path,
            channels=self.midi,
            headers={MODE_HEADER: "studio"},
            on_payload=self._on_payload,
        )

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def heard_s(self) -> float:
        """Seconds of samples so far."""
        return self._taken / self.pcm.rate if self.pcm.rate else 0.0

    async def connect(self) -> None:
        """WHEP, ICE and DTLS. Raises `ListenError`, also for a server that gives something else than Studio."""
        await self._ear.connect()
        self.format = _format_of(self._ear.answered, self.url)
        self._reporting = asyncio.ensure_future(self._report())

    async def hear(self, seconds: float, *, stall_s: float = 5.0) -> bool:
        """Wait until `seconds` of samples have come. False if nothing came for `stall_s`, or the connection ended.

        Raises `ListenError` if the server refuses to send samples.
        """
        while not self._reached(seconds):
            taken = self._taken
            await self._ear.until(partial(self._news, taken), stall_s)
            if self._failure:
                raise ListenError(f"{self.url}: {self._failure}")
            if self._taken == taken:
                self._take(self.pcm.flush())
                return self._reached(seconds)
        return True

    def summary(self, seconds: float | None = None) -> StudioSummary:
        """Figures so far; `complete` against `seconds`."""
        pcm, ear = self.pcm, self._ear
        jitter = pcm.jitter_ms
        sound = self._meter.recent()
        rate = pcm.rate or RATE
        return StudioSummary(
            url=self.url,
            state=ear.state,
            rate=pcm.rate,
            bits=pcm.bits,
            exact=self.format.get("exact") is True and self.format.get("bits") == pcm.bits,
            block_frames=pcm.block_frames,
            epoch=pcm.epoch if pcm.rate else None,
            epochs=pcm.epochs,
            blocks=pcm.blocks,
            lost=pcm.lost,
            repaired=pcm.repaired,
            duplicates=pcm.duplicates,
            late=pcm.late,
            invalid=pcm.invalid,
            foreign=pcm.foreign,
            missing_ms=pcm.missing * 1000 / rate,
            seconds=round(self.heard_s, 6),
            complete=seconds is not None and self._reached(seconds),
            kbps=self._bytes * 8 / 1000 / (pcm.frames / rate) if pcm.frames else 0.0,
            silence=self.silence,
            redundancy=self.redundancy,
            jitter_ms=jitter[0],
            jitter_max_ms=jitter[1],
            connected_ms=ear.connected_ms,
            first_packet_ms=ear.since_ms(self._first_ns),
            first_pcm_ms=ear.since_ms(pcm.first_ns),
            rejected=ear.rejected,
            left=side(sound[:, 0], rate),
            right=side(sound[:, 1], rate),
        )

    async def close(self) -> None:
        """DELETE the session and close the connection. Idempotent, bounded as `Listener.close` is."""
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.wait([self._reporting], timeout=1)
        await self._ear.close()

    def _reached(self, seconds: float) -> bool:
        return self.pcm.rate > 0 and self._taken >= round(seconds * self.pcm.rate)

    def _news(self, taken: int) -> bool:
        return self._taken > taken or bool(self._failure) or self._ear.state != "connected"

    def _on_payload(self, packet: TappedPacket, payload: bytes) -> None:
        if self._first_ns is None:
            self._first_ns = packet.arrival_ns
        if not is_studio(payload):
            self.silence += 1
            if self.silence >= PROOF and not self._ready:
                self._ready = self.midi.tell("studio_ready", {"version": VERSION})
            return
        self._bytes += packet.size
        self._take(self.pcm.take(payload, packet.arrival_ns))

    def _take(self, data: bytes) -> None:
        pcm = self.pcm
        if self._window_s is not None:
            data = data[: max(0, round(self._window_s * pcm.rate) - self._taken) * pcm.width]
        if not data:
            return
        if not self._taken:
            self._meter = AudioMeter(self._keep_s, pcm.rate)
        if self._on_pcm is not None:
            self._on_pcm(data, pcm.rate, pcm.bits)
        samples = decode_samples(data, pcm.bits)
        # Levels and pitch need no more than the upper 16 bits.
        self._meter.add(self._taken, (samples >> (pcm.bits - 16)).astype(np.int16))
        self._taken += len(samples)

    def _on_said(self, said: dict[str, Any]) -> None:
        if said.get("type") == "studio_redundancy":
            self.redundancy = said.get("on") is True
        elif said.get("type") == "error" and said.get("of") == "studio_ready":
            self._failure = str(said.get("message") or "the server refuses to send samples")

    async def _report(self) -> None:
        """What the page's ring tells each second, as far as it means something here."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(REPORT_S)
                pcm = self.pcm
                if self._ready:
                    counts = {"lost": pcm.lost, "repaired": pcm.repaired, "duplicates": pcm.duplicates}
                    self.midi.tell("studio_report", counts)


async def listen_studio(
    url: str,
    seconds: float = 10.0,
    *,
    connect_timeout_s: float = 10.0,
    stall_s: float = 5.0,
    on_pcm: Callable[[bytes, int, int], None] | None = None,
    on_progress: Callable[[float], None] | None = None,
    insecure: bool = False,
    path: MediaPath | None = None,
    midi: MidiClient | None = None,
) -> StudioSummary:
    """Take `seconds` of samples and report. Raises `ListenError` if there is no connection, or no Studio.

    on_progress: called about four times a second with the seconds so far.
    """
    async with StudioListener(
        url,
        window_s=seconds,
        connect_timeout_s=connect_timeout_s,
        on_pcm=on_pcm,
        insecure=insecure,
        path=path,
        midi=midi,
    ) as ear:
        await hear_telling(ear, seconds, stall_s, on_progress)
        return ear.summary(seconds)


def _format_of(headers: Mapping[str, str], url: str) -> dict[str, Any]:
    """The format that an answer announces. Raises `ListenError` if it is no Studio session."""
    if headers.get(MODE_HEADER) != "studio":
        raise ListenError(f"{url} has no Studio mode: the server answered with an ordinary session")
    try:
        said = json.loads(headers.get(FORMAT_HEADER, ""))
        version = said["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ListenError(f"{url}: the server does not say what it sends in Studio") from None
    if version != VERSION:
        raise ListenError(f"{url} speaks Studio version {version}; this client speaks {VERSION}")
    return dict(said)
