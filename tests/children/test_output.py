"""What a child writes to standard error comes as lines, bounded, and costs the child nothing when nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from rtcserver.children import child
from rtcserver.children.output import BURST, LINES_PER_S, MAX_LINE, ErrorOutput, Lines
from rtcserver.clock import NS


def test_lines_are_put_together_from_pieces() -> None:
    lines = Lines(0)
    assert lines.push(b"one\ntw", 0) == ["one"]
    assert lines.push("o é\r\n\n  \nthree".encode(), 0) == ["two é"]
    assert lines.push(b"\xff\n", 0) == ["three\ufffd"]
    assert lines.push(b"rest", 0) == []
    assert lines.end(0) == ["rest"]
    assert lines.end(0) == []


def test_a_line_without_end_is_cut() -> None:
    lines = Lines(0)
    for _ in range(100):
        assert lines.push(b"x" * 1000, 0) == []
    assert lines.push(b"y\nz\n", 0) == ["x" * MAX_LINE, "z"]


def test_too_many_lines_are_counted_and_said_once_there_is_room() -> None:
    lines = Lines(0)
    assert len(lines.push(b"line\n" * (BURST + 30), 0)) == BURST
    assert lines.push(b"more\n", 0) == []
    # One second later there is room for so many again; what is left out is no line of the child's.
    found = lines.push(b"later\n" * 100, NS)
    assert found[0] == "(31 lines are left out: there are too many)"
    assert found[1:] == ["later"] * LINES_PER_S
    assert lines.end(NS) == ["(80 lines are left out: there are too many)"]


async def test_what_a_child_has_said_last_is_read_at_its_end() -> None:
    said: list[str] = []
    output = ErrorOutput(said.append)
    os.write(output.fd, b"Traceback\n")
    await asyncio.sleep(0.02)
    assert said == ["Traceback"]
    os.write(output.fd, b"  at the end")
    output.given()
    output.close()
    output.close()
    assert said == ["Traceback", "  at the end"]


async def test_a_full_pipe_holds_up_nobody() -> None:
    output = ErrorOutput(lambda line: None)
    written = 0
    with contextlib.suppress(BlockingIOError):
        while written < 1 << 24:
            written += os.write(output.fd, b"x" * 65_536)
    assert 4096 <= written < 1 << 24
    output.given()
    output.close()


def test_print_raises_nothing_whatever_takes_it() -> None:
    """A full disk, a pipe that nobody reads, and one whose reader has gone."""
    code = """if True:
        import sys
        from rtcserver.children import child
        child.print_without_errors()
        for _ in range(20_000):
            print("x" * 100)
        print("end", file=sys.stderr)"""
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK)
    gone_read, gone_write = os.pipe()
    os.close(gone_read)
    try:
        with Path("/dev/full").open("wb") as full:
            for stdout in (full.fileno(), write_fd, gone_write):
                done = subprocess.run(
                    [sys.executable, "-c", code],
                    env=child.environment(),
                    stdout=stdout,
                    stderr=subprocess.PIPE,
                    check=False,
                )
                assert (done.returncode, done.stderr) == (0, b"end\n"), stdout
        # Whole lines come of what had room.
        assert os.read(read_fd, 65_536).startswith(b"x" * 100 + b"\n")
    finally:
        for fd in (read_fd, write_fd, gone_write):
            os.close(fd)
