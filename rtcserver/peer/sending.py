"""What one session is sent: of which encoding, in which kind of payload, and what of it comes again.

Made by its session, which stays what others talk to; loop-bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from rtcserver.broadcast.listener import PAYLOAD_PCM, PAYLOAD_SILENCE, with_samples
from rtcserver.clock import monotonic_ns
from rtcserver.encode.encoding import LIGHT, TIERS, Encoding
from rtcserver.errors import PeerError
from rtcserver.peer.base import Mode, Quality, Sent
from rtcserver.peer.feedback import Feedback
from rtcserver.peer.owner import SessionOwner
from rtcserver.sdp.offer import OfferSummary


class SendingSession(Protocol):
    """A session, as far as this needs it."""

    room: str
    listener_id: int
    mode: Mode
    offer: OfferSummary
    feedback: Feedback
    counters: Counter[str]
    details: dict[str, object]
    on_tier: Callable[[], None]

    @property
    def playing(self) -> bool: ...


class Sending:
    """One session's."""

    def __init__(self, session: SendingSession, owner: SessionOwner) -> None:
        self.encoding = ""
        """Name of the room's encoding that it is sent; "" before `begin`, after the end and in Studio with PCM."""
        self.quality: Sent = "exact"
        """Of Studio."""
        self._session, self._owner = session, owner
        self._exact = PAYLOAD_SILENCE
        """What it is sent in Studio, unless that is light."""
        self._earlier_frames: int | None = None

    @property
    def light(self) -> bool:
        """Whether it is sent Studio light."""
        return self._session.mode != "listen" and self.quality != "exact"

    @property
    def mode(self) -> str:
        """The session's mode as metrics have it: Studio light is one of its own."""
        return "studio-light" if self.light else self._session.mode

    @property
    def place(self) -> Quality:
        """Whose places in a room it takes: the samples cost more."""
        return "light" if self.quality == "light" else "exact"

    def begin(
        self, codec: str, earlier_frames: int | None, encodings: Mapping[str, Encoding], now_ns: int
    ) -> None:
        """Need what it is sent first. codec: the session's; earlier_frames, encodings: see `OnePortSession.begin`."""
        session = self._session
        self._earlier_frames = earlier_frames
        if self.light:
            self.set_encoding(LIGHT)
            session.feedback.begin_light(session.offer, earlier_frames)
        else:
            # Studio needs it until it gets PCM: silence on its timeline.
            self.set_encoding(codec)
        if session.mode == "listen":
            if earlier_frames is not None:
                session.feedback.choose(session.offer, earlier_frames)
            session.feedback.offer_tiers(encodings, self.encoding, now_ns)
            self.note_tier()
        elif session.mode == "studio":
            session.details["quality"] = self.quality

    def redundant(self) -> bool:
        """Whether its packets may carry earlier frames, now or later: Studio changes between exact and light."""
        session = self._session
        if session.mode == "studio":
            return session.offer.red_payload_type is not None and bool(self._earlier_frames)
        return session.feedback.redundancy is not None

    def payload(self) -> tuple[str, int]:
        """Kind and payload type of its next packets."""
        session = self._session
        plain = session.offer.payload_type
        if session.mode != "listen" and self.quality == "exact":
            return self._exact, plain
        kind, payload_type = session.feedback.payload(self.encoding, plain)
        return with_samples(kind) if self.quality == "both" else kind, payload_type

    def end(self) -> None:
        """Need nothing any more."""
        self._owner.need(self._session.room, "", instead_of=self.encoding)
        self.encoding = ""

    def set_encoding(self, name: str) -> None:
        """Let its next kind of payload be of this encoding; it changes where it can (`rtcserver.broadcast.room`)."""
        if name == self.encoding:
            return
        self._owner.need(self._session.room, name, instead_of=self.encoding)
        self.encoding = name

    def set_exact(self, kind: str = PAYLOAD_PCM) -> None:
        """Give a Studio listener its PCM, plain or with each block twice (`rtcserver.broadcast.listener`).

        Raises PeerError for a session that is not a Studio one: nobody else may ever get PCM.
        """
        session = self._session
        if session.mode != "studio":
            raise PeerError(409, "not_studio", "This session listens to Opus; it cannot change.")
        # What a client asks for with its first words may come before the broadcast process has the listener.
        self._exact, self.quality = kind, "exact"
        session.details["quality"] = self.quality
        session.feedback.end_light()
        self.follow()
        self.set_encoding("")

    def set_light(self, *, samples: bool = False) -> None:
        """Give a Studio listener Opus of short frames, alone or with the samples beside it. Raises PeerError for one that
        cannot have it."""
        session = self._session
        if session.mode != "studio":
            raise PeerError(
                409, "not_studio", "Only Studio in RTP has light: this session listens in another way."
            )
        begins, self.quality = not self.light, "both" if samples else "light"
        session.details["quality"] = self.quality
        if begins:
            session.feedback.begin_light(session.offer, self._earlier_frames)
            self.set_encoding(LIGHT)
        self.follow()

    def follow(self) -> None:
        """Tell the broadcast process of the kind of payload, and of what is to come twice, where that has changed."""
        session, broadcast = self._session, self._owner.broadcast
        if broadcast is None or not session.playing:
            return
        kind, payload_type = self.payload()
        if kind != session.details["payload"]:
            broadcast.set_kind(session.listener_id, kind, payload_type)
            session.details["payload"] = kind
        copied = session.feedback.copied
        if copied != session.details.get("copied", 0):
            broadcast.set_copied(session.listener_id, copied)
            session.details["copied"] = copied

    def adapt(self) -> None:
        """Let its packets carry earlier frames, or come twice, or be of another tier, as its losses ask for."""
        session = self._session
        if self._owner.broadcast is None:
            return
        chosen = session.feedback.decide(self.encoding, monotonic_ns())
        if session.playing and chosen != self.encoding:
            self.set_encoding(chosen)
            session.counters["tier_changes"] += 1
            self._owner.counters["tier_changes"] += 1
        self.note_tier()
        self.follow()

    def note_tier(self) -> None:
        """Say which tier it is sent, where that is another one."""
        session = self._session
        if session.feedback.tiers is None:
            return
        tier = next(tier for tier, name in TIERS.items() if name == self.encoding)
        state = {"tier": tier, "pinned": session.feedback.pinned is not None}
        if not state.items() <= session.details.items():
            session.details |= state
            session.on_tier()
