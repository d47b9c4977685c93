"""Chains of links: granule positions by the room's clock, gaps, titles, and what ends."""

from __future__ import annotations

from itertools import count

import pytest

from rtcserver.encode.codec import DEFAULT
from rtcserver.encode.packet import EncodedPacket
from rtcserver.ogg.link import MAX_FILL_SAMPLES, MIN_LINK_SAMPLES, PAGE_SAMPLES, PRE_SKIP, Chain
from rtcserver.ogg.page import BEGINS, ENDS
from tests.ogg.pages import Page, comments, read

FRAME = 480
SILENCE = DEFAULT.silence(FRAME)
NAMES = {"TITLE": "Live", "ARTIST": "Hall"}


def chain(frame: int = FRAME, names: dict[str, str] = NAMES) -> Chain:
    serials = count(100)
    return Chain(frame, DEFAULT.silence(frame), lambda: next(serials), names)


def packet(media_time: int, payload: bytes = b"", frame: int = FRAME) -> EncodedPacket:
    return EncodedPacket(media_time, frame, 0, 1, payload or media_time.to_bytes(8, "big"))


def pushed(made: Chain, *packets: EncodedPacket) -> list[Page]:
    return read(b"".join(page for one in packets for page in made.push(one)))


def test_a_link_begins_with_its_two_headers() -> None:
    first, second = read(chain().head)
    assert (first.flags, first.granule, first.number, first.serial) == (BEGINS, 0, 0, 100)
    # Version, channels, pre-skip, rate, gain, mapping family.
    assert first.packets == [b"OpusHead\x01\x02\x00\x0f\x80\xbb\x00\x00\x00\x00\x00"]
    assert (second.flags, second.granule, second.number) == (0, 0, 1)
    assert comments(second.packets[0]) | {"VENDOR": ""} == {**NAMES, "VENDOR": ""}


@pytest.mark.parametrize("frame", [120, 240, 480, 960])
def test_granule_positions_are_media_times(frame: int) -> None:
    made, begin = chain(frame), 7_200_000
    pages = pushed(made, *(packet(begin + n * frame, frame=frame) for n in range(48_000 // frame)))
    assert [page.granule for page in pages] == [
        begin + PRE_SKIP + (n + 1) * PAGE_SAMPLES for n in range(48_000 // PAGE_SAMPLES)
    ]
    assert [page.number for page in pages] == list(range(2, 2 + len(pages)))
    assert all(len(page.packets) * frame == PAGE_SAMPLES for page in pages)


def test_large_packets_make_shorter_pages_and_none_is_lost() -> None:
    made = chain(120)
    packets = [packet(n * 120, bytes(1275), 120) for n in range(200)]
    pages = pushed(made, *packets)
    taken = [one for page in pages for one in page.packets]
    assert taken == [bytes(1275)] * len(taken)
    assert len(taken) >= 160
    assert [page.granule - PRE_SKIP for page in pages] == [
        120 * sum(len(page.packets) for page in pages[: n + 1]) for n in range(len(pages))
    ]
    read(made.farewell())


def test_a_gap_is_filled_with_silence_on_the_grid() -> None:
    made = chain()
    pages = pushed(made, packet(0), packet(8 * FRAME), *(packet(n * FRAME) for n in range(9, 20)))
    assert [one for page in pages for one in page.packets][:9] == [
        packet(0).payload,
        *[SILENCE] * 7,
        packet(8 * FRAME).payload,
    ]
    assert made.filled == 7
    assert made.links == 1
    assert [page.granule - PRE_SKIP for page in pages] == [PAGE_SAMPLES, 2 * PAGE_SAMPLES]


def test_a_long_gap_ends_the_link_and_begins_another() -> None:
    made = chain()
    later = FRAME + MAX_FILL_SAMPLES + FRAME
    pages = pushed(made, packet(0), packet(later), *(packet(later + n * FRAME) for n in range(1, 10)))
    assert [(page.flags, page.serial, page.number) for page in pages] == [
        (ENDS, 100, 2),
        (BEGINS, 101, 0),
        (0, 101, 1),
        (0, 101, 2),
    ]
    assert pages[0].packets == [packet(0).payload, SILENCE]
    assert pages[3].granule == later + PAGE_SAMPLES + PRE_SKIP
    assert made.filled == 0
    assert made.links == 2


def test_a_packet_from_before_is_left_out() -> None:
    made = chain()
    assert pushed(made, packet(480), packet(0), packet(480)) == []
    pages = pushed(made, *(packet(n * 480) for n in range(2, 11)))
    assert [len(page.packets) for page in pages] == [10]


def test_another_title_ends_the_link_without_a_sample_more_or_less() -> None:
    made = chain()
    before = MIN_LINK_SAMPLES // FRAME + 3
    pages = pushed(made, *(packet(n * FRAME) for n in range(before)))
    made.retitle({"TITLE": "Nocturne", "ARTIST": "Hall"})
    pages += pushed(made, *(packet((before + n) * FRAME) for n in range(12)))
    (border,) = [n for n, page in enumerate(pages) if page.flags == ENDS]
    last, first, second, *more = pages[border:]
    assert last.granule == (before + 1) * FRAME + PRE_SKIP
    assert (first.flags, first.serial) == (BEGINS, 101)
    assert comments(second.packets[0])["TITLE"] == "Nocturne"
    assert more[0].packets[0] == packet((before + 1) * FRAME).payload
    assert SILENCE not in [one for page in pages for one in page.packets]
    assert read(made.head) == [first, second]


def test_titles_that_change_all_the_time_make_few_links() -> None:
    made = chain()
    for n in range(1000):
        made.retitle({"TITLE": str(n)})
        made.push(packet(n * FRAME))
    assert made.links == 1 + 1000 * FRAME // (MIN_LINK_SAMPLES + FRAME)


def test_a_title_that_comes_back_ends_nothing() -> None:
    made = chain()
    for n in range(500):
        made.retitle({"TITLE": "other"} if n == 499 else NAMES)
        made.retitle(NAMES)
        made.push(packet(n * FRAME))
    assert made.links == 1


def test_the_last_page_has_what_no_page_had_and_changes_nothing() -> None:
    made = chain()
    pushed(made, *(packet(n * FRAME) for n in range(13)))
    (last,) = read(made.farewell())
    assert (last.flags, last.number, last.granule) == (ENDS, 3, 14 * FRAME + PRE_SKIP)
    assert last.packets == [*(packet(n * FRAME).payload for n in range(10, 13)), SILENCE]
    assert made.farewell() == made.farewell()


def test_comments_of_strange_text_are_one_line_of_utf8_and_bounded() -> None:
    strange = "<script>\r\nTITLE=x\0\x1b[2J\udce4\u202e" + "\N{MUSICAL SYMBOL G CLEF}" * 1000
    found = comments(read(chain(names={"TITLE": strange}).head)[1].packets[0])
    said = found["TITLE"]
    assert said.startswith("<script>\ufffd\ufffdTITLE=x\ufffd\ufffd[2J\ufffd\ufffd\N{MUSICAL SYMBOL G CLEF}")
    assert len(said.encode()) <= 512
    assert said.isprintable() is True
    assert set(found) == {"VENDOR", "TITLE"}
