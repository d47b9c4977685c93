"""What a listener's connection may be given besides its sound: a way that descriptions lead through, and channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiortc import RTCPeerConnection

from rtcserver.client.measure import Packet


class MediaPath(Protocol):
    """Something between client and server that descriptions have to lead through, e.g. a relay in tests."""

    def offer(self, sdp: str) -> str:
        """The offer as the server shall see it."""

    def answer(self, sdp: str) -> str:
        """The answer as this peer shall see it."""


class Channels(Protocol):
    """DataChannels of a listener; see `rtcserver.client.midi.MidiClient`."""

    def open(self, connection: RTCPeerConnection, packets: Sequence[Packet]) -> None:
        """Before the offer. packets: the timeline, live."""

    def close(self) -> None:
        """At the end. Idempotent."""
