"""What a process holds, read from /proc, and slopes over eras."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest

from benchmarks.rig.footprint import Use, footprint, pooled_slope, role_of, total, use_of


def test_a_step_between_two_eras_has_no_part_in_the_slope() -> None:
    rising = [("first", x, 100 + 2 * x) for x in range(10)]
    replaced = [("second", x, 10 + 2 * x) for x in range(10, 15)]
    assert pooled_slope(rising) == pytest.approx(2)
    assert pooled_slope([*rising, *replaced]) == pytest.approx(2)
    # One line through all of them would fall.
    assert (pooled_slope([("all", x, y) for _, x, y in (*rising, *replaced)]) or 0) < -2


def test_long_eras_weigh_more_than_short_ones() -> None:
    flat = [("long", x, 5.0) for x in range(100)]
    steep = [("short", 0.0, 0.0), ("short", 1.0, 50.0)]
    assert 0 < (pooled_slope([*flat, *steep]) or 0) < 0.01


def test_a_single_moment_has_no_slope() -> None:
    assert pooled_slope([("only", 3.0, 7.0), ("other", 4.0, 9.0)]) is None
    assert pooled_slope([]) is None


def test_memory_descriptors_and_threads_of_this_process_are_seen() -> None:
    before = use_of(os.getpid())
    assert before is not None
    held = bytearray(os.urandom(1 << 20) * 32)
    reading, writing = os.pipe()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    after = use_of(os.getpid())
    stop.set()
    thread.join()
    os.close(reading)
    os.close(writing)
    assert after is not None
    assert after.heap_kb - before.heap_kb >= 31 * 1024, len(held)
    assert after.pss_kb >= after.heap_kb
    assert after.descriptors - before.descriptors == 2
    assert after.threads - before.threads == 1


def test_a_process_that_has_ended_holds_nothing() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert use_of(child.pid) is None, "a zombie"
    child.wait()
    assert use_of(child.pid) is None
    assert role_of(child.pid) is None
    assert footprint([child.pid]) == {}


def test_roles_are_summed() -> None:
    found = footprint([os.getpid(), os.getpid()])
    assert set(found) == {"server"}
    assert found["server"].threads % 2 == 0
    assert total({"server": Use(1, 2, 3, 4), "broadcast": Use(10, 20, 30, 40)}) == Use(11, 22, 33, 44)
