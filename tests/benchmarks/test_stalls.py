"""The witness of the machine notices when a processor's watcher is held up."""

import os
import signal
import time

import pytest

from benchmarks.rig.stalls import Stalls


def test_a_watcher_that_is_stopped_for_30_ms_says_so() -> None:
    with Stalls() as stalls:
        time.sleep(1.0)
        watcher = stalls.watchers[0]
        if watcher.poll() is not None:
            pytest.skip("no right to real-time priorities here")
        stopped = time.time()
        os.kill(watcher.pid, signal.SIGSTOP)
        time.sleep(0.03)
        os.kill(watcher.pid, signal.SIGCONT)
        time.sleep(0.2)
    seen = stalls.seen()
    assert seen is not None
    assert any(late >= 20 and 0 < when - stopped < 0.3 for when, late in seen), seen
