"""A room's desk: its members, who performs, the notes that everyone sees, and Studio.

In the server process, on its event loop: audio never waits for it. All rooms' desks together are in `desks`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiortc import RTCDataChannel

from rtcserver.access.admission import Admission
from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import Action, Grant, Request
from rtcserver.broadcast.listener import PAYLOAD_PCM, PAYLOAD_PCM_TWICE
from rtcserver.channel import announce
from rtcserver.channel.down.journal import Journal
from rtcserver.channel.down.sender import Cadence, DownSender
from rtcserver.channel.limits import ChannelRates
from rtcserver.channel.telemetry import Auth, ClientMessage, Hello, Panic, PlayerCommand, Select, Sysex
from rtcserver.channel.up.receiver import Played
from rtcserver.clock import NS, monotonic_ns
from rtcserver.encode.pcm import StudioFormat
from rtcserver.encode.subscription import DEFAULT_LIMIT, Subscription
from rtcserver.errors import PeerError
from rtcserver.peer.base import Quality
from rtcserver.peer.oneport_session import OnePortSession
from rtcserver.room.demo import DemoPiece
from rtcserver.room.directory import Room
from rtcserver.room.exact_demand import ExactDemand
from rtcserver.room.member import ChannelCounters, Member
from rtcserver.room.mutes import Mutes
from rtcserver.room.performers import Performers
from rtcserver.room.readers import NoteReaders
from rtcserver.room.router import Shown
from rtcserver.room.samples import Samples
from rtcserver.room.stage import Stage

log = logging.getLogger(__name__)


class RoomDesk:
    """One room's members. Loop-bound."""

    def __init__(
        self, room: Room, authorizer: Authorizer, admission: Admission, rates: ChannelRates | None = None
    ) -> None:
        self.room = room
        self.rates = rates or ChannelRates()
        self.members: dict[str, Member] = {}
        self.counters = ChannelCounters()
        self.performers = Performers()
        self.mutes = Mutes()
        self.journal = Journal()
        self.stage: Stage | None = None
        self.samples = Samples(room.instrument)
        self.demo = DemoPiece(room.instrument, self.tell_all)
        self._readers = NoteReaders()
        self.observe: Callable[[str, Mapping[str, float]], None] | None = None
        self._authorizer = authorizer
        self._asking: dict[str, asyncio.Task[None]] = {}
        """By session: whether it may perform is found out elsewhere."""
        self._admission = admission
        self._senders: dict[Cadence, DownSender] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self.exact = ExactDemand(room.instrument, self.members.values)

    # Sessions

    def on_datachannel(self, session: OnePortSession, channel: RTCDataChannel) -> None:
        """A session opened a channel."""
        member = self.members.get(session.id)
        if member is None:
            member = self.members[session.id] = Member(session, self)
        member.attach(channel)

    def on_ended(self, session: OnePortSession) -> None:
        """A session is over: what its performer holds ends now."""
        member = self.members.pop(session.id, None)
        asking = self._asking.pop(session.id, None)
        if asking is not None:
            asking.cancel()
        if member is not None:
            self._leave(member)
            self.on_samples_closed(member)
        self.exact.follow()

    def close(self) -> None:
        """Stop the timer, the player, the samples and what is being asked."""
        for asking in self._asking.values():
            asking.cancel()
        self.samples.close()
        self._readers.close()
        if self.stage is not None:
            self.stage.close()
        self.exact.close()
        if self._timer is not None:
            self._timer.cancel()

    def media_now(self, now_ns: int) -> int:
        """The room's media time at a monotonic time."""
        return self.room.instrument.anchor.media_at(now_ns)

    # MemberDesk

    def on_message(self, member: Member, message: ClientMessage) -> None:
        """JSON of a member. Raises PeerError, which is told to the member."""
        match message:
            case Hello(_, name):
                member.name = member.name if name is None else name
                self.welcome(member)
                member.tell_tier()
            case Auth(token, name):
                self._authorise(member, token, name)
            case Panic(everyone):
                self._panic(member, everyone)
            case Select(sound, channel):
                self._playable(member).select(self._number(member), sound, channel)
            case PlayerCommand():
                self._playable(member).control_player(self._number(member), message)
            case Sysex():
                raise PeerError(403, "not_granted", "SysEx is not granted to performers of this room.")
            case _:
                raise PeerError(400, "unexpected", "This message is not for the server.")

    def on_stats(self, member: Member, values: dict[str, float]) -> None:
        """A report, for the histograms."""
        if self.observe is not None:
            self.observe(member.session.sending.mode, values)

    def on_midi(self, member: Member, data: bytes | str) -> None:
        """Bytes of the ``midi`` channel."""
        now = monotonic_ns()
        played, replies = member.midi.receive(data, now, self.media_now(now))
        self._take(member, played)
        for reply in replies:
            member.send_midi(reply)
        self._arm()

    def on_midi_open(self, member: Member) -> None:
        """The whole state, at once."""
        now = monotonic_ns()
        for message in self._sender(member.cadence).join(now, self.media_now(now)):
            member.send_midi(message)
        self._arm()

    def set_exact(self, member: Member, *, twice: bool) -> None:
        """PCM for a Studio member, in RTP or by its channel. Raises PeerError for others, and for one too many."""
        session = member.session
        if session.sending.place == "light":
            self._admission.studio(self._in_quality("exact"))
        if session.mode != "studio-channel":
            session.set_exact(PAYLOAD_PCM_TWICE if twice else PAYLOAD_PCM)
        elif member.samples is not None:
            member.samples.twice = twice
            self.samples.add(member.samples)
        else:
            raise PeerError(
                409, "no_channel", "Open the channel “studio” first, unordered and without retransmissions."
            )
        member.studio_ready = True
        self.exact.follow()

    def set_light(self, member: Member, *, samples: bool = False) -> None:
        """Compressed sound for a Studio member, alone or beside the samples. Raises PeerError for others or one too many."""
        sending = member.session.sending
        if not sending.light or (sending.quality == "both" and not samples):
            self._admission.studio_light(self._in_quality("light"))
        if samples and sending.place == "light":
            self._admission.studio(self._in_quality("exact"))
        member.session.set_light(samples=samples)
        self.exact.follow()

    def on_samples_closed(self, member: Member) -> None:
        """A member's ``studio`` channel, or its session, is over."""
        if member.samples is not None:
            self.samples.remove(member.samples)

    # Studio

    def studio_format(self) -> StudioFormat | None:
        """What Studio listeners get; None while the device is missing."""
        status, config = self.room.instrument.status, self.room.config.instrument
        if status.state != "live" or not status.rate:
            return None
        return StudioFormat.of(
            status.sample_format, status.exact, status.rate, status.blocksize, config.studio_bits
        )

    def _in_quality(self, quality: Quality) -> int:
        studio = (m.session for m in self.members.values() if m.session.mode != "listen")
        return sum(session.sending.place == quality for session in studio)

    # Performers

    def welcome(self, member: Member) -> None:
        """Say who is here, and what this session is."""
        now = monotonic_ns()
        stage = self.stage
        member.tell(
            announce.welcome(
                session=member.session.public_id,
                room=self.room.name,
                performer=member.midi.performer,
                mode=member.session.mode,
                rtp_offset=member.session.rtp_offset,
                media_time=self.media_now(now),
                profile=stage.profile if stage is not None else None,
                performers=self.performers.present(),
                player=stage.player if stage is not None else None,
                demo=self.demo.played,
                muted=member.muted,
            )
        )

    def tell_all(self, text: str) -> None:
        """The same JSON to every member."""
        for member in self.members.values():
            member.tell(text)

    def silence_everyone(self) -> None:
        """Release every performer's notes, and whatever else hangs; nobody at the keys is touched."""
        for member in self.members.values():
            if member.midi.up is not None:
                self._take(member, member.midi.up.release())
        if self.stage is not None:
            self.stage.silence()

    def note(self, performer: int, message: bytes, media_time: int) -> None:
        """Something is played, by whomever: put it into the journal for everyone to see."""
        self.journal.push(performer, message, media_time, monotonic_ns())
        self._readers.publish(Shown(performer, message, media_time))
        self._arm()

    def subscribe_notes(self, limit: int = DEFAULT_LIMIT) -> Subscription[Shown]:
        """Read what is played in the room, as everyone's page is shown it; `rtcserver.room.readers` says how.

        Each item has the performer's number (PROTOCOL.md, "Performers"), a complete MIDI channel message, and the
        media time at which it sounds, the timeline of the room's sound. Events of a file that is played come
        before their time. limit: items kept for a reader that is slow; it loses the oldest, counted.
        """
        return self._readers.subscribe(limit)

    def _authorise(self, member: Member, token: str, name: str | None) -> None:
        if self.stage is None:
            raise PeerError(409, "no_midi", "The instrument of this room takes no MIDI.")
        session = member.session
        asked = Request(
            Action.PERFORM,
            self.room.name,
            token,
            session.remote_address,
            doubtful=session.doubtful,
            session=session.public_id,
        )
        grant = self._authorizer.check_now(asked)
        if grant is not None:
            self._perform(member, self._authorizer.marked(grant, asked), name)
        elif session.id not in self._asking:
            asking = asyncio.get_running_loop().create_task(self._ask(member, asked, name))
            self._asking[session.id] = asking

    async def _ask(self, member: Member, asked: Request, name: str | None) -> None:
        """Find out elsewhere whether a member may perform. It is cancelled when the session ends."""
        try:
            grant = await self._authorizer.check(asked)
            self._perform(member, self._authorizer.marked(grant, asked), name)
        except PeerError as error:
            member.tell(announce.error(error.code, str(error), "auth"))
        finally:
            self._asking.pop(member.session.id, None)

    def _perform(self, member: Member, grant: Grant, name: str | None) -> None:
        if self.stage is None:
            raise PeerError(409, "no_midi", "The instrument of this room takes no MIDI.")
        member.grant = grant
        now = monotonic_ns()
        member.name = name or member.name
        if member.midi.performer is None:
            number = self._admission.performer(self.performers.admit(member.name, now))
            member.midi.grant(number, now)
            member.muted = self.mutes.has(member.session.remote_address, grant, now)
            self.stage.join(number)
        else:
            self.performers.rename(member.midi.performer, member.name)
        self.welcome(member)
        self.tell_all(announce.performers(self.performers.present()))
        self._arm()

    def mute(self, member: Member, on: bool) -> None:
        """Take nothing more that a performer plays, and end what they hold; or take all again that begins from now on. They
        are told so.

        Raises PeerError(409) for one who does not perform.
        """
        if member.midi.up is None:
            raise PeerError(409, "no_performer", "Only who performs can be muted.")
        if on:
            self._take(member, member.midi.up.release())
        member.muted = on
        self.mutes.set(member.session.remote_address, member.grant, on, monotonic_ns())
        self.welcome(member)

    def lapse(self) -> None:
        """Make listeners of the performers whose token counts no more; each is told so in a sentence."""
        for member in tuple(self.members.values()):
            if member.midi.performer is None:
                continue
            sentence = self._authorizer.lapsed(member.grant)
            if sentence:
                self._leave(member)
                self.welcome(member)
                member.tell(announce.error("bad_token", sentence, "auth"))

    def _leave(self, member: Member) -> None:
        number = member.midi.performer
        if number is None:
            return
        self._take(member, member.midi.revoke(), number)
        member.muted = False
        if self.stage is not None:
            self.stage.leave(number)
        self.performers.leave(number, monotonic_ns())
        self.tell_all(announce.performers(self.performers.present()))

    def _panic(self, member: Member, everyone: bool) -> None:
        self._number(member)  # Raises for a listener.
        if everyone:
            self._heard(member)
            self.silence_everyone()
        elif member.midi.up is not None:
            self._take(member, member.midi.up.release())

    def _take(self, member: Member, played: list[Played], number: int | None = None) -> None:
        """Route what a performer did."""
        performer = member.midi.performer if number is None else number
        if not played or performer is None or self.stage is None or member.muted:
            return
        self.stage.play(performer, played)

    def _playable(self, member: Member) -> Stage:
        self._number(member)
        self._heard(member)
        if self.stage is None:
            raise PeerError(409, "no_midi", "The instrument of this room takes no MIDI.")
        return self.stage

    @staticmethod
    def _heard(member: Member) -> None:
        if member.muted:
            raise PeerError(403, "muted", "A performer has muted you: what you play is not taken.")

    @staticmethod
    def _number(member: Member) -> int:
        if member.midi.performer is None:
            raise PeerError(403, "listener", "Listeners cannot do this; open the performer link.")
        return member.midi.performer

    # Time

    def _sender(self, cadence: Cadence) -> DownSender:
        if cadence not in self._senders:
            self._senders[cadence] = DownSender(self.journal, cadence, monotonic_ns())
        return self._senders[cadence]

    def _arm(self) -> None:
        """Wake up when something is due, earlier than planned if need be."""
        due = [sender.next_ns for sender in self._senders.values()]
        due += [m.midi.next_ns for m in self.members.values() if m.midi.next_ns is not None]
        if not due:
            return
        earliest = min(due)
        if self._timer is not None:
            if self._timer_ns <= earliest:
                return
            self._timer.cancel()
        self._timer_ns = earliest
        wait_s = max(0, earliest - monotonic_ns()) / NS
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = monotonic_ns()
        media = self.media_now(now)
        audiences: dict[Cadence, list[Member]] = {}
        for member in self.members.values():
            if member.has_midi:
                audiences.setdefault(member.cadence, []).append(member)
        for cadence in audiences:
            self._sender(cadence)
        for cadence, sender in list(self._senders.items()):
            audience = audiences.get(cadence)
            if not audience:
                # Nobody is left in this cadence; a new member gets a new sender.
                del self._senders[cadence]
                continue
            for message in sender.poll(now, media):
                for member in audience:
                    member.send_midi(message)
        for member in list(self.members.values()):
            due = member.midi.next_ns
            if due is not None and due <= now:
                played, replies = member.midi.poll(now, media)
                self._take(member, played)
                for reply in replies:
                    member.send_midi(reply)
        self._arm()
