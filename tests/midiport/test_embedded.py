"""The embedded instrument as a port, in its own process: notes sound at the media time that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import opuslib

from rtcserver.clock import MEDIA_RATE, NS, monotonic_ns
from rtcserver.config.model import InstrumentConfig
from rtcserver.encode.packet import MAX_RECORD, EncodedPacket
from rtcserver.instrument.supervisor import InstrumentSupervisor
from rtcserver.midi import message as m
from rtcserver.midi.performers import ROOM
from rtcserver.midiport.supervisor import EmbeddedPort

ANNA = 3


async def until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not ready():  # noqa: ASYNC110  # levels are polled, nobody announces them
            await asyncio.sleep(0.02)


async def heard(feed: asyncio.Queue[EncodedPacket], until_media: int) -> tuple[int, npt.NDArray[np.int16]]:
    """Media time of the first sample, and mono samples at 48 kHz up to `until_media`."""
    decoder = opuslib.Decoder(MEDIA_RATE, 2)
    first: int | None = None
    parts = []
    while True:
        packet = await feed.get()
        first = packet.media_time if first is None else first
        parts.append(np.frombuffer(decoder.decode(packet.payload, packet.duration), np.int16)[::2])
        if packet.media_time > until_media:
            return first, np.concatenate(parts)


async def test_notes_sound_at_their_media_time_and_end_with_their_owner() -> None:
    instrument = InstrumentSupervisor("test", InstrumentConfig(demo=False))
    port = EmbeddedPort(instrument)
    packets: asyncio.Queue[EncodedPacket] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    feed = instrument.open_feed()
    loop.add_reader(feed.fileno(), lambda: packets.put_nowait(EncodedPacket.unpack(feed.recv(MAX_RECORD))))
    await instrument.start()
    try:
        async with asyncio.timeout(15):
            await until(lambda: port.status.state == "live" and instrument.status.at_ns > 0)
            assert port.status.output.startswith("FluidSynth")
            port.play([(ROOM, m.program(0, 115), None)])
            # Every 100 ms and a bit, so that all offsets within a block come up.
            now, anchor = monotonic_ns(), instrument.anchor
            asked = [anchor.media_at(now) + 14_400 + number * 4_837 for number in range(8)]
            for media in asked:
                at_ns = anchor.at_ns + (media - anchor.media_time) * NS // MEDIA_RATE
                port.play(
                    [(ANNA, m.note_on(0, 76, 127), at_ns), (ANNA, m.note_off(0, 76), at_ns + 30_000_000)]
                )
            first, samples = await heard(packets, asked[-1] + 4_800)
            loud = np.abs(samples.astype(np.int32))
            threshold = loud.max() // 4
            found = []
            for media in asked:
                window = loud[media - first - 1_000 : media - first + 2_000]
                found.append(int(np.argmax(window > threshold)) - 1_000)
            # The wood block's own attack, the same each time; the synth's grid of 64 frames lies around it.
            assert 0 <= np.median(found) < 240
            assert np.ptp(found) <= 72
            # An organ goes on until its owner is released.
            port.play([(ANNA, m.program(0, 19), None), (ANNA, m.note_on(0, 60, 100), None)])
            await until(lambda: max(instrument.status.peak) > 0.01)
            port.release(ANNA)
            await until(lambda: max(instrument.status.peak) < 0.003)
    finally:
        loop.remove_reader(feed.fileno())
        feed.close()
        await instrument.close()
    assert port.status.state == "missing" or instrument.pid is None
