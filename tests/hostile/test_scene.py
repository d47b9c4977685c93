"""That the scene is what it says: what is sent arrives, a gap is noticed, the cases are many, the recording is whole."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace

import pytest
from aiortc import rtcsctptransport as sctp

from tests.hostile import messages, requests, test_floods
from tests.hostile.bystander import gaps_ms, levels, missing
from tests.hostile.intruder import intruder
from tests.hostile.scene import GAP_MS, Scene
from tests.transport import hostile

TONE = 10 ** (-18 / 20) / 2**0.5
"""RMS of the tones that the room plays, of full scale."""
STOPPED_S = 0.12


def test_there_are_enough_cases() -> None:
    floods = len(test_floods.FLOODS) + len(test_floods.HOLDS) + 1
    assert len(hostile.cases()) + len(requests.cases()) + len(messages.cases()) + floods >= 900


async def test_what_an_intruder_says_is_heard(scene: Scene) -> None:
    """Else all cases with data channels would be good for nothing."""
    async with intruder(scene.port, "associated", room="keys") as client:
        client.send(client.opened(messages.TELEMETRY))
        for record in client.said(messages.HELLO):
            client.send(record)
        said = b""
        while b'"welcome"' not in said:
            said = (await client.chunk(sctp.DataChunk)).user_data
        for record in client.said("[" * 3000):
            client.send(record)
        while b'"malformed"' not in said:
            said = (await client.chunk(sctp.DataChunk)).user_data


async def test_the_recording_is_of_the_tones(scene: Scene) -> None:
    """Decoded from the first packet on: no 10 ms of it are quieter or louder than the tones are."""
    await asyncio.sleep(0.5)
    heard = list(scene.bystander.heard())
    assert missing(heard) == 0
    assert max(gaps_ms(heard)) <= GAP_MS
    found = levels(heard)[20:]
    assert found.min() > 0.9 * TONE
    assert found.max() < 1.1 * TONE


def test_what_is_missing_is_noticed(scene: Scene) -> None:
    heard = list(scene.bystander.heard())
    assert missing(heard[:20] + heard[21:]) == 1
    late = [replace(packet, at_ns=packet.at_ns + 50_000_000) for packet in heard[20:]]
    assert max(gaps_ms(heard[:20] + late)) > GAP_MS


def stopped(pids: list[int], seconds: float) -> None:
    """Let processes stand still."""
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            os.kill(pid, number)
        time.sleep(seconds)


def test_a_process_that_stands_still_is_noticed() -> None:
    with Scene() as scene:
        broadcast = scene.server.pids_with("rtcserver.broadcast")
        assert broadcast
        with pytest.raises(AssertionError, match="without a packet"), scene.undisturbed():
            stopped(broadcast, STOPPED_S)
