"""A room's stream: shared pages, joins, slow readers, a dead device, the end."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from rtcserver.access.door import Grant
from rtcserver.clock import NS
from rtcserver.encode.codec import DEFAULT
from rtcserver.ogg.page import BEGINS, ENDS
from rtcserver.ogg.reader import Reader, chunk_of
from rtcserver.ogg.stream import RoomStream
from tests.ogg.pages import Page, comments, read
from tests.ogg.sound import Tones

pytestmark = pytest.mark.unhurried("waits for pages, and asserts their content")

SILENCE = DEFAULT.silence(480)


class Connection:
    """A transport that takes all, or nothing any more."""

    def __init__(self) -> None:
        self.written = b""
        self.stuck = False
        self.kept = 0

    def get_extra_info(self, name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.kept

    def write(self, data: bytes) -> None:
        self.written += data
        self.kept = len(data) if self.stuck else 0


class Scene:
    def __init__(self) -> None:
        self.tones = Tones()
        self.title = "Live"
        self.stream = RoomStream(self.tones, 480, lambda: {"TITLE": self.title})
        self.ended: list[tuple[Reader, str]] = []

    def reader(self, backlog_s: float = 10) -> tuple[Reader, Connection]:
        connection = Connection()
        reader = Reader("id", "main", Grant(), backlog_ns=round(backlog_s * NS), on_end=self.over)
        head = self.stream.add(reader)
        connection.written = head
        self.stream.begin(reader, cast(Any, connection), False, head)
        return reader, connection

    def over(self, reader: Reader, reason: str) -> None:
        self.ended.append((reader, reason))
        self.stream.remove(reader, reason)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    await made.stream.close()
    assert made.tones.open == 0


async def has(connection: Connection, pages: int, seconds: float = 20) -> list[Page]:
    for _ in range(int(seconds * 50)):
        found = read(connection.written)
        if len(found) >= pages:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(read(connection.written))} of {pages} pages came")


def packets(pages: list[Page]) -> list[bytes]:
    return [one for page in pages[2:] for one in page.packets]


async def test_who_joins_later_gets_headers_and_the_last_pages_at_once(scene: Scene) -> None:
    _, first = scene.reader()
    early = await has(first, 12)
    assert [page.number for page in early] == list(range(len(early)))
    _, second = scene.reader()
    at_once = read(second.written)
    assert [page.flags for page in at_once[:2]] == [BEGINS, 0]
    assert len(at_once) > 8
    both = await has(second, len(at_once) + 4)
    all_pages = read(first.written)
    assert [page.number for page in both[2:]] == list(range(both[2].number, both[-1].number + 1))
    assert both[2:] == all_pages[both[2].number : both[-1].number + 1]
    steps = {b.granule - a.granule for a, b in itertools.pairwise(both[2:])}
    assert steps == {4800}
    assert SILENCE not in packets(both)
    assert scene.stream.counted()["joined"] == 2


async def test_a_slow_reader_is_cut_off_and_a_bystander_misses_nothing(scene: Scene) -> None:
    _, bystander = scene.reader()
    slow, stuck = scene.reader(backlog_s=1.0)
    await has(stuck, 4)
    stuck.stuck = True
    assert await asyncio.wait_for(slow.over, 20) == "slow"
    assert scene.ended == [(slow, "slow")]
    assert slow.waiting == 0
    before = len(read(bystander.written))
    pages = await has(bystander, before + 6)
    assert [page.number for page in pages] == list(range(len(pages)))
    counted = scene.stream.counted()
    assert (counted["ended_slow"], counted["joined"]) == (1, 2)
    assert counted["bytes"] > len(bystander.written) // 2


async def test_a_reader_that_was_held_up_gets_all_of_it_later(scene: Scene) -> None:
    reader, connection = scene.reader()
    await has(connection, 4)
    connection.stuck = True
    for _ in range(400):
        await asyncio.sleep(0 if reader.waiting else 0.05)
    assert reader.waiting
    connection.stuck, connection.kept = False, 0
    have = len(read(connection.written))
    pages = await has(connection, have + 8)
    assert [page.number for page in pages] == list(range(len(pages)))
    assert reader.waiting == 0
    assert not reader.over.done()


async def test_a_dead_device_is_silence_on_the_same_timeline(scene: Scene) -> None:
    _, connection = scene.reader()
    await has(connection, 8)
    scene.tones.die()
    heard = len(packets(read(connection.written)))
    pages = await has(connection, len(read(connection.written)) + 20)
    silent = packets(pages)[heard + 100 :]
    assert silent
    assert set(silent) == {SILENCE}
    assert {b.granule - a.granule for a, b in itertools.pairwise(pages[2:])} == {4800}
    assert len({page.serial for page in pages}) == 1
    assert scene.stream.counted()["silent"] >= len(silent)


async def test_a_device_that_never_lived_is_silence_too(scene: Scene) -> None:
    scene.tones.plays = False
    _, connection = scene.reader()
    pages = await has(connection, 12)
    assert set(packets(pages)) == {SILENCE}


async def test_another_title_begins_a_link_in_the_same_answer(scene: Scene) -> None:
    _, connection = scene.reader()
    await has(connection, 4)
    scene.title = "Nocturne"
    pages = await has(connection, 40)
    begins = [n for n, page in enumerate(pages) if page.flags & BEGINS]
    assert len(begins) == 2
    assert pages[begins[1] - 1].flags == ENDS
    assert comments(pages[begins[1] + 1].packets[0])["TITLE"] == "Nocturne"
    _, later = scene.reader()
    joined = read(later.written)
    assert comments(joined[1].packets[0])["TITLE"] == "Nocturne"
    assert {page.serial for page in joined} == {pages[-1].serial}


async def test_the_end_is_a_last_page_for_everyone(scene: Scene) -> None:
    one, first = scene.reader()
    two, second = scene.reader()
    await has(first, 8)
    await scene.stream.close()
    assert (await one.over, await two.over) == ("stopped", "stopped")
    for connection in (first, second):
        pages = read(connection.written)
        assert pages[-1].flags == ENDS
        assert [page.flags for page in pages].count(ENDS) == 1
        assert [page.number for page in pages] == list(range(len(pages)))
    assert scene.tones.open == 0
    assert scene.stream.readers == []


async def test_a_feed_that_cannot_be_opened_sends_the_readers_away_and_the_next_one_hears(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: bool) -> socket.socket:
        raise OSError(errno.EMFILE, "no descriptor is free")

    with monkeypatch.context() as full:
        full.setattr(scene.tones, "open_feed", refuse)
        reader, _ = scene.reader()
        assert await asyncio.wait_for(reader.over, 20) == "failed"
    assert scene.stream.counted()["ended_failed"] == 1
    _, connection = scene.reader()
    await has(connection, 4)


async def test_nobody_reads_and_the_room_rests(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcserver.ogg.stream.LINGER_NS", NS // 2)
    reader, connection = scene.reader()
    await has(connection, 4)
    await reader.close()
    for _ in range(500):
        if scene.tones.open == 0:
            break
        await asyncio.sleep(0.02)
    assert scene.tones.open == 0
    _, again = scene.reader()
    assert (await has(again, 4))[0].serial != read(connection.written)[0].serial
    assert scene.tones.opened == 2


def test_a_chunk_is_as_http_has_it() -> None:
    assert chunk_of(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
