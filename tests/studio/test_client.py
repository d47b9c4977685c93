"""The headless client in Studio: its recording is the instrument's own samples, to the last bit."""

from __future__ import annotations

import argparse
import asyncio
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.client.studio import StudioListener, listen_studio
from rtcserver.client.whep import ListenError
from rtcserver.commands.client import add_arguments, run
from rtcserver.encode.pcm import decode_samples, encode_samples
from rtcserver.network.impair import Impairment
from tests.client.whep_server import ToneTrack, WhepServer
from tests.main_job.test_listening import live
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("compares samples by their frame numbers")

Ints = npt.NDArray[np.int32]


def noise(path: Path, rate: int, bits: int, seconds: float = 2.0) -> Ints:
    """A WAV file of seeded noise, both sides different; its ``(frames, 2)`` samples. Played in a loop."""
    rng = np.random.default_rng(bits)
    top = 1 << (bits - 1)
    samples = rng.integers(-top, top, (round(seconds * rate), 2), np.int32)
    with wave.open(str(path), "wb") as file:
        file.setparams((2, bits // 8, rate, 0, "NONE", ""))
        file.writeframes(encode_samples(samples, bits))
    return samples


def looped(played: Ints, recorded: Ints, at: int) -> Ints:
    """What the instrument played while a recording was made, of which frame `at` is not silence.

    Raises AssertionError unless exactly one place of the loop is like it there.
    """
    places = [
        int(place)
        for place in np.flatnonzero((played == recorded[at]).all(axis=1))
        if (played[(place + np.arange(64)) % len(played)] == recorded[at : at + 64]).all()
    ]
    assert len(places) == 1
    return played[(places[0] - at + np.arange(len(recorded))) % len(played)]


def read(path: Path) -> tuple[int, int, Ints]:
    with wave.open(str(path)) as file:
        bits = file.getsampwidth() * 8
        return file.getframerate(), bits, decode_samples(file.readframes(file.getnframes()), bits)


async def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return await asyncio.to_thread(run, parser.parse_args(words), {})


@pytest.mark.parametrize(("rate", "bits"), [(44_100, 16), (48_000, 24)])
async def test_the_recording_is_what_was_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: int, bits: int
) -> None:
    played = noise(tmp_path / "noise.wav", rate, bits)
    out = tmp_path / "out.wav"
    with RtcServer(
        instrument="file", file=tmp_path / "noise.wav", samplerate=rate, studio_bits=bits
    ) as server:
        server.wait_healthy(live)
        words = ("--mode", "studio", "--seconds", "3", "--json", "--record", str(out))
        assert await command(server.room_url, *words) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    recorded_rate, recorded_bits, recorded = read(out)
    assert (recorded_rate, recorded_bits) == (said["rate"], said["bits"]) == (rate, bits)
    assert len(recorded) == 3 * rate
    np.testing.assert_array_equal(recorded, looped(played, recorded, 0))
    assert (said["mode"], said["lost"], said["invalid"], said["foreign"], said["missing_ms"]) == (
        "studio",
        0,
        0,
        0,
        0,
    )
    assert said["blocks"] >= 3 * rate / said["frames"]
    assert said["epoch"] >= 0
    assert said["complete"]
    # A file is played as floating-point samples; of those, 24 bits are all, and 16 need not be.
    assert said["exact"] is (bits == 24)


async def test_a_mix_with_gains_is_not_called_exact(tmp_path: Path) -> None:
    noise(tmp_path / "noise.wav", 44_100, 24)
    with RtcServer(
        instrument="file", file=tmp_path / "noise.wav", samplerate=44_100, mix="1:L:-6, 2:R:-6"
    ) as server:
        server.wait_healthy(live)
        report = await listen_studio(server.room_url, 0.5)
    assert report.blocks > 0
    assert not report.exact
    assert "not the instrument's own" in report.to_text()


async def test_losses_bring_redundancy_and_only_what_was_lost_twice_is_silent(tmp_path: Path) -> None:
    played = noise(tmp_path / "noise.wav", 44_100, 24)
    parts: list[bytes] = []
    with (
        RtcServer(instrument="file", file=tmp_path / "noise.wav", samplerate=44_100) as server,
        UdpRelay(("127.0.0.1", server.port), down=Impairment(loss=0.03), seed=11) as relay,
    ):
        server.wait_healthy(live)
        report = await listen_studio(
            server.room_url, 6, path=relay, on_pcm=lambda data, rate, bits: parts.append(data)
        )
    recorded = decode_samples(b"".join(parts), 24)
    assert report.redundancy
    assert report.repaired > report.lost > 0
    # A block of silence is a block that was lost; every other sample is the one that was played.
    lost = (recorded == 0).all(axis=1)
    assert 0 < lost.sum() <= round(report.missing_ms * 44.1)
    begin = int(np.flatnonzero(~lost)[0])
    want = looped(played, recorded, begin)
    np.testing.assert_array_equal(recorded[~lost], want[~lost])


async def test_who_finds_no_place_is_told_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RtcServer(instrument="tone", studio_listeners=1) as server:
        server.wait_healthy(live)
        async with StudioListener(server.room_url) as first:
            assert await first.hear(0.2)
            assert await command(server.room_url, "--mode", "studio", "--seconds", "1", "--wait", "0") == 2
        said = capsys.readouterr().err
        assert "503: The only Studio place of this room is taken; Listen mode has room." in said
        # Light has places of its own.
        out = tmp_path / "light.wav"
        words = ("--mode", "studio", "--quality", "light", "--seconds", "1", "--json", "--record", str(out))
        assert await command(server.room_url, *words) == 0
        light: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (light["mode"], light["quality"], light["frame_ms"]) == ("studio", "light", 5)
        assert (light["left_hz"], light["right_hz"]) == (pytest.approx(440, abs=2), pytest.approx(660, abs=2))
        assert light["timestamp_errors"] == 0
        rate, bits, recorded = read(out)
        assert (rate, bits) == (48_000, 16)
        # Both sides are the instrument's: a tone of -18 dBFS each.
        levels = 20 * np.log10(np.sqrt(2 * np.mean(np.square(recorded[24_000:] / 2**15), axis=0)))
        np.testing.assert_allclose(levels, -18, atol=1)
        # The place is free again.
        assert await command(server.room_url, "--mode", "studio", "--seconds", "0.5") == 0
    assert "Studio, 48000 Hz, 24 bits" in capsys.readouterr().out


async def test_a_quality_without_studio_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert await command("http://127.0.0.1:9/r/main", "--quality", "light") == 2
    assert "--quality is that of --mode studio" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        await command("http://127.0.0.1:9/r/main", "--mode", "studio", "--quality", "best")
    assert "invalid choice: 'best' (choose from" in capsys.readouterr().err


async def test_a_server_without_studio_is_named_as_such() -> None:
    async with WhepServer(ToneTrack()) as server:
        with pytest.raises(ListenError, match="has no Studio mode"):
            await listen_studio(server.room, 0.5)
        assert server.deleted == 1
    with RtcServer(instrument="tone", transport="aiortc") as stock:
        stock.wait_healthy(live)
        with pytest.raises(ListenError, match="422: Studio needs transport = one-port"):
            await listen_studio(stock.room_url, 0.5)
