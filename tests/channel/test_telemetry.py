"""The telemetry channel: what a client may say, and what nonsense costs it."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.channel import announce, telemetry, telemetry_peer
from rtcserver.channel.limits import ChannelRates
from rtcserver.channel.studio import REPORT_FIELDS, StudioReport
from rtcserver.channel.telemetry import parse_client, parse_server
from rtcserver.channel.telemetry_peer import TelemetryPeer
from rtcserver.channel.wire import ProtocolError
from tests.channel.world import SECOND

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    "version name token sound channel all action file position_s tempo data packets rtt_ms midi_skew_ms lost"
)
members = st.sampled_from(NAMES.split())


@given(
    st.sampled_from(
        (
            "hello",
            "auth",
            "stats",
            "select",
            "panic",
            "player",
            "sysex",
            "tier",
            "studio_ready",
            "studio_report",
            "nonsense",
        )
    ),
    st.dictionaries(members, json_values, max_size=6),
)
def test_objects_raise_protocol_errors_only(kind: str, found: dict[str, object]) -> None:
    text = json.dumps({"type": kind, **found})
    with contextlib.suppress(ProtocolError):
        assert isinstance(parse_client(text), telemetry.ClientMessage)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_anything_raises_protocol_errors_only(text: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_client(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"stats","packets":' + "9" * 4000 + "}",
        '{"type":"stats","packets":NaN}',
        '{"type":"stats","packets":-Infinity}',
        '{"type":"stats","packets":1e999}',
        '{"type":"stats","packets":"1"}',
        '{"type":"stats","packets":true}',
        "[" * 4000,
        '{"type":{}}',
        '{"type":"hello","version":true}',
        '{"type":"hello","version":2}',
        '{"type":"auth","token":"\\ud800"}',
        '{"type":"auth","token":"\\u0000"}',
        '{"type":"panic","all":1}',
        '{"type":"select","sound":"x","channel":1.0}',
        '{"type":"player","action":"tempo","tempo":0}',
        '{"type":"player","action":"seek","position_s":-1}',
        '{"type":"player","action":"explode"}',
        '{"type":"sysex","data":"f000"}',
        '{"type":"sysex","data":"f0fff7"}',
        '{"type":"sysex","data":"zz"}',
    ],
)
def test_what_is_refused(text: str) -> None:
    if "9" * 4000 in text:
        # A number that no float holds is still a number; it is clamped like any other.
        assert parse_client(text) == telemetry.Stats({"packets": 100_000.0})
        return
    with pytest.raises(ProtocolError):
        parse_client(text)


def test_reports_are_clamped_and_what_is_unknown_is_left_out() -> None:
    text = '{"type":"stats","packets":-5,"rtt_ms":1e300,"midi_skew_ms":-12.5,"lost":null,"evil":[1]}'
    assert parse_client(text) == telemetry.Stats({"packets": 0, "rtt_ms": 60_000, "midi_skew_ms": -12.5})


@pytest.mark.parametrize(("kind", "highest"), [("stats", 100_000), ("studio_report", 1e9)])
def test_a_number_that_no_float_holds_is_clamped_like_any_other(kind: str, highest: float) -> None:
    """Found by tests/hostile: an integer of 320 digits is JSON, and finite."""
    found = parse_client(f'{{"type":"{kind}","lost":{"9" * 320}}}')
    assert isinstance(found, telemetry.Stats | StudioReport)
    assert found.values == {"lost": highest}


def test_names_are_mended() -> None:
    text = json.dumps({"type": "hello", "version": 1, "name": "  Ada\n\u202eLovelace" + "x" * 40})
    assert parse_client(text) == telemetry.Hello(1, ("Ada  Lovelace" + "x" * 40)[:32])
    assert parse_client('{"type":"hello","version":1,"name":"\\n"}') == telemetry.Hello(1, "")


def test_size_is_counted_in_bytes() -> None:
    for filler, fits in (("x" * 4000, True), ("x" * 4100, False), ("ü" * 2000, True), ("ü" * 2100, False)):
        text = json.dumps({"type": "panic", "x": filler}, ensure_ascii=False)
        if fits:
            assert parse_client(text) == telemetry.Panic()
        else:
            with pytest.raises(ProtocolError) as caught:
                parse_client(text)
            assert caught.value.code == "too_large"


def test_reports_come_once_a_second() -> None:
    peer = TelemetryPeer()
    taken = sum(peer.receive('{"type":"stats"}', n * SECOND // 10)[0] is not None for n in range(200))
    assert 20 <= taken <= 25
    assert peer.counters.frequent == 200 - taken


def test_studio_reports_have_a_limit_of_their_own() -> None:
    peer = TelemetryPeer()
    taken = {"stats": 0, "studio_report": 0}
    for n in range(200):
        for kind in taken:
            taken[kind] += peer.receive(f'{{"type":"{kind}"}}', n * SECOND // 10)[0] is not None
    assert 20 <= taken["stats"] <= 25
    assert 40 <= taken["studio_report"] <= 45


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type":"studio_ready","version":2}', "unknown_version"),
        ('{"type":"studio_ready","version":true}', "unknown_version"),
        ('{"type":"studio_ready"}', "unknown_version"),
        ('{"type":"studio_report","level_ms":"deep"}', "malformed"),
        ('{"type":"studio_report","level_ms":1e999}', "malformed"),
        ('{"type":"studio_report","underruns":true}', "malformed"),
    ],
)
def test_a_refusal_says_what_it_answers(text: str, code: str) -> None:
    message, answer = TelemetryPeer().receive(text, 0)
    assert message is None
    said = announce_of(answer)
    assert (said["code"], said["of"]) == (code, json.loads(text)["type"])


@given(
    st.dictionaries(st.sampled_from(sorted(REPORT_FIELDS)), st.floats(allow_nan=False, allow_infinity=False))
)
def test_a_ring_report_is_clamped_whatever_it_claims(claims: dict[str, float]) -> None:
    report = telemetry.parse_client(json.dumps({"type": "studio_report", **claims}))
    assert isinstance(report, StudioReport)
    assert set(report.values) == set(claims)
    for name, value in report.values.items():
        low, high = REPORT_FIELDS[name]
        assert value == min(high, max(low, claims[name]))


def announce_of(text: str | None) -> dict[str, object]:
    """An answer as an object."""
    assert text is not None
    found: dict[str, object] = json.loads(text)
    return found


def test_a_flood_of_nonsense_ends_in_a_closed_channel_and_few_answers() -> None:
    peer = TelemetryPeer()
    answers = 0
    for _ in range(telemetry_peer.MAX_VIOLATIONS):
        assert not peer.abusive
        answers += peer.receive("{", 0)[1] is not None
    assert peer.abusive
    assert answers == telemetry_peer.OTHERS_BURST
    assert peer.counters.malformed == telemetry_peer.MAX_VIOLATIONS


def test_a_channels_own_rates_hold_whatever_is_said() -> None:
    for rates, message in (
        (ChannelRates(messages_per_s=50), "{}"),
        (ChannelRates(bytes_per_s=25 * 4000), json.dumps({"type": "x" * 3988})),
    ):
        peer = TelemetryPeer(rates=rates)
        for _ in range(200):
            peer.receive(message, 0)
        assert peer.counters.frequent == 200 - 25


def test_nested_json_costs_no_more_than_its_size() -> None:
    """Brackets as deep as a message holds: refused like any other nonsense, each kind and unbalanced too."""
    for text in ("[" * 4096, '{"a":' * 819, '{"type":"stats","a":' + "[" * 2000 + "]" * 2000 + "}"):
        peer = TelemetryPeer()
        message, refusal = peer.receive(text, 0)
        assert message is None or message == telemetry.Stats({})
        if message is None:
            assert announce_of(refusal)["code"] == "malformed"


def test_a_flood_is_not_even_parsed() -> None:
    peer = TelemetryPeer()
    for _ in range(1000):
        peer.receive('{"type":"stats"}', 0)
    assert peer.counters.frequent == 1000 - telemetry_peer.STATS_BURST


def test_a_full_welcome_fits_and_is_understood() -> None:
    crowd = [(number, "Ω" * 40) for number in range(3, 255)]
    text = announce.welcome(
        session="s" * 32,
        room="main",
        performer=3,
        mode="listen",
        rtp_offset=0xFFFF_FFFF,
        media_time=1 << 50,
        profile={"id": "montage", "name": "MONTAGE"},
        performers=crowd,
    )
    found = parse_server(text)
    assert found["role"] == "performer"
    assert found["rtp_offset"] == 0xFFFF_FFFF
    assert 20 < len(found["performers"]) <= announce.MAX_PERFORMERS


def test_a_goodbye_says_when_to_come_again() -> None:
    found = parse_server(announce.leaving("server_stops", "It stops.", 250))
    assert found == {"type": "leaving", "reason": "server_stops", "message": "It stops.", "after_ms": 250}


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"leaving","reason":"server_stops","message":"","after_ms":-1}',
        '{"type":"leaving","reason":"server_stops","message":""}',
        '{"type":"welcome","version":2,"rtp_offset":0,"media_time":0}',
        '{"type":"welcome","version":1,"rtp_offset":-1,"media_time":0}',
        '{"type":"welcome","version":1,"rtp_offset":0,"media_time":1e3}',
        '{"type":"surprise"}',
        "7",
    ],
)
def test_what_a_client_refuses(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_server(text)


def test_what_does_not_fit_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="bytes"):
        announce.pack("error", {"message": "x" * 5000})
    with pytest.raises(ProtocolError, match="written"):
        announce.pack("error", {"message": float("nan")})
