"""The bytes of sender reports, and the clock that they state."""

from __future__ import annotations

import struct

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpSdesPacket, RtcpSrPacket

from rtcserver.broadcast.rtcp import CaptureClock, bye, sender_report, source_description
from rtcserver.clock import NS, samples_to_ns


@pytest.mark.parametrize("cname", ["x", "ab", "abc", "abcd", "a" * 255])
def test_a_compound_packet_parses_elsewhere(cname: str) -> None:
    data = (
        sender_report(7, 0x0123456789ABCDEF, 2**32 + 5, 2**32 + 6, 2**33 + 7)
        + source_description(7, cname)
        + bye(7)
    )
    assert len(data) % 4 == 0
    report, description, end = RtcpPacket.parse(data)
    assert isinstance(report, RtcpSrPacket)
    assert (report.ssrc, report.reports) == (7, [])
    info = report.sender_info
    assert (info.ntp_timestamp, info.rtp_timestamp) == (0x0123456789ABCDEF, 5)
    assert (info.packet_count, info.octet_count) == (6, 7)
    assert isinstance(description, RtcpSdesPacket)
    assert [(chunk.ssrc, chunk.items) for chunk in description.chunks] == [(7, [(1, cname.encode())])]
    assert isinstance(end, RtcpByePacket)
    assert end.sources == [7]


@pytest.mark.parametrize("cname", ["", "a" * 256])
def test_a_cname_that_does_not_fit_is_refused(cname: str) -> None:
    with pytest.raises(ValueError, match="CNAME"):
        source_description(7, cname)


def test_the_fields_lie_where_the_rfc_draws_them() -> None:
    assert sender_report(1, 2, 3, 4, 5) == struct.pack("!IIQIII", 0x80C80006, 1, 2, 3, 4, 5)


def test_the_clock_follows_the_least_late_packet() -> None:
    clock = CaptureClock()
    assert clock.media_at(0) is None
    origin = 77 * NS
    for n in range(500):
        # Blocks arrive up to 9 ms after their last sample; every seventh is in time.
        late = (n % 7) * 1_500_000
        media = n * 480
        clock.observe(media, 480, origin + samples_to_ns(media + 480) + late, 1)
        if n > 7:
            assert clock.media_at(origin + samples_to_ns(media)) == pytest.approx(media, abs=1)


def test_the_clock_drifts_with_the_device() -> None:
    clock = CaptureClock()
    for n in range(3000):
        # The device is 200 ppm slow: 10 ms of media take 10.002 ms.
        clock.observe(n * 480, 480, (n + 1) * 10_002_000, 1)
    # Two seconds of drift at most remain: 0.4 ms, 20 samples.
    assert clock.media_at(3000 * 10_002_000) == pytest.approx(3000 * 480, abs=20)


def test_a_new_epoch_has_a_new_clock() -> None:
    clock = CaptureClock()
    clock.observe(0, 480, 10_000_000, 1)
    # Later on the monotonic clock than the old mapping says: it must not be kept down by it.
    clock.observe(480, 480, 1_000_000_000, 2)
    assert clock.media_at(1_000_000_000) == 960
