"""Playing the instrument in real Chromium: a scale by mouse is seen and heard; a tab that dies lets go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pytest
from playwright.async_api import Page

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient, MidiEvent
from rtcserver.clock import NS, monotonic_ns
from tests.main_job.test_page import until
from tests.rig.chromium import QUANTUM, RATE, Chromium, Heard, hear
from tests.rig.perform import performer_token
from tests.rig.server import RtcServer

SCALE = (72, 74, 76, 77, 79)
NOTE_S = 0.5
CHORD = (60, 64, 67)
STRUCK = [60 + 7 * number % 24 for number in range(24)]
STRIKE = """async (notes) => {
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  for (const [number, note] of notes.entries()) {
    window.rtcserver.midi.press(note, 120);
    await wait(100);
    window.rtcserver.midi.release(note);
    // At another place in the steps of pictures and of blocks each time.
    await wait(280 + (number * 7) % 23);
  }
}"""
WINDOW = RATE // 8
SILENCE_S = 2.0
"""What a performer holds ends within this time of their being gone."""


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(instrument="fluidsynth", demo="false") as server:
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        yield server


async def performer(browser: Chromium, server: RtcServer) -> Page:
    """A page that listens and may play."""
    page = await browser.open(f"{server.room_url}?listen#perform={performer_token(server)}")
    await until(page, "document.querySelector('#status').dataset.state !== 'idle'")
    await until(page, "window.rtcserver.midi.role === 'performer' && window.rtcserver.midi.playable")
    await until(page, "window.rtcserver.midi.heardAt(performance.now()) !== null")
    return page


def hz_of(note: int) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


def notes_in(heard: Heard) -> list[tuple[int, float, float]]:
    """(note of SCALE, begin, end) of each stretch in which it is the loudest of them; wall ms."""
    mono: npt.NDArray[np.float64] = heard.samples.astype(np.float64).mean(axis=1)
    frequencies = np.fft.rfftfreq(WINDOW * 4, 1 / RATE)
    bins = [int(np.argmin(np.abs(frequencies - hz_of(note)))) for note in SCALE]
    loudest = []
    for begin in range(0, len(mono) - WINDOW, WINDOW // 4):
        part = mono[begin : begin + WINDOW]
        if np.sqrt(np.mean(part**2)) < 0.002:
            continue
        spectrum = np.abs(np.fft.rfft(part * np.hanning(WINDOW), WINDOW * 4))
        best = int(np.argmax([spectrum[place - 1 : place + 2].max() for place in bins]))
        loudest.append((SCALE[best], heard.wall_ms_of(begin), heard.wall_ms_of(begin + WINDOW)))
    stretches = [(note, list(each)) for note, each in groupby(loudest, key=lambda one: one[0])]
    return [(note, each[0][1], each[-1][2]) for note, each in stretches]


async def test_a_scale_by_mouse_lights_the_keys_and_is_heard(server: RtcServer) -> None:
    async with Chromium() as browser:
        page = await performer(browser, server)
        recording = asyncio.ensure_future(hear(page, 2.5 + NOTE_S * len(SCALE)))
        await asyncio.sleep(1.0)
        for note in SCALE:
            await page.locator(f'[data-testid="key-{note}"]').hover()
            await page.mouse.down()
            await asyncio.sleep(NOTE_S * 0.8)
            await page.mouse.up()
            await asyncio.sleep(NOTE_S * 0.2)
        heard = await recording
        await until(page, "window.rtcserver.midi.lit().length === 0")
        events = await page.evaluate("window.rtcserver.midi.events")
        origin = await page.evaluate("performance.timeOrigin")
    assert [event["note"] for event in events] == list(SCALE)
    played = notes_in(heard)
    assert [note for note, _, _ in played] == list(SCALE)
    # Each key lights while its own note is what is heard, give or take the window that tells notes apart.
    slack_ms = WINDOW * 1000 / RATE
    for event, (_, begin, end) in zip(events, played, strict=True):
        assert begin - slack_ms <= origin + event["lit_at_ms"] <= end + slack_ms


@pytest.fixture
async def lights(server: RtcServer) -> tuple[list[dict[str, float]], list[float | None]]:
    """Of each of `STRUCK` what the page did, and when its onset was played, on the page's clock in ms; None: not found."""
    async with Chromium() as browser:
        page = await performer(browser, server)
        await asyncio.sleep(3.0)
        recording = asyncio.ensure_future(hear(page, 2.0 + len(STRUCK) * 0.45))
        await asyncio.sleep(0.5)
        await page.evaluate(STRIKE, STRUCK)
        heard = await recording
        events = await page.evaluate("window.rtcserver.midi.events")
        origin = await page.evaluate("Date.now() - performance.now()")
    return events, [onset_near(heard, origin, event) for event in events]


def onset_near(heard: Heard, origin: float, event: dict[str, float]) -> float | None:
    """When the sound near a light rises most, by the page's clock and by what the page adds for its output device.

    The worklet takes several quanta at once, so the median of the half second around says when each was due.
    """
    due = heard.wall_ms - np.arange(len(heard.wall_ms)) * QUANTUM * 1000 / RATE
    quantum = int(np.searchsorted(heard.wall_ms, origin + event["lit_at_ms"] - event["latency_ms"]))
    offset = float(np.median(due[max(0, quantum - 94) : quantum + 94]))
    at = round((origin + event["lit_at_ms"] - event["latency_ms"] - offset) * RATE / 1000)
    level = np.abs(heard.samples[max(0, at - RATE // 5) : at + RATE // 5]).max(axis=1)
    level = level[: len(level) // 48 * 48].reshape(-1, 48).max(axis=1)
    for begin in range(30, len(level)):
        if level[begin] > max(0.003, 3 * level[begin - 30 : begin].max()):
            return max(0, at - RATE // 5) * 1000 / RATE + begin + offset - origin + event["latency_ms"]
    return None


async def test_in_listen_a_key_lights_when_its_onset_is_played(
    lights: tuple[list[dict[str, float]], list[float | None]],
) -> None:
    events, onsets = lights
    assert [event["note"] for event in events] == STRUCK
    late = [
        event["lit_at_ms"] - onset for event, onset in zip(events, onsets, strict=True) if onset is not None
    ]
    assert len(late) >= 20, onsets
    # A picture a 60th of a second, and blocks of sound of 10 ms, are the steps in which either can happen.
    assert abs(np.median(late)) < 15, sorted(round(one, 1) for one in late)
    assert np.percentile(np.abs(late), 80) < 30, sorted(round(one, 1) for one in late)


async def test_a_tab_that_dies_lets_go_of_its_chord(server: RtcServer) -> None:
    witness = MidiClient()
    async with Chromium() as browser, Listener(server.room_url, channels=witness) as ear:
        await witness.wait_welcome()
        page = await performer(browser, server)
        number = await page.evaluate("window.rtcserver.midi.performer")
        for note in CHORD:
            await page.evaluate("(note) => window.rtcserver.midi.press(note, 110)", note)

        def of_chord(kind: int) -> list[MidiEvent]:
            return [
                event
                for event in witness.events
                if event.performer == number and event.message[0] & 0xF0 == kind and event.message[1] in CHORD
            ]

        while len(of_chord(0x90)) < len(CHORD):
            await witness.wait_heard(witness.heard + 1)
        # Longer than the silence that releases: what holds a chord is the performer's being there.
        await ear.hear(ear.heard_s + SILENCE_S + 0.5)
        assert not of_chord(0x80)
        crash = await page.context.new_cdp_session(page)
        died_ns = monotonic_ns()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(crash.send("Page.crash"), 0.2)
        while len(of_chord(0x80)) < len(CHORD):
            await witness.wait_heard(witness.heard + 1)
        released_s = (max(event.arrival_ns for event in of_chord(0x80)) - died_ns) / NS
        await ear.hear(ear.heard_s + 1.5)
        after = np.abs(ear.audio(0.5).astype(np.int32)).max()
    assert released_s < SILENCE_S
    assert witness.down.cells() == {
        key: value for key, value in witness.down.cells().items() if key[0] != number
    }
    assert after < 100
