"""The two ways to serve listeners, each with what it needs around its backend.

`Stock`: aiortc's peer connections in this process, fed by a hub a room. `OnePort`: the media
endpoint in this process and the broadcast process beside it, fed by the instrument directly.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from rtcserver.access.admission import Admission, Places
from rtcserver.access.authorizer import Authorizer
from rtcserver.broadcast.control import BroadcastReport
from rtcserver.broadcast.supervisor import BroadcastSupervisor
from rtcserver.channel import announce
from rtcserver.channel.limits import ChannelRates
from rtcserver.config.load import parse_hosts, parse_networks
from rtcserver.config.model import ServerConfig
from rtcserver.encode.codec import CODECS
from rtcserver.encode.encoding import OWN, TIERS, Encoding, encodings_of, light_of
from rtcserver.midiport.supervisor import MidiPort, Port
from rtcserver.ogg.live import LiveStreams
from rtcserver.peer.base import MODES, PeerBackend
from rtcserver.peer.limits import SessionLimits
from rtcserver.peer.oneport import OnePortBackend, supervised
from rtcserver.peer.oneport_session import OnePortSession
from rtcserver.peer.reception import Reception
from rtcserver.peer.way import PATHS
from rtcserver.room.desk import RoomDesk
from rtcserver.room.desks import Desks
from rtcserver.room.directory import Room, Rooms
from rtcserver.room.ports import port_of
from rtcserver.room.stage import Stage, StageLimits
from rtcserver.telemetry.metrics import Metrics, Observed
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint

# Where `transport` is not aiortc, aiortc may be there without its media (`rtcserver.transport.aiortc_media`).
if TYPE_CHECKING:
    from rtcserver.stock.hub import PacketHub


class Listening(Protocol):
    """A transport for listeners. Loop-bound."""

    backend: PeerBackend

    async def start(self, rooms: Sequence[Room], http_port: int) -> None:
        """Begin to serve these rooms, whose instruments run. Raises ConfigError, ProcessError."""

    def lapse(self) -> None:
        """Take the right to perform from those whose token counts no more."""

    def playable(self, room: str) -> bool:
        """Whether performers can play this room's instrument."""

    def plays(self, room: str) -> str:
        """The name of the file that a room plays at this moment, or ""."""

    def studio(self, room: str) -> dict[str, object] | None:
        """Studio's places and cost in a room, for ``/api/rooms``; None where there is none."""

    def processes(self) -> dict[str, dict[str, object]]:
        """Child processes by name, for ``/healthz``."""

    async def close(self) -> None:
        """End all sessions and what serves them, bounded in time."""


def metrics_of(
    rooms: Rooms,
    listening: Listening,
    admission: Admission,
    http: Callable[[], tuple[int, int, int]],
    live: LiveStreams | None = None,
) -> Metrics | None:
    """The metrics of a transport that has them. http: see `Observed`. live: players of the Ogg streams."""
    if not isinstance(listening, OnePort):
        return None
    metrics = Metrics(
        Observed(
            rooms,
            audience=lambda: listening.audience() | (live.audience() if live is not None else {}),
            broadcast=listening.report,
            transport=listening.datagrams,
            midi=listening.desk.midi_events,
            ended=listening.ended,
            failed=listening.failed,
            connecting=listening.connecting,
            paths=listening.paths,
            http=http,
            limited=lambda: admission.refused,
            tiers=listening.tiers,
            codecs=listening.codecs,
            live=live.counters if live is not None else dict,
        )
    )
    for name, desk in listening.desk.rooms.items():
        desk.observe = metrics.listeners.observe
        metrics.joins.expect(name)
    listening.observe_players(metrics.listeners.observe)
    listening.observe_joins(metrics.joins.joined)
    return metrics


def places_of(config: ServerConfig) -> Places:
    """How many there may be of each, by the configuration and what the transport can bear."""
    connecting = config.max_half_open
    if config.transport == "aiortc":
        from rtcserver.stock.peer import MAX_HALF_OPEN

        connecting = min(connecting, MAX_HALF_OPEN)
    return Places(
        listeners=config.max_listeners,
        listeners_per_room=config.max_listeners_per_room,
        connecting=connecting,
        connecting_per_address=config.max_half_open_per_address,
        shared_addresses=parse_networks(config.shared_addresses, "shared_addresses"),
        studio=config.studio_listeners,
        studio_light=config.studio_light_listeners,
        live_per_address=config.max_live_per_address,
        connections=config.max_connections,
        connections_per_address=config.max_connections_per_address,
        media_connections=config.max_media_connections,
        media_connections_per_address=config.max_media_connections_per_address,
        offers_per_minute=config.max_offers_per_minute,
        requests_per_minute=config.max_requests_per_minute,
        uploads_per_minute=config.max_uploads_per_minute,
    )


def session_limits_of(config: ServerConfig) -> SessionLimits:
    """What one session may cost, by the configuration."""
    return SessionLimits(
        config.max_media_lines,
        config.max_candidates,
        config.max_channels,
        config.max_patches_per_minute,
        config.max_restarts_per_minute,
    )


class Stock:
    """`transport = aiortc`."""

    def __init__(
        self, config: ServerConfig, rooms: Rooms, authorizer: Authorizer, admission: Admission
    ) -> None:
        from rtcserver.stock.peer import StockBackend

        self._hubs: dict[str, PacketHub] = {}
        self.backend: PeerBackend = StockBackend(
            lambda room: self._hubs[room].subscribe(),
            frame_ms=lambda room: rooms[room].config.instrument.frame_ms,
            admission=admission,
            limits=session_limits_of(config),
        )

    async def start(self, rooms: Sequence[Room], http_port: int) -> None:
        from rtcserver.stock.hub import PacketHub

        for room in rooms:
            hub = PacketHub(
                room.instrument.open_feed(),
                frame_samples=room.config.instrument.frame_samples,
                origin=room.instrument.origin,
            )
            hub.start()
            self._hubs[room.name] = hub
        await self.backend.start()

    def lapse(self) -> None:
        """Nobody performs."""

    def playable(self, room: str) -> bool:
        return False

    def plays(self, room: str) -> str:
        return ""

    def studio(self, room: str) -> dict[str, object] | None:
        return None

    def processes(self) -> dict[str, dict[str, object]]:
        return {}

    async def close(self) -> None:
        await self.backend.close()
        for hub in self._hubs.values():
            hub.close()


class OnePort:
    """`transport = one-port`."""

    def __init__(
        self, config: ServerConfig, rooms: Rooms, authorizer: Authorizer, admission: Admission
    ) -> None:
        self._config = config
        self._endpoint = MediaEndpoint(
            EndpointConfig(
                host=config.host,
                port=config.media_port,
                public_hosts=parse_hosts(config.public_host),
                public_media_port=config.public_media_port,
                bridges=config.offer_bridges,
                tcp=config.media_tcp,
                tcp_port=config.media_tcp_port,
                public_tcp_port=config.public_media_tcp_port,
            ),
            admission,
        )
        rates = ChannelRates(config.max_channel_messages_per_s, config.max_channel_bytes_per_s)
        self._stage_limits = StageLimits(config.max_uploads, config.max_file_events_per_s)
        self.desk = Desks(
            {room.name: RoomDesk(room, authorizer, admission, rates) for room in rooms.all()}, admission
        )
        self._backend = OnePortBackend(
            self._endpoint,
            on_datachannel=self.desk.on_datachannel,
            on_ended=self.desk.on_ended,
            admit=self.desk.admit,
            own_broadcast=self._own_broadcast,
            frame_ms=lambda room: rooms[room].config.instrument.frame_ms,
            redundancy=config.redundancy,
            redundancy_frames=config.redundancy_frames,
            encodings=lambda room: _encodings(rooms[room]) if config.tiers else {},
            admission=admission,
            limits=session_limits_of(config),
            parting=announce.leaving,
        )
        self._supervisor: BroadcastSupervisor | None = None
        self._ports: dict[str, Port] = {}
        self.backend: PeerBackend = self._backend

    async def start(self, rooms: Sequence[Room], http_port: int) -> None:
        await self._endpoint.start(self._config.media_port or http_port, http_port)
        for room in rooms:
            found = port_of(room.name, room.instrument)
            if found is not None:
                port, profile = found
                desk = self.desk.rooms[room.name]
                desk.stage = Stage(desk, port, profile, desk.journal.state, self._stage_limits)
                self._ports[room.name] = port
                await port.start()
        await self._backend.start()
        for room in rooms:
            self._backend.add_feed(
                room.name,
                room.instrument.open_feed(packets=False),
                room.config.instrument.frame_samples,
                partial(_anchor, room),
                [encoding for encoding in _encodings(room).values() if encoding.stream != OWN],
            )
        named = {room.name: room for room in rooms}
        self._backend.on_demand = lambda room, names: _encode(named[room], names)

    def adopt(self, sock: socket.socket, data: bytes) -> None:
        """Take over a TCP connection that begins with a framed packet, and what it has said."""
        self._endpoint.streams.adopt(sock, data)

    def lapse(self) -> None:
        self.desk.lapse()

    def playable(self, room: str) -> bool:
        return self.desk.rooms[room].stage is not None

    def plays(self, room: str) -> str:
        desk = self.desk.rooms[room]
        played = desk.stage.plays if desk.stage is not None else ""
        return played or desk.demo.title

    def studio(self, room: str) -> dict[str, object] | None:
        backend = self._backend
        return self.desk.describe_studio(room, backend.in_studio(room), backend.in_studio(room, "light"))

    def processes(self) -> dict[str, dict[str, object]]:
        supervisor = self._supervisor
        client = supervisor.client if supervisor is not None else None
        report = self.report()
        ports: dict[str, dict[str, object]] = {
            f"midi:{name}": {"pid": port.pid, "running": port.pid is not None, "restarts": port.restarts}
            for name, port in self._ports.items()
            if isinstance(port, MidiPort)
        }
        return ports | {
            "broadcast": {
                "pid": supervisor.pid if supervisor is not None else None,
                "running": client is not None,
                "restarts": supervisor.restarts if supervisor is not None else 0,
                "spare": supervisor.spare_pid if supervisor is not None else None,
                "listeners": report.totals.listeners if report is not None else 0,
                "dropped": report.totals.dropped + report.totals.errors if report is not None else 0,
                "srtp": report.srtp if report is not None else "",
            }
        }

    async def close(self) -> None:
        await self._backend.close()
        self.desk.close()
        await asyncio.gather(*(port.close() for port in self._ports.values()))

    def report(self) -> BroadcastReport | None:
        """The broadcast process's latest report."""
        client = self._supervisor.client if self._supervisor is not None else None
        return client.report if client is not None else None

    def observe_players(self, observe: Callable[[str, Mapping[str, float]], None]) -> None:
        """Hand on what receiver reports tell of listeners that have no page of ours to tell more."""

        def heard(session: OnePortSession, reception: Reception) -> None:
            if not session.reports_itself:
                observe("player", reception.values())

        self._backend.on_reception = heard

    def observe_joins(self, observe: Callable[[str, str, float], None]) -> None:
        """Hand on the room, the mode and the seconds of each join."""

        def joined(session: OnePortSession) -> None:
            observe(session.room, session.sending.mode, session.joined_s or 0.0)

        self._backend.on_joined = joined

    def audience(self) -> dict[tuple[str, str], int]:
        """Connected sessions by room and mode; ``player`` are those without our page, ``studio-light`` those in Studio that
        get compressed sound. All that could be, with zeros."""
        modes = (*MODES, "studio-light", "player")
        count = dict.fromkeys(((room, mode) for room in self.desk.rooms for mode in modes), 0)
        for session in self._backend.connected():
            listens = session.mode != "listen" or session.reports_itself
            count[session.room, session.sending.mode if listens else "player"] += 1
        return count

    def tiers(self) -> dict[tuple[str, str], int]:
        """Connected sessions by room and tier. All that could be, with zeros."""
        count = dict.fromkeys(((room, tier) for room in self.desk.rooms for tier in TIERS), 0)
        for session in self._backend.connected():
            if session.feedback.tiers is not None:
                count[session.room, str(session.details["tier"])] += 1
        return count

    def codecs(self) -> dict[tuple[str, str], int]:
        """Connected sessions by room and codec. All that could be, with zeros."""
        count = dict.fromkeys(((room, codec) for room in self.desk.rooms for codec in CODECS), 0)
        for session in self._backend.connected():
            count[session.room, session.codec.name] += 1
        return count

    def paths(self) -> dict[str, int]:
        """Connected sessions by the way that their packets take. All that could be, with zeros."""
        return dict.fromkeys(PATHS, 0) | Counter(
            str(session.details["path"]) for session in self._backend.connected()
        )

    def connecting(self) -> int:
        """Sessions on the way to being connected."""
        return self._endpoint.half_open

    def ended(self) -> dict[str, int]:
        """Sessions that ended, by reason."""
        counted = self._backend.counters.items()
        return {what.removeprefix("ended_"): n for what, n in counted if what.startswith("ended_")}

    def failed(self) -> dict[str, int]:
        """Sessions that ended before they were connected, by reason."""
        return {why.replace("-", "_"): n for why, n in self._backend.unconnected.items()}

    def datagrams(self) -> dict[str, int]:
        """What the media port, the sessions and Studio over DataChannels counted."""
        return {
            **self._endpoint.counters,
            **{f"session_{k}": v for k, v in self._backend.counters.items()},
            **{f"studio_channel_{k}": v for k, v in self.desk.sample_counters().items()},
        }

    def _own_broadcast(self, backend: OnePortBackend) -> BroadcastSupervisor:
        self._supervisor = supervised(backend, bursts=self._config.srtp == "auto")
        return self._supervisor


def _encodings(room: Room) -> dict[str, Encoding]:
    """A room's encodings by name, its own too."""
    config = room.instrument.config
    return encodings_of(config.bitrate_bps, config.frame_samples, light_of(config))


def _encode(room: Room, names: Collection[str]) -> None:
    """Let the instrument make these encodings; its own goes on while there is any."""
    room.instrument.set_listened(bool(names))
    room.instrument.set_encodings(encoding for name, encoding in _encodings(room).items() if name in names)


def _anchor(room: Room) -> tuple[int, int]:
    """A moment of the room's timeline: media time and monotonic ns."""
    anchor = room.instrument.anchor
    return anchor.media_time, anchor.at_ns
