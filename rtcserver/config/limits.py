"""The keys that bound what clients may do. docs/security.md, "Limits", says what happens beyond each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from annotated_types import Ge, Gt, Le

Count = Annotated[int, Ge(1), Le(100_000)]
Seconds = Annotated[float, Gt(0), Le(600)]


@dataclass(frozen=True, slots=True)
class LimitConfig:
    """Limits. Those "per address" count an IPv6 address by its /64, and `shared_addresses` not at all."""

    max_listeners: Count = 2000
    """Listeners over all rooms; one more is answered 503."""
    max_listeners_per_room: Count = 2000
    """Listeners of one room; one more is answered 503."""
    studio_listeners: Annotated[int, Ge(0), Le(1000)] = 8
    """Studio listeners a room: uncompressed sound costs 1.5 to 2.5 Mb/s each. 0 turns Studio off."""
    studio_light_listeners: Annotated[int, Ge(0), Le(100_000)] = 200
    """Listeners of Studio light a room: compressed, 0.3 to 0.7 Mb/s each. 0 turns Studio light off."""
    max_live_per_address: Count = 32
    """Players of live.opus from one client address; one more is answered 503. They count as listeners, too."""
    live_backlog_s: Annotated[float, Ge(1), Le(60)] = 10.0
    """Seconds of sound that may wait for a player of live.opus that reads too slowly; then it is cut off."""
    max_half_open: Count = 512
    """Listeners that may be connecting at the same time; one more is answered 503."""
    max_half_open_per_address: Count = 64
    """The same for one client address."""
    shared_addresses: str = "127.0.0.0/8, ::1"
    """Addresses or networks, with commas, that many clients share (gateways, this machine): no limits by address."""
    max_connections: Count = 2048
    """Open TCP connections; one more is answered 503."""
    max_connections_per_address: Count = 512
    """The same for one client address; a browser opens up to six."""
    max_media_connections: Count = 512
    """Open TCP connections that carry media instead of HTTP; one more is closed."""
    max_media_connections_per_address: Count = 64
    """The same for one client address; a browser opens some for each listener."""
    max_requests_per_minute: Annotated[int, Ge(60), Le(10_000_000)] = 30_000
    """HTTP requests a minute from one client address; one more is answered 429. A page is about 10, with --dev about 110."""
    max_offers_per_minute: Count = 120
    """Offers (joins, also those that fail) a minute from one client address; one more is answered 429."""
    max_patches_per_minute: Count = 120
    """PATCH requests a minute in one session (candidates, ICE restarts); one more is answered 429."""
    max_restarts_per_minute: Count = 20
    """ICE restarts a minute in one session; one more is answered 429."""
    max_headers: Annotated[int, Ge(16), Le(1000)] = 64
    """Header lines of an HTTP request; with more it is answered 400."""
    max_header_line_bytes: Annotated[int, Ge(1024), Le(65_536)] = 8190
    """Bytes of the request line or of one header line; a longer one is answered 400."""
    max_header_bytes: Annotated[int, Ge(2048), Le(1_048_576)] = 32_768
    """Bytes of a request's line and headers together; with more it is answered 431."""
    header_timeout_s: Seconds = 20.0
    """Seconds that a connection may be idle or take for a request's headers; then it is closed."""
    max_body_bytes: Annotated[int, Ge(4096), Le(1_048_576)] = 65_536
    """Bytes of an offer or a PATCH; a longer one is answered 413."""
    body_timeout_s: Seconds = 10.0
    """Seconds that a body may take to arrive; then the request is answered 408."""
    max_media_lines: Annotated[int, Ge(2), Le(1000)] = 32
    """m-lines of an offer; one with more is answered 400."""
    max_candidates: Annotated[int, Ge(1), Le(1000)] = 64
    """ICE candidates that are read of an offer or a PATCH; the rest is passed over."""
    max_channels: Annotated[int, Ge(3), Le(256)] = 16
    """Open DataChannels of a session; a further one is never acknowledged."""
    max_channel_messages_per_s: Annotated[int, Ge(50), Le(100_000)] = 500
    """Messages a second that are read of one DataChannel; the others are counted and dropped."""
    max_channel_bytes_per_s: Annotated[int, Ge(16_384), Le(100_000_000)] = 131_072
    """Bytes a second that are read of one DataChannel; messages beyond are counted and dropped."""
    max_uploads: Annotated[int, Ge(1), Le(1000)] = 16
    """MIDI files that a room keeps; for one more the oldest goes."""
    max_upload_bytes: Annotated[int, Ge(1024), Le(1_000_000)] = 1_000_000
    """Bytes of a MIDI file; a larger one is answered 413."""
    max_uploads_per_minute: Count = 30
    """MIDI files a minute from one client address; one more is answered 429."""
    max_file_events_per_s: Annotated[int, Ge(1000), Le(1_000_000)] = 8000
    """MIDI events a second that a file may play; where it has more, they sound late, in order, and it catches up."""


LIMIT_KEYS = tuple(f.name for f in fields(LimitConfig))
