"""What the broadcast process is told of a listener, the way of its packets above all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from rtcserver.broadcast.listener import ListenerCounters, ListenerSpec
from rtcserver.transport.address import Address, Path
from rtcserver.transport.frame_writer import UNSENT_BYTES
from rtcserver.transport.handover import CheckReader
from rtcserver.transport.streams import StreamPort, StreamWriter

PATHS = ("udp", "tcp", "relay")
"""What a session's ``path`` may be: straight by either, or by a TURN server."""
STUDIO_UNSENT_BYTES = 32_768
"""As `UNSENT_BYTES`, for Studio: an eighth of a second of the largest format."""


class Way(NamedTuple):
    """To an address, from a local one and one of the sockets; or on a TCP stream, if its number is not 0."""

    destination: Address | None
    source: str | None
    socket: int
    stream: int


def way_of(path: Path, streams: StreamPort, broadcast: StreamWriter, *, studio: bool) -> Way:
    """The way along a path. On one of TCP the broadcast process alone writes from now on."""
    if not path.stream:
        return Way(path.destination, path.source, path.socket, 0)
    streams.hand_over(path, broadcast, STUDIO_UNSENT_BYTES if studio else UNSENT_BYTES)
    return Way(None, None, 0, path.stream)


class Broadcast(StreamWriter, CheckReader, Protocol):
    """One broadcast process, as `rtcserver.broadcast.client.BroadcastClient` is. No call waits."""

    def add_listener(self, spec: ListenerSpec) -> None:
        """Begin to send. Raises ProcessError if the process is gone."""

    def set_address(
        self,
        listener_id: int,
        destination: Address | None,
        source: str | None = None,
        fd_index: int = 0,
        stream: int = 0,
    ) -> None:
        """Send elsewhere."""

    def remove_listener(self, listener_id: int) -> None:
        """Stop sending, with a BYE."""

    def set_kind(self, listener_id: int, kind: str, payload_type: int) -> None:
        """Give a listener another kind of payload, under this payload type."""

    def set_copied(self, listener_id: int, every: int) -> None:
        """Send a listener packets twice: those whose sequence numbers `every` divides, 1: each, 0: none."""

    def nack(self, listener_id: int, sequences: Iterable[int]) -> None:
        """Resend what a listener misses."""

    def listener_stats(self, listener_id: int) -> ListenerCounters | None:
        """The listener's counters, a few seconds old at most."""

    async def fetch_stats(self, listener_ids: Sequence[int] = (), *, timeout: float = 2.0) -> object:
        """Let the counters of some listeners be fresh. Raises ProcessError if the process is gone."""
