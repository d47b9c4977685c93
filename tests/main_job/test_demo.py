"""The demo piece in Chromium: keys light with its notes, the list names it, and it gives way to whoever plays."""

from __future__ import annotations

import asyncio
from urllib.request import urlopen

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import Chromium
from tests.rig.perform import performer_token
from tests.rig.server import RtcServer

WHO = "document.querySelector('#performers').innerText"
SCORE = """async () => {
  const {notes} = await (await fetch("/api/rooms/main/demo")).json();
  return notes.map(([start, , , note]) => [note, start]);
}"""


def beginning(url: str) -> bytes:
    """Of what is there, enough for the comments of an Ogg stream."""
    with urlopen(url, timeout=20) as stream:
        return bytes(stream.read(600))


async def test_its_notes_light_the_keys_when_they_are_heard_and_end_when_somebody_plays() -> None:
    with RtcServer(instrument="fluidsynth", samplerate=48_000, arguments=("--demo",)) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open(f"{server.room_url}?listen#perform={performer_token(server)}")
            await until(page, f"{WHO}.includes('The demo piece plays')")
            await until(page, "rtcserver.midi.events.length > 20 && rtcserver.midi.lit().length > 2")
            events = await page.evaluate("rtcserver.midi.events")
            score = {tuple(note) for note in await page.evaluate(SCORE)}
            round_samples = max(start for _, start in score)
            # All of them began at one moment: each is a note of the score, so many samples after it.
            first = {events[0]["media_time"] - start for note, start in score if note == events[0]["note"]}
            assert any(
                all(
                    (event["note"], event["media_time"] - begin) in score
                    for event in events
                    if event["media_time"] - begin <= round_samples
                )
                for begin in first
            ), (events, first)
            late = sorted(event["lit_at_ms"] - event["heard_at_ms"] for event in events)
            assert abs(late[len(late) // 2]) < 20, late
            drawn = "document.querySelectorAll('.piano-key[data-voice=\"0\"]').length"
            assert await page.evaluate(f"{drawn} === rtcserver.midi.lit().length")
            assert b"TITLE=The demo piece" in await asyncio.to_thread(
                beginning, f"{server.room_url}/live.opus"
            )
            await until(page, "rtcserver.midi.playable")
            await page.evaluate("rtcserver.midi.press(60)")
            await until(page, f"!{WHO}.includes('The demo piece plays')")
            await until(page, "rtcserver.midi.lit().join() === '60'")
            await page.evaluate("rtcserver.midi.release(60)")
            await until(page, "rtcserver.midi.lit().length === 0")
