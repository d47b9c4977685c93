"""Studio payloads in any order become the run of samples that they were cut from."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.capture.block import Block, StreamFormat
from rtcserver.capture.mix import stereo_mix
from rtcserver.client.assembly import REACH_S, STRAYS, WAIT_S, Assembler, is_studio
from rtcserver.encode.pcm import PcmPacker, Redundancy

RATE = 44_100
FRAMES = 128
PATIENCE = round(WAIT_S * RATE / FRAMES) + 1
"""Blocks after which a missing one is given up."""


def source(frames: int) -> npt.NDArray[np.int16]:
    return np.random.default_rng(5).integers(-30_000, 30_000, (frames, 2), np.int16)


def payloads(count: int, *, first: int = 0, epoch: int = 3, rate: int = RATE) -> tuple[bytes, list[bytes]]:
    """What an int16 device plays, and its payloads as the server makes them."""
    stream = StreamFormat(rate, 2, FRAMES, "int16")
    packer = PcmPacker(stream, stereo_mix("1,2", "", 2), epoch)
    played = source(count * FRAMES)
    out = []
    for number in range(count):
        data = played[number * FRAMES : (number + 1) * FRAMES].astype("<i2").tobytes()
        block = Block(memoryview(data), FRAMES, first + number * FRAMES, 0, 0)
        out += [payload for _, _, payload in packer.pack(block)]
    return played.astype("<i2").tobytes(), out


def feed(pcm: Assembler, sent: list[bytes]) -> bytes:
    return b"".join(pcm.take(payload, number * 2_900_000) for number, payload in enumerate(sent))


def test_in_order_everything_is_handed_out_at_once() -> None:
    played, sent = payloads(50, first=1_000_000)
    pcm = Assembler()
    assert feed(pcm, sent) == played
    assert (pcm.blocks, pcm.frames, pcm.lost, pcm.duplicates, pcm.repaired) == (50, 50 * FRAMES, 0, 0, 0)
    assert (pcm.rate, pcm.bits, pcm.epoch, pcm.epochs, pcm.block_frames) == (RATE, 16, 3, 1, FRAMES)


@given(st.permutations(range(1, 30)), st.lists(st.integers(0, 29), max_size=10))
def test_order_and_duplicates_do_not_matter(order: list[int], again: list[int]) -> None:
    played, sent = payloads(30)
    pcm = Assembler()
    out = feed(pcm, [sent[0], *(sent[number] for number in order), *(sent[number] for number in again)])
    assert out + pcm.flush() == played
    assert (pcm.blocks, pcm.lost, pcm.duplicates, pcm.late) == (30, 0, len(again), 0)


def test_redundancy_repairs_every_single_loss() -> None:
    played, plain = payloads(90)
    redundancy = Redundancy()
    sent = [redundancy.push(payload) for payload in plain]
    assert {len(each) for each in sent} == {1}
    kept = [each[0] for number, each in enumerate(sent) if number % 3 != 1]
    pcm = Assembler()
    out = feed(pcm, kept)
    assert out == played
    assert (pcm.lost, pcm.repaired, pcm.duplicates) == (0, 30, 0)


def test_what_is_lost_becomes_silence_of_its_length() -> None:
    played, sent = payloads(PATIENCE + 20)
    pcm = Assembler()
    out = feed(pcm, [payload for number, payload in enumerate(sent) if number not in (4, 5, 9)])
    width = FRAMES * 4
    expected = bytearray(played)
    for number in (4, 5, 9):
        expected[number * width : (number + 1) * width] = bytes(width)
    assert out == bytes(expected)
    assert (pcm.lost, pcm.missing, pcm.blocks) == (3, 3 * FRAMES, PATIENCE + 17)
    # Too late: it is counted, and changes nothing.
    assert pcm.take(sent[4], 0) == b""
    assert (pcm.late, pcm.duplicates) == (1, 0)


def test_a_hole_is_waited_for() -> None:
    _, sent = payloads(PATIENCE)
    pcm = Assembler()
    assert len(feed(pcm, [sent[0], *sent[2:]])) == FRAMES * 4
    assert len(pcm.take(sent[1], 0)) == (PATIENCE - 1) * FRAMES * 4
    assert (pcm.lost, pcm.blocks) == (0, PATIENCE)


def test_a_new_run_follows_the_old_one_and_the_old_ones_stragglers_are_late() -> None:
    played, old = payloads(10)
    again, new = payloads(10, epoch=4, first=0)
    pcm = Assembler()
    out = feed(pcm, [*old[:8], *new[:2], *old[8:], *new[2:]])
    assert out == played[: 8 * FRAMES * 4] + again
    assert (pcm.epoch, pcm.epochs, pcm.late) == (4, 2, 2)


def test_another_format_is_not_mixed_in() -> None:
    played, sent = payloads(10)
    _, other = payloads(10, rate=48_000, epoch=4)
    pcm = Assembler()
    assert feed(pcm, [*sent[:5], *other, *sent[5:]]) == played
    assert pcm.foreign == 10


def test_far_away_frame_numbers_take_no_memory() -> None:
    played, sent = payloads(10)
    away = round(REACH_S * RATE) + 20 * FRAMES
    _, far = payloads(STRAYS + 3, first=away)
    pcm = Assembler()
    out = feed(pcm, [*sent[:5], *far[: STRAYS - 1], *sent[5:]])
    assert out == played
    assert pcm.late == STRAYS - 1
    # So many in a row are no accident.
    assert len(feed(pcm, far)) == 4 * FRAMES * 4
    assert pcm.missing == 0


@given(st.binary(max_size=60))
def test_nonsense_is_counted(data: bytes) -> None:
    pcm = Assembler()
    assert pcm.take(b"\xff\x00" + data, 0) == b""
    assert pcm.invalid == 1


@pytest.mark.parametrize(("first", "taken"), [(0, 1), (2**53 - 1, 1), (2**53, 0), (2**63, 0), (2**64 - 1, 0)])
def test_frame_numbers_that_no_browser_can_count_are_invalid(first: int, taken: int) -> None:
    header = struct.pack("<2sBBBBHIIQ", b"\xff\x00", 1, 16, 0, 2, 1, RATE, 0, first)
    pcm = Assembler()
    for number in range(3):
        pcm.take(header + bytes(4), number)
    assert (pcm.frames, pcm.duplicates, pcm.invalid) == (taken, 2 * taken, 3 * (1 - taken))


def test_opus_is_no_studio_payload() -> None:
    assert is_studio(b"\xff\x00\x01")
    assert not is_studio(b"\xec\xff\xfe")
    assert not is_studio(b"")
