"""What libopus makes of packets, losses and foreign bytes, for the decoders of the page.

``python -m tests.encode.decoder_vectors`` writes ``tests/vectors/opus/*.json`` anew. They are read by
`tests/encode/test_decoder_vectors.py`, `tests/static/studio/engine/opus*.test.js` and `tests/studio/test_opus_decoder.py`.

A file has a name, the samples in a frame at 48 kHz, and events: a packet (hex), a number of lost samples (int), or foreign
bytes (hex after ``!``), which count as a loss of one frame. ``pcm``: base64 of what libopus gives for all events, as
interleaved int16.
"""

from __future__ import annotations

import base64
import ctypes
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import opuslib.api.decoder as api

from rtcserver.encode.opus import OpusEncoder

FOLDER = Path(__file__).parent.parent / "vectors" / "opus"
RATE = 48_000
CHANNELS = 2
MAX_FRAMES = 5760
"""120 ms, the longest packet."""
FOREIGN = ("", "ff00", "07", "f903f0f0")
"""Nothing; a Studio payload's first bytes; a number of frames that is not told; two equal frames that share three bytes."""

Event = str | int


def music(seconds: float, seed: int) -> npt.NDArray[np.float32]:
    """Notes with overtones, more of each on one side: ``(frames, 2) float32`` within ±1."""
    random = np.random.default_rng(seed)
    frames = round(seconds * RATE)
    time = np.arange(frames) / RATE
    sound = np.zeros((frames, CHANNELS))
    for note in range(6):
        frequency = 110 * 2 ** (random.integers(0, 36) / 12)
        envelope = np.where(time >= 0.02 * note, np.exp(-4 * (time - 0.02 * note)), 0)
        for overtone in range(1, 6):
            wave = np.sin(2 * np.pi * frequency * overtone * time) * envelope / overtone
            sound[:, note % 2] += 0.12 * wave
            sound[:, 1 - note % 2] += 0.05 * wave
    sound += random.normal(0, 1e-3, sound.shape)
    return sound.astype(np.float32)


def packets(frame_samples: int, bitrate_bps: int, count: int, seed: int) -> list[bytes]:
    sound = music(count * frame_samples / RATE, seed)
    encoder = OpusEncoder(frame_samples, bitrate_bps)
    starts = range(0, count * frame_samples, frame_samples)
    return [encoder.encode_bytes(sound[at : at + frame_samples].tobytes()) for at in starts]


def loss(toc: int, frames: int) -> bytes:
    """A packet of empty frames of the configuration in `toc`, which libopus conceals (RFC 6716, section 3.2.1)."""
    return bytes((toc | 3, frames))


def decoded(events: list[Event], frame_samples: int) -> npt.NDArray[np.int16]:
    """What libopus gives, by PyAV: interleaved."""
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate = RATE
    decoder.layout = "stereo"
    parts = []
    toc = 0
    for event in events:
        if isinstance(event, str) and not event.startswith("!"):
            packet = bytes.fromhex(event)
            toc = packet[0]
        else:
            packet = loss(toc, event // frame_samples if isinstance(event, int) else 1)
        parts += [frame.to_ndarray().reshape(-1) for frame in decoder.decode(av.Packet(packet))]
    return np.concatenate(parts).astype(np.int16, casting="no")


def decoded_by_system(events: list[Event], frame_samples: int) -> npt.NDArray[np.float32]:
    """What the system's libopus gives, by opuslib: interleaved. Versions differ in how they conceal, and in what follows."""
    state = api.create_state(RATE, CHANNELS)
    out = (ctypes.c_float * (MAX_FRAMES * CHANNELS))()
    address = ctypes.cast(out, ctypes.POINTER(ctypes.c_float))
    parts: list[bytes] = []

    def take(packet: bytes | None, room: int) -> None:
        got = api.libopus_decode_float(state, packet, len(packet or b""), address, room, 0)
        assert got > 0, got
        parts.append(bytes(out)[: 4 * CHANNELS * got])

    for event in events:
        if isinstance(event, str) and not event.startswith("!"):
            take(bytes.fromhex(event), MAX_FRAMES)
            continue
        lost = event if isinstance(event, int) else frame_samples
        for _ in range(lost // frame_samples):
            take(None, frame_samples)
    api.destroy(state)
    return np.frombuffer(b"".join(parts), np.float32)


def vector(
    name: str, frame_samples: int, bitrate_bps: int, count: int, losses: dict[int, Event]
) -> dict[str, Any]:
    """losses: what comes in place of the packet with this number."""
    events: list[Event] = [
        packet.hex() for packet in packets(frame_samples, bitrate_bps, count, seed=frame_samples)
    ]
    for number, event in losses.items():
        events[number] = event
    return {"name": name, "frames": frame_samples, "events": events}


def vectors() -> dict[str, dict[str, Any]]:
    foreign = {8 + 6 * place: f"!{text}" for place, text in enumerate(FOREIGN)}
    return {
        "clean": vector("every packet", 240, 192_000, 30, {}),
        "lost": vector("single losses and one of four frames", 240, 192_000, 34, {5: 240, 12: 960, 22: 240, 23: 240}),
        "foreign": vector("foreign bytes", 240, 192_000, 34, dict(foreign)),
        "short": vector("frames of 2.5 ms with losses", 120, 256_000, 40, {9: 120, 20: 240}),
        "long": vector("frames of 10 ms with a loss", 480, 160_000, 16, {7: 480}),
    }  # fmt: skip


def pcm(made: dict[str, Any]) -> str:
    samples = decoded(made["events"], made["frames"]).astype("<i2")
    return base64.b64encode(samples.tobytes()).decode()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, made in vectors().items():
        (FOLDER / f"{name}.json").write_text(json.dumps({**made, "pcm": pcm(made)}, indent=0) + "\n")


if __name__ == "__main__":
    main()
