"""A headless client in a process of its own, told by lines on standard input; see `benchmarks.midi`.

``join`` is done when it says ``{"ready": …}``; ``play N SEED`` plays N events; ``take`` returns what was pushed
and heard since the last ``take``, all times monotonic ns; the end of the input ends it.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from typing import Any

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient, MidiEvent
from rtcserver.clock import MEDIA_RATE, NS, monotonic_ns

FIRST_NOTE, NOTES = 36, 60


class Through:
    """Media through a relay at this address; see `rtcserver.client.listener.MediaPath`."""

    def __init__(self, host: str, port: int) -> None:
        self._relay = f"{host} {port}"

    def offer(self, sdp: str) -> str:
        """Candidates that lead nowhere."""
        return re.sub(r"(?m)^(a=candidate:\S+ \d+ udp \d+) \S+ \d+", r"\1 127.0.0.1 9", sdp)

    def answer(self, sdp: str) -> str:
        """All candidates are the relay."""
        return re.sub(r"(?m)^(a=candidate:\S+ \d+ udp \d+) \S+ \d+", rf"\1 {self._relay}", sdp)


class Player:
    """One client and what it has seen."""

    def __init__(self, midi: MidiClient) -> None:
        self.midi = midi
        self.pushed: list[tuple[int, str]] = []
        self.heard: list[MidiEvent] = []

    async def play(self, events: int, seed: int) -> None:
        """A note-on or note-off every 45 to 155 ms, each key again only after all the others."""
        draw = random.Random(seed)
        for number in range(events):
            note = FIRST_NOTE + number // 2 % NOTES
            message = bytes((0x80 if number % 2 else 0x90, note, 64))
            self.pushed.append((monotonic_ns(), message.hex()))
            self.midi.push(message)
            await asyncio.sleep(draw.uniform(0.045, 0.155))

    def take(self) -> dict[str, Any]:
        """Everything new. heard: [arrival, message, media time, repaired]."""
        now = monotonic_ns()
        pushed, self.pushed = self.pushed, []
        heard, self.heard = self.heard, []
        return {
            "pushed": pushed,
            "heard": [
                (event.arrival_ns, event.message.hex(), event.media_time, event.repaired) for event in heard
            ],
            "media_now": self.midi.clock.media_at(now),
            "now_ns": now,
            "rtt_ms": self.midi.clock.rtt_ms,
            "missed": self.midi.down.counters.missed,
        }


def when_ns(said: dict[str, Any], media_time: int) -> float:
    """The monotonic time of a media time, by the clock of the client whose `take` this is."""
    return float(said["now_ns"] - (said["media_now"] - media_time) * NS / MEDIA_RATE)


async def run(url: str, token: str, relay: tuple[str, int] | None) -> None:
    """Until the input ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    player: Player
    midi = MidiClient(token=token, on_event=lambda event: player.heard.append(event))
    player = Player(midi)
    path = Through(*relay) if relay else None
    # Nobody hears the sound here: it is not decoded.
    async with Listener(url, path=path, channels=midi, on_payload=lambda packet, payload: None):
        await midi.wait_welcome(20)
        # The first replies settle the clock.
        await asyncio.sleep(1.5)
        answer: dict[str, Any] = {"ready": midi.performer}
        while True:
            print(json.dumps(answer), flush=True)
            words = (await lines.readline()).decode().split()
            if not words:
                return
            answer = {}
            if words[0] == "play":
                await player.play(int(words[1]), int(words[2]))
            elif words[0] == "take":
                answer = player.take()


def main(argument: str) -> None:
    """argument: JSON, [URL, token] or [URL, token, host, port] of a relay."""
    url, token, *relay = json.loads(argument)
    asyncio.run(run(url, token, (relay[0], relay[1]) if relay else None))
