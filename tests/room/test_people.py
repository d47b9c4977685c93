"""Rows of who is there, mutes that last, and browsers' names in words; whatever a client says is bounded."""

from __future__ import annotations

import json

import pytest

from rtcserver.access.door import Grant
from rtcserver.channel.telemetry import Hello, parse_client
from rtcserver.clock import NS
from rtcserver.peer.base import SessionInfo, public_handle
from rtcserver.room.browser import browser_words
from rtcserver.room.mutes import KEPT_S, MAX_KEPT, Mutes
from rtcserver.room.people import MAX_ROWS, Known, row, rows

CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
)
REPORT = {
    "buffer_ms": 43.24,
    "rtt_ms": 1.0,
    "latency_ms": 78.6,
    "output_ms": 20,
    "lost": 3.0,
    "packets": 97.0,
}
TOTALS = {"packets": 970, "lost": 30, "played": 480_000, "concealed": 9_600, "silent_concealed": 4_800}


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox 140 on Android"),
        (CHROME, "Chrome 156 on Linux"),
        (CHROME.replace("Chrome", "HeadlessChrome"), "Chrome 156 on Linux"),
        (CHROME.replace("X11; Linux x86_64", "Windows NT 10.0") + " Edg/156.0", "Edge 156 on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari 18 on iPhone",
        ),
        ("VLC/3.0.18 LibVLC/3.0.18", "VLC 3"),
        ("mpv 0.35.1", "mpv"),
        ("", ""),
        ("<script>alert(1)</script>", ""),
        ("Firefox/<b>140</b>", ""),
        ("x" * 5_000 + " Firefox/140", ""),
        ("Firefox/99999999999", "Firefox 9999"),
    ],
)
def test_browsers_are_named_in_words_of_ours(agent: str, words: str) -> None:
    assert browser_words(agent) == words


def test_a_row_says_what_the_page_reported_and_no_secret() -> None:
    info = SessionInfo(
        "secret",
        "playing",
        12.34,
        {"packets": 1_000},
        {
            "mode": "listen",
            "tier": "middle",
            "codec": "opus",
            "path": "udp",
            "user_agent": CHROME,
            "stats": REPORT,
        },
        "192.0.2.7",
    )
    told = row(info, Grant("token", "abc"), Known("Ada", 3, totals=TOTALS, report_age_s=0.44))
    assert told == {
        "id": public_handle("secret"),
        "role": "performer",
        "page": True,
        "performer": 3,
        "name": "Ada",
        "browser": "Chrome 156 on Linux",
        "mode": "listen",
        "quality": "middle",
        "codec": "opus",
        "path": "udp",
        "state": "playing",
        "since_s": 12.3,
        "muted": False,
        "admin": False,
        "report_age_s": 0.4,
        "sound": {"buffer_ms": 43.2, "rtt_ms": 1.0, "latency_ms": 78.6, "output_ms": 20.0},
        "totals": {"packets": 970, "lost": 30, "gap_ms": 100.0},
    }
    text = json.dumps(told)
    assert [secret for secret in ("secret", "192.0.2.7", "abc") if secret in text] == []


def test_a_player_without_a_page_has_what_its_reports_tell() -> None:
    details = {
        "mode": "listen",
        "user_agent": "GStreamer souphttpsrc",
        "reception": {"lost": 5, "jitter_ms": 2},
    }
    told = row(SessionInfo("id", "playing", 1, {"packets": 105}, dict(details)), Grant(), None)
    assert (told["page"], told["browser"], told["totals"]) == (
        False,
        "GStreamer",
        {"packets": 100, "lost": 5},
    )


def test_an_administrator_is_known_by_either_right() -> None:
    info = SessionInfo("id", "playing", 1)
    assert row(info, Grant("token", "a", admin=True), None)["admin"]
    assert row(info, Grant(), Known(admin=True))["admin"]
    assert not row(info, Grant(), Known())["admin"]


def test_of_too_many_performers_come_first_then_who_is_there_longest() -> None:
    people = [(SessionInfo(str(n), "playing", float(n)), Grant(), Known()) for n in range(MAX_ROWS + 10)]
    people.append((SessionInfo("last", "playing", 0.1), Grant(), Known("Ada", 3)))
    total, found = rows(people)
    assert (total, len(found)) == (MAX_ROWS + 11, MAX_ROWS)
    assert found[0]["name"] == "Ada"
    assert found[1]["since_s"] == MAX_ROWS + 9


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<img src=x onerror=alert(1)>Ada", "<img src=x onerror=alert(1)>Ada"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("A" * 200, "A" * 32),
        ("a\nb\x00c", "a b c"),
    ],
)
def test_names_are_bounded_and_cannot_turn_the_line(said: str, kept: str) -> None:
    found = parse_client(json.dumps({"type": "hello", "version": 1, "name": said}))
    assert found == Hello(1, kept)


def test_a_mute_outlives_the_session_and_ends_by_itself() -> None:
    mutes, link = Mutes(), Grant("token", "abc")
    mutes.set("192.0.2.7", link, True, 0)
    assert mutes.has("192.0.2.7", link, NS)
    assert not mutes.has("192.0.2.8", link, NS)
    assert not mutes.has("192.0.2.7", Grant("token", "other"), NS)
    assert not mutes.has("192.0.2.7", link, KEPT_S * NS)
    mutes.set("192.0.2.7", link, False, 0)
    assert not mutes.has("192.0.2.7", link, NS)
    for number in range(MAX_KEPT + 1):
        mutes.set(f"10.0.{number >> 8}.{number & 255}", link, True, 0)
    assert not mutes.has("10.0.0.0", link, NS)
    assert mutes.has("10.0.0.1", link, NS)
