"""What Studio's answer tells, and its redundancy."""

from __future__ import annotations

import json

import pytest

from rtcserver.encode.pcm import StudioFormat
from rtcserver.errors import PeerError
from rtcserver.room.studio import OFF_AFTER_NS, RedundancyControl, answer_headers

FORMAT = StudioFormat(44_100, 24, 128, True)


def test_the_answer_tells_the_format_and_what_it_costs() -> None:
    headers = answer_headers(FORMAT)
    said = json.loads(headers["Rtcserver-Studio"])
    assert headers["Rtcserver-Mode"] == "studio"
    assert (said["rate"], said["bits"], said["frames"], said["exact"]) == (44_100, 24, 128, True)
    # 344.5 datagrams a second of 768 + 24 + 12 + 16 bytes, and 28 of IPv4 and UDP.
    assert said["packets_per_s"] == 344.5
    assert said["mbps"] == pytest.approx(344.53 * 848 * 8 / 1e6, abs=0.01)


def test_the_other_way_has_its_own_price() -> None:
    headers = answer_headers(FORMAT, "studio-channel")
    assert headers["Rtcserver-Mode"] == "studio-channel"
    # Payload, stamp, DATA chunk, SCTP header, DTLS record, IPv4 and UDP.
    size = 768 + 24 + 4 + 16 + 12 + 37 + 28
    assert json.loads(headers["Rtcserver-Studio"])["mbps"] == pytest.approx(344.53 * size * 8 / 1e6, abs=0.01)


def test_what_the_device_lacks_is_named() -> None:
    with pytest.raises(PeerError, match="MONTAGE does not run at 96000 Hz"):
        answer_headers(None, "studio", "samplerate: MONTAGE does not run at 96000 Hz; its own is 44100 Hz")


def test_without_a_device_there_is_no_studio() -> None:
    with pytest.raises(PeerError) as refused:
        answer_headers(None)
    assert (refused.value.status, refused.value.code) == (503, "no_instrument")


def test_redundancy_comes_with_the_first_loss_and_goes_after_a_clean_while() -> None:
    control = RedundancyControl()
    assert control.report({"lost": 0}, 0) is None
    assert control.report({"lost": 2}, 1) is True
    assert control.report({"lost": 2, "repaired": 5}, OFF_AFTER_NS // 2) is None
    assert control.report({"lost": 2, "repaired": 5}, OFF_AFTER_NS + 2) is None
    assert control.report({"lost": 2, "repaired": 5}, OFF_AFTER_NS // 2 + OFF_AFTER_NS + 1) is False
    assert control.report({"lost": 3, "repaired": 5}, 3 * OFF_AFTER_NS) is True


@pytest.mark.parametrize(
    ("sample_format", "exact", "blocksize", "bits", "expected"),
    [
        ("int16", True, 128, 0, (16, 128, True)),
        ("int16", True, 512, 0, (16, 256, True)),
        ("float32", True, 512, 0, (24, 128, True)),
        ("int24", True, 128, 16, (16, 128, False)),
        ("int16", False, 128, 0, (24, 128, False)),
        ("float32", False, 64, 0, (24, 64, False)),
    ],
)
def test_the_format_follows_the_device(
    sample_format: str, exact: bool, blocksize: int, bits: int, expected: tuple[int, int, bool]
) -> None:
    made = StudioFormat.of(sample_format, exact, 44_100, blocksize, bits)
    assert (made.bits, made.frames, made.exact) == expected
