"""The file instrument: files as people have them are played as far as they can be, and what is left out is said."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rtcserver.capture import ahead
from rtcserver.capture import decode as decoding
from rtcserver.capture.ahead import AHEAD_S, DecodeAhead
from rtcserver.capture.decode import Samples, Tally, decode
from rtcserver.capture.file import FileSource
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import InstrumentError
from tests.capture.sounds import encode, level, pitches, tones, write_wav

RATE = 48_000
FOLDER = Path(__file__).parents[1] / "vectors" / "files" / "audio"


def file_config(path: Path | str, **settings: int) -> InstrumentConfig:
    return InstrumentConfig(instrument="file", file=str(path), **settings)  # type: ignore[arg-type]  # keys of ints


def whole(path: Path, rate: int = RATE) -> tuple[Samples, str | None]:
    """All that one pass plays, and its note."""
    tally = Tally()
    samples = np.concatenate(list(decode(path, rate, tally)))
    assert len(samples) == tally.frames
    assert np.abs(samples).max() <= 1
    return samples, tally.note(path.name)


def take(source: FileSource, frames: int, first: int = 0) -> Samples:
    assert source.wait(frames, 10)
    return np.asarray(source.render(frames, first), np.float32)


SAID: dict[str, tuple[float, float, list[int], str]] = {
    "rate-changes-44-48.mp3": (1.9, 2.1, [440, 660], ""),
    "junk-in-the-middle.mp3": (0.95, 1.05, [440, 660], "1 packet of 40 could not be decoded."),
    "text-behind.mp3": (1.0, 1.05, [440, 660], "1 packet of 41 could not be decoded."),
    "cut-download.flac": (0.6, 0.65, [440, 660], "1 packet of 6 could not be decoded."),
    "take-1.wav": (0.5, 0.5, [440, 660], ""),
    "mono-44.flac": (1.0, 1.0, [440, 440], ""),
    "5.1.flac": (0.5, 0.5, [440, 660], ""),
}
"""Least and most seconds, the tones of both sides in the first and in the last half second, and what is said."""


@pytest.mark.parametrize("name", SAID)
def test_files_as_people_have_them_are_played(name: str) -> None:
    least, most, hz, said = SAID[name]
    samples, note = whole(FOLDER / name)
    assert least <= len(samples) / RATE <= most
    sound = samples[: round(RATE * 0.5)]
    assert pitches(sound) == pytest.approx(hz, abs=3)
    if name != "cut-download.flac":
        assert pitches(samples[-round(RATE * 0.4) :]) == pytest.approx(hz, abs=3)
    if said:
        assert note == f"{name}: {said}"
    elif note is not None:
        assert name == "rate-changes-44-48.mp3", "the joint of two MP3 files holds a piece of a frame"
        assert "1 packet of" in note


@pytest.mark.parametrize(("codec", "ending"), [("vorbis", "ogg"), ("libmp3lame", "mp3"), ("flac", "flac")])
def test_files_one_behind_the_other_are_played_at_their_pitch(
    tmp_path: Path, codec: str, ending: str
) -> None:
    """Chained Ogg streams and joined MP3 files: another rate, and another layout where the encoder has one."""
    first = encode(tmp_path / f"a.{ending}", tones(500, 1000, rate=44_100), 44_100, codec)
    tone, layout = (tones(700, 700), "stereo") if codec == "vorbis" else (tones(700), "mono")
    second = encode(tmp_path / f"b.{ending}", tone, RATE, codec, layout)
    if codec == "flac":
        # FLAC files cannot be joined; in Ogg they can.
        first = encode(tmp_path / "a.oga", tones(500, 1000, rate=44_100), 44_100, codec)
        second = encode(tmp_path / "b.oga", tones(700, rate=RATE), RATE, codec, "mono")
    joined = tmp_path / f"joined{first.suffix}"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    samples, _ = whole(joined)
    assert len(samples) / RATE == pytest.approx(2.0, abs=0.12)
    assert pitches(samples[10_000:40_000]) == pytest.approx([500, 1000], abs=8)
    assert pitches(samples[-40_000:-10_000]) == pytest.approx([700, 700], abs=3)
    assert level(samples[-40_000:-10_000]) == pytest.approx(level(samples[10_000:40_000]), rel=0.1)


def test_a_name_with_a_colon_is_a_name(tmp_path: Path) -> None:
    for name in ("take:1.wav", "http:x.wav", "file:2.wav", "100%.wav", "a b#c?.wav", "concat:a|b.wav"):
        path = write_wav(tmp_path / name, tones(440, 660), RATE)
        assert len(whole(path)[0]) == RATE
    os.chdir(tmp_path)
    assert len(whole(Path("take:1.wav"))[0]) == RATE


def test_a_name_that_is_not_utf_8_is_a_name(tmp_path: Path) -> None:
    path = write_wav(tmp_path / os.fsdecode(b"gr\xfcn.wav"), tones(440, 660), RATE)
    assert len(whole(path)[0]) == RATE


def test_tags_in_another_encoding_do_not_matter(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "tagged.wav", tones(440, 660), RATE)
    title = "Für Elise".encode("latin-1") + b"\0"
    tags = b"INFOINAM" + len(title).to_bytes(4, "little") + title
    path.write_bytes(path.read_bytes() + b"LIST" + len(tags).to_bytes(4, "little") + tags)
    assert len(whole(path)[0]) == RATE


@pytest.mark.parametrize("rate", [44_100, RATE])
def test_mono_is_as_loud_as_stereo_on_both_sides(tmp_path: Path, rate: int) -> None:
    mono, _ = whole(write_wav(tmp_path / "mono.wav", tones(440, rate=rate), rate))
    stereo, _ = whole(write_wav(tmp_path / "stereo.wav", tones(440, 440, rate=rate), rate))
    assert level(mono) == pytest.approx(level(stereo), rel=0.001)


@pytest.mark.parametrize("layout", ["3.0", "quad", "5.1", "7.1"])
def test_many_loud_channels_do_not_clip_and_keep_their_sides(tmp_path: Path, layout: str) -> None:
    channels = {"3.0": 3, "quad": 4, "5.1": 6, "7.1": 8}[layout]
    loud = tones(440, 660, *range(1000, 1000 + 100 * (channels - 2), 100), peak=0.999)
    samples, _ = whole(encode(tmp_path / "loud.flac", loud, RATE, "flac", layout))
    assert np.abs(samples).max() < 1.0
    assert pitches(samples) == pytest.approx([440, 660], abs=2)
    # All in step is the worst case.
    same = np.repeat(tones(440, peak=0.999), channels, axis=1)
    samples, _ = whole(encode(tmp_path / "same.flac", same, RATE, "flac", layout))
    assert 0.5 < np.abs(samples).max() < 1.0


def test_numbers_that_are_none_and_beyond_full_scale_are_tamed(tmp_path: Path) -> None:
    wild = np.tile(np.array([[0.5, np.nan], [np.inf, -np.inf], [7.0, 0.25]], np.float32), (100, 1))
    data = wild.astype("<f4").tobytes()
    head = b"WAVEfmt " + (16).to_bytes(4, "little") + b"\3\0\2\0" + RATE.to_bytes(4, "little")
    head += (RATE * 8).to_bytes(4, "little") + b"\x08\0\x20\0data" + len(data).to_bytes(4, "little")
    path = tmp_path / "wild.wav"
    path.write_bytes(b"RIFF" + (len(head) + len(data)).to_bytes(4, "little") + head + data)
    samples, _ = whole(path)
    assert samples[:3].tolist() == [[0.5, 0.0], [1.0, -1.0], [1.0, 0.25]]


def test_damage_in_the_middle_keeps_the_time(tmp_path: Path) -> None:
    path = encode(tmp_path / "take.opus", tones(500, 700, seconds=4), RATE, "libopus")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    samples, note = whole(path)
    assert len(samples) / RATE == pytest.approx(4, abs=0.01)
    assert pitches(samples[: RATE // 2]) == pytest.approx([500, 700], abs=2)
    assert pitches(samples[-RATE // 2 :]) == pytest.approx([500, 700], abs=2)
    assert note is not None
    assert "s are missing in it" in note


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.99])
@pytest.mark.parametrize(
    ("codec", "ending"),
    [
        ("vorbis", "ogg"),
        ("libmp3lame", "mp3"),
        ("flac", "flac"),
        ("libopus", "opus"),
        ("pcm_s16le", "wav"),
    ],
)
def test_a_download_cut_short_plays_up_to_there(tmp_path: Path, codec: str, ending: str, keep: float) -> None:
    path = encode(tmp_path / f"take.{ending}", tones(500, 700, seconds=12), RATE, codec)
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * keep)])
    samples, _ = whole(path)
    # An Ogg page holds a second; headers take their part.
    assert len(samples) / RATE >= 12 * keep - 2.5
    assert pitches(samples[:RATE]) == pytest.approx([500, 700], abs=4)


@pytest.mark.parametrize(
    "junk",
    [b"<html><body>502 Bad Gateway</body></html>\r\n" * 40, bytes(4096), os.urandom(4096)],
    ids=["page", "zeros", "noise"],
)
@pytest.mark.parametrize(
    ("codec", "ending"), [("vorbis", "ogg"), ("libmp3lame", "mp3"), ("flac", "flac"), ("pcm_s16le", "wav")]
)
def test_junk_behind_the_last_frame_is_not_played(
    tmp_path: Path, codec: str, ending: str, junk: bytes
) -> None:
    path = encode(tmp_path / f"take.{ending}", tones(500, 700), RATE, codec)
    clean, _ = whole(path)
    path.write_bytes(path.read_bytes() + junk)
    samples, _ = whole(path)
    assert len(samples) == pytest.approx(len(clean), abs=RATE // 8)
    assert (samples[: RATE // 2] == clean[: RATE // 2]).all()


def test_a_file_is_looped_without_a_gap(tmp_path: Path) -> None:
    ramp = np.arange(1000, dtype=np.int16)
    path = write_wav(tmp_path / "ramp.wav", np.stack([ramp, -ramp], axis=1), RATE)
    source = FileSource(file_config(path))
    assert source.name == "ramp.wav"
    assert source.stream.channels == 2
    assert source.wait(RATE, 10)
    played = np.concatenate([source.render(300, first) for first in range(0, 3000, 300)])
    source.close()
    assert np.round(played[:, 0] * 32768).astype(int).tolist() == list(range(1000)) * 3
    assert (played[:, 1] == -played[:, 0]).all()


def test_a_long_file_is_streamed_and_looped_without_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than what is held: each round is decoded anew, and no more than that is in memory."""
    monkeypatch.setattr(ahead, "AHEAD_S", 0.25)
    count = 30_000
    ramp = np.arange(count, dtype=np.int16)
    path = write_wav(tmp_path / "ramp.wav", np.stack([ramp, -ramp], axis=1), RATE)
    source = FileSource(file_config(path))
    played = []
    for first in range(0, 3 * count, 500):
        assert source.wait(500, 10)
        assert source._ahead._held <= 0.25 * RATE + 4096
        played.append(source.render(500, first))
    source.close()
    assert np.round(np.concatenate(played)[:, 0] * 32768).astype(int).tolist() == list(range(count)) * 3


@pytest.mark.parametrize(("codec", "ending"), [("libmp3lame", "mp3"), ("libopus", "opus"), ("aac", "m4a")])
def test_the_encoders_delay_is_in_no_round(tmp_path: Path, codec: str, ending: str) -> None:
    """What an encoder adds in front and behind is cut off as the file says: the loop has the length of its sound."""
    samples, _ = whole(encode(tmp_path / f"take.{ending}", tones(500, 700), RATE, codec))
    assert len(samples) == pytest.approx(RATE, abs=1 if ending != "m4a" else 1024)


@pytest.mark.parametrize("seconds", [0.1, 0.25, 0.37, 0.5, 1.0, 2.5])
def test_a_short_ogg_file_is_as_long_as_its_last_page_says(tmp_path: Path, seconds: float) -> None:
    """Where one page holds all the sound, FFmpeg alone plays up to a packet more."""
    samples, note = whole(encode(tmp_path / "click.ogg", tones(500, 700, seconds=seconds), RATE, "vorbis"))
    assert len(samples) == pytest.approx(seconds * RATE, abs=64)
    assert note is None


def test_a_short_file_goes_on_after_a_rest_as_if_it_had_played(tmp_path: Path) -> None:
    ramp = np.arange(1001, dtype=np.int16)
    source = FileSource(file_config(write_wav(tmp_path / "r.wav", np.stack([ramp, ramp], axis=1), RATE)))
    assert source.wait(RATE, 10)
    source.render(100, 0)
    hour = 3600 * RATE
    later = np.round(source.render(1500, hour)[:, 0] * 32768).astype(int).tolist()
    source.close()
    assert later == [(hour + n) % 1001 for n in range(1500)]


def test_what_is_skipped_by_the_clock_is_skipped_in_the_file(tmp_path: Path) -> None:
    ramp = np.arange(30_000, dtype=np.int16)
    source = FileSource(file_config(write_wav(tmp_path / "r.wav", np.stack([ramp, ramp], axis=1), RATE)))
    assert source.wait(RATE, 10)
    source.render(100, 0)
    assert round(float(source.render(100, 5000)[0, 0]) * 32768) == 5000
    source.close()


def test_a_mono_file_of_another_rate_is_heard_on_both_sides_at_its_pitch(tmp_path: Path) -> None:
    samples, note = whole(write_wav(tmp_path / "tone.wav", tones(500, rate=44_100), 44_100))
    assert len(samples) == pytest.approx(RATE, abs=64)
    assert (samples[:, 0] == samples[:, 1]).all()
    assert pitches(samples) == pytest.approx([500, 500], abs=1)
    assert note is None


def test_a_file_may_be_played_at_another_device_rate(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "tone.wav", tones(500, 500), RATE)
    source = FileSource(file_config(path, samplerate=96_000))
    assert source.stream.rate == 96_000
    assert pitches(take(source, 96_000), 96_000) == pytest.approx([500, 500], abs=1)
    source.close()


def test_what_was_left_out_is_known_to_the_source() -> None:
    source = FileSource(file_config(FOLDER / "junk-in-the-middle.mp3"))
    assert source.wait(AHEAD_S * RATE, 10)
    assert source.note == "junk-in-the-middle.mp3: 1 packet of 40 could not be decoded."
    for first in range(0, 3 * RATE, 4800):
        source.render(4800, first)
    assert source.note == "junk-in-the-middle.mp3: 1 packet of 40 could not be decoded.", (
        "once, not in every round"
    )
    source.close()


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (None, "missing", "does not exist"),
        (b"", "format", "cannot be read"),
        (b"this is no sound at all" * 100, "format", "cannot be read"),
        (b"ID3\4\0\0\0\0\0\0" + b"<html>" * 1000, "format", "broken.wav"),
    ],
)
def test_what_is_no_sound_file_is_refused_by_its_name(
    tmp_path: Path, content: bytes | None, code: str, said: str
) -> None:
    path = tmp_path / "broken.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InstrumentError, match=said) as caught:
        FileSource(file_config(path))
    assert caught.value.code == code
    assert "broken.wav" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_no_name_and_a_file_without_samples_are_refused(tmp_path: Path) -> None:
    empty = write_wav(tmp_path / "empty.wav", np.zeros((0, 2), np.int16), RATE)
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    said = {
        tmp_path: "is a folder",
        "": "needs a file",
        empty: "holds no samples",
        pipe: "not a regular file",
    }
    for path, words in said.items():
        with pytest.raises(InstrumentError, match="file:") as caught:
            FileSource(file_config(path))
        assert words in str(caught.value)
        assert caught.value.code == ("format" if path == empty else "missing")


def test_a_file_that_may_not_be_read_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wav(tmp_path / "secret.wav", tones(440, 660), RATE)

    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    # The superuser, whom tests run as in a container, may read everything.
    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(InstrumentError, match=r"secret\.wav cannot be read: Permission denied") as caught:
        FileSource(file_config(path))
    assert caught.value.code == "missing"


def test_a_file_that_goes_while_it_plays_is_a_fault_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "AHEAD_S", 0.25)
    path = write_wav(tmp_path / "gone.wav", tones(440, 660), RATE)
    source = FileSource(file_config(path))
    path.unlink()
    first = 0
    while source.fault is None:
        with contextlib.suppress(InstrumentError):
            source.wait(480, 10)
        source.render(480, first)
        first += 480
        assert first < 2 * RATE
    assert "does not exist" in str(source.fault)
    assert first >= RATE - 480, "what was open is played to its end"
    source.close()


def test_what_nobody_foresaw_is_an_error_of_the_instrument() -> None:
    def passes(_: Tally) -> Iterator[Samples]:
        raise ZeroDivisionError("division by zero")
        yield

    decoder = DecodeAhead("odd.xyz", RATE, passes)
    with pytest.raises(
        InstrumentError, match=r"odd\.xyz cannot be played: ZeroDivisionError: division by zero"
    ):
        decoder.wait()
    decoder.close()


def test_reading_never_waits_for_the_disk() -> None:
    disk = threading.Event()

    def passes(tally: Tally) -> Iterator[Samples]:
        tally.frames += 100
        yield np.ones((100, 2), np.float32)
        disk.wait(10)
        tally.frames += 100
        yield np.ones((100, 2), np.float32)

    decoder = DecodeAhead("slow", RATE, passes)
    assert decoder.wait(100, 10)
    assert decoder.read(150)[:, 0].tolist() == [1.0] * 100 + [0.0] * 50
    assert decoder.starved == 50
    disk.set()
    assert decoder.wait(100, 10)
    assert decoder.read(100).all(), "what comes late is not skipped"
    decoder.close()


def test_errors_of_reading_end_the_pass_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails: as often as the bound says, then what was read is all."""
    import av

    class Container:
        def demux(self, _: object) -> Iterator[object]:
            raise av.error.OSError(5, "Input/output error")
            yield

    tally = Tally()
    assert list(decoding._Reader(Path("x"), RATE, tally)._packets(Container(), None)) == []
    assert tally.rest == "the rest could not be read (Input/output error)"


def test_no_network_is_needed_or_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A playlist in a sound file's clothes leads nowhere."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)
    port = server.getsockname()[1]
    for name, text in (
        (
            "list.m3u8",
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/x.ts\n#EXT-X-ENDLIST\n",
        ),
        ("list.wav", f"ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/x.wav'\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(InstrumentError):
            FileSource(file_config(path))
    with pytest.raises(TimeoutError):
        server.accept()
    server.close()
