"""An instrument that is missing: how long the look for devices may take, and what ends one that hangs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rtcserver.capture.block import StreamFormat
from rtcserver.capture.ring import BlockRing
from rtcserver.capture.source import Source
from rtcserver.clock import NS
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import InstrumentError
from rtcserver.instrument import device as module
from rtcserver.instrument.control import EXIT_STALLED
from rtcserver.instrument.device import RESCAN_NS, Device
from tests.realtime import ROOT


class Missing(Source):
    """An instrument that is not there, and whose looks for it take the times in `takes_ns`."""

    def __init__(self, takes_ns: list[int]) -> None:
        super().__init__("missing")
        self.now_ns = 0
        self._takes_ns = iter(takes_ns)

    def open(self) -> tuple[StreamFormat, BlockRing]:
        raise InstrumentError("it is not there", code="missing")

    def rescan(self) -> None:
        self.now_ns += next(self._takes_ns)

    def close(self) -> None:
        """There is nothing to close."""


def test_a_look_for_devices_may_take_four_times_as_long_as_any_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Missing([NS // 100, NS // 2, NS // 100, NS])
    limits: list[tuple[float, int]] = []

    @contextmanager
    def within(seconds: float, code: int) -> Iterator[None]:
        limits.append((seconds, code))
        yield

    monkeypatch.setattr(module, "within", within)
    monkeypatch.setattr(module, "monotonic_ns", lambda: source.now_ns)
    device = Device(InstrumentConfig())
    device._source = source
    for number in range(4):
        with pytest.raises(InstrumentError):
            device.open(source.now_ns)
        assert len(limits) == number, "the first one tells how long it takes"
    assert limits == [(RESCAN_NS / NS, EXIT_STALLED), (2.0, EXIT_STALLED), (2.0, EXIT_STALLED)]


@pytest.mark.parametrize(("takes_s", "code"), [(0.0, 0), (60.0, EXIT_STALLED)])
def test_what_hangs_ends_the_process_and_what_does_not_goes_on(takes_s: float, code: int) -> None:
    program = (
        "import sys, time\nfrom rtcserver.children.child import within\n"
        "with within(1.0, int(sys.argv[2])):\n    time.sleep(float(sys.argv[1]))\ntime.sleep(1.2)"
    )
    command = [sys.executable, "-c", program, str(takes_s), str(EXIT_STALLED)]
    assert subprocess.run(command, cwd=ROOT, timeout=30, check=False).returncode == code
