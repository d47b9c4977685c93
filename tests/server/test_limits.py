"""Every limit of the configuration reaches what it bounds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rtcserver.config.limits import LIMIT_KEYS
from rtcserver.config.load import load
from rtcserver.server.listening import places_of, session_limits_of
from rtcserver.server.serve import limits_of

ELSEWHERE = {
    "max_channel_messages_per_s",
    "max_channel_bytes_per_s",
    "max_uploads",
    "max_file_events_per_s",
    "live_backlog_s",
}
"""Given to rooms' desks, stages and Ogg streams as they are made."""


def test_every_limit_reaches_what_it_bounds() -> None:
    values: dict[str, Any] = {
        key: 5000 + number for number, key in enumerate(LIMIT_KEYS) if key != "shared_addresses"
    }
    # Those whose ranges are narrower.
    values |= {
        "studio_listeners": 11, "max_headers": 17, "header_timeout_s": 12.5, "body_timeout_s": 13.5,
        "max_media_lines": 14, "max_candidates": 15, "max_channels": 16, "max_uploads": 18,
        "max_channel_bytes_per_s": 20_000, "live_backlog_s": 19.5,
    }  # fmt: skip
    config = load({key: str(value) for key, value in values.items()}, {}, {"shared_addresses": "10.0.0.0/8"})
    reached = [
        value
        for limits in (places_of(config), session_limits_of(config), limits_of(config))
        for value in asdict(limits).values()
    ]
    assert {key for key in values if values[key] not in reached} == ELSEWHERE
    assert places_of(config).shared_addresses == ("10.0.0.0/8",)
