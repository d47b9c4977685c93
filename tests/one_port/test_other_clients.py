"""Clients that share no line of code with this server hear the room through the one port."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import opuslib
import pytest

from rtcserver.client.measure import Samples, side
from tests.one_port.serving import LEFT_HZ, RIGHT_HZ, TONE_DBFS, ServerIn, room_at
from tests.rig.netns import Lan, lan
from tests.rig.process import program

pytestmark = pytest.mark.unhurried("asserts sequence numbers, media time and tones")

CLIENTS = Path(__file__).parent / "clients"
FRAME_SAMPLES = 480
PACKETS = 150
SETTLING = 20
"""Frames until the decoder has swung in."""


@pytest.fixture(scope="module")
def network() -> Iterator[Lan]:
    with lan() as made, ServerIn(made.server):
        yield made


async def run(*command: str) -> list[dict[str, Any]]:
    """What a client says, line by line. Its error output is shown if it fails."""
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await child.communicate()
    assert child.returncode == 0, errors.decode()
    return [json.loads(line) for line in output.splitlines()]


def assert_tones(samples: Samples) -> None:
    """``(frames, 2) int16``: each tone on its side."""
    left, right = side(samples[:, 0]), side(samples[:, 1])
    assert left.hz == pytest.approx(LEFT_HZ, abs=1)
    assert right.hz == pytest.approx(RIGHT_HZ, abs=1)
    assert left.dbfs == pytest.approx(TONE_DBFS, abs=1)
    assert right.dbfs == pytest.approx(TONE_DBFS, abs=1)


async def test_werift_hears_the_room(network: Lan) -> None:
    """A stack in TypeScript: its own ICE, DTLS and SRTP; it offers payload type 96."""
    with network.client.entered():
        joined, *packets, gone = await run(
            program("node", "nodejs"),
            str(CLIENTS / "werift.mjs"),
            f"{room_at(network.ipv4)}/whep",
            str(PACKETS),
        )
    assert joined["status"] == 201
    assert gone["status"] == 200
    assert len(packets) == PACKETS
    assert {packet["payloadType"] for packet in packets} == {96}
    assert len({packet["ssrc"] for packet in packets}) == 1
    for before, after in pairwise(packets):
        assert after["sequenceNumber"] == before["sequenceNumber"] + 1
        assert (after["timestamp"] - before["timestamp"]) % 2**32 == FRAME_SAMPLES

    decoder = opuslib.Decoder(48_000, 2)
    frames = [decoder.decode(base64.b64decode(packet["payload"]), FRAME_SAMPLES) for packet in packets]
    assert_tones(np.frombuffer(b"".join(frames[SETTLING:]), np.int16).reshape(-1, 2))


async def test_gstreamer_hears_the_room(network: Lan, tmp_path: Path) -> None:
    """webrtcbin, in C: libnice's ICE, GStreamer's DTLS, libsrtp; it offers payload type 97."""
    sound = tmp_path / "sound.pcm"
    with network.client.entered():
        (said,) = await run(
            "/usr/bin/python3",  # Debian's, which has the bindings
            str(CLIENTS / "gstreamer.py"),
            f"{room_at(network.ipv4)}/whep",
            "1.5",
            str(sound),
        )
    assert said["status"] == 201
    assert said["left"] == 200
    assert "payload=(int)97" in said["caps"]
    samples = np.fromfile(sound, np.int16).reshape(-1, 2)
    assert len(samples) >= 1.5 * 48_000
    assert_tones(samples[SETTLING * FRAME_SAMPLES :])
