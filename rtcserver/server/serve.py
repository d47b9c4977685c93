"""The server from its configuration: built, started, announced, and run until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from rtcserver import logs
from rtcserver.access.admission import Admission
from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import Door, house
from rtcserver.access.logins import Logins
from rtcserver.access.rules import NETWORKS, is_wide, lies_in
from rtcserver.children import forking
from rtcserver.clock import NS, wall_ns
from rtcserver.config.ice_servers import parse_ice_servers
from rtcserver.config.load import parse_networks
from rtcserver.config.model import ServerConfig
from rtcserver.config.published import (
    parse_allowed_hosts,
    parse_allowed_origins,
    parse_embed_ancestors,
    parse_frame_ancestors,
)
from rtcserver.config.reload import compare
from rtcserver.errors import ConfigError
from rtcserver.instrument import plugins
from rtcserver.monitor.supervisor import Monitor
from rtcserver.room.directory import Rooms
from rtcserver.server import qr
from rtcserver.server.external import External
from rtcserver.server.heartbeat import Heartbeat
from rtcserver.server.https import Https
from rtcserver.server.lapse import Lapses
from rtcserver.server.links import from_elsewhere, listen_link, perform_link, prints_secrets
from rtcserver.server.listeners import Listeners, live_streams
from rtcserver.server.listening import Listening, OnePort, Stock, metrics_of, places_of
from rtcserver.server.memory import GivingBack
from rtcserver.server.shortage import ShortageHandler
from rtcserver.server.tokens import NoPlaceError, TokenStore
from rtcserver.server.turn import password_of, secret_of
from rtcserver.server.watchdog import Watchdog
from signaling.app import create_app
from signaling.authority import CA_FILE
from signaling.ice_servers import IceServers, Told
from signaling.limits import Limits
from signaling.serve import HttpServer
from signaling.whose import Allowed

log = logging.getLogger(__name__)


class Server:
    """All objects of the server process. `start`, then `close`."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.tokens = open_tokens(config)
        warn_of_openness(config)
        self.logins = Logins(config.users) if config.users else None
        self.external = External(config.auth_url) if config.auth_url else None
        self.authorizer = Authorizer(self._door(), self.logins, self.external)
        self.admission = admission = Admission(places_of(config))
        self.allowed = Allowed(*allowed_of(config))
        self.ice_servers = Told(ice_servers_of(config))
        self.rooms = Rooms(config, self._listeners, self._processes, self._studio)
        self.listening: Listening = (OnePort if config.transport == "one-port" else Stock)(
            config, self.rooms, self.authorizer, admission
        )
        authority = Path(config.state_dir) / CA_FILE if config.tls == "auto" else None
        self.live = live_streams(config, self.rooms, self.listening, admission)
        self.listeners = listeners = Listeners(self.listening.backend, self.live)
        self.metrics = metrics_of(self.rooms, self.listening, admission, self._http_counts, self.live)
        limits = limits_of(config)
        app = create_app(
            self.rooms,
            listeners,
            self.authorizer,
            admission=admission,
            limits=limits,
            authority=authority,
            instruments=self.listening.desk if isinstance(self.listening, OnePort) else None,
            desks=self.listening.desk if isinstance(self.listening, OnePort) else None,
            metrics=self.metrics.render if self.metrics is not None else None,
            refused=self.metrics.joins.refused if self.metrics is not None else None,
            tokens=self.tokens,
            trusted_proxies=parse_networks(config.trusted_proxies, "trusted_proxies"),
            allowed=self.allowed,
            frame_ancestors=parse_frame_ancestors(config.frame_ancestors),
            embed_ancestors=parse_embed_ancestors(config.embed_ancestors),
            ice_servers=self.ice_servers,
            built=not config.dev,
            streams=self.live,
        )
        self.lapses = Lapses(self.authorizer, listeners, self.listening.lapse)
        self.http = HttpServer(app, limits, admission, media=self._media())
        self.port = config.port
        self.https = Https(config)
        self.monitors = [
            Monitor(room.instrument, room.config.instrument.monitor)
            for room in self.rooms.all()
            if room.config.instrument.monitor
        ]
        health_file = Path(config.health_file) if config.health_file else None
        self._heartbeat = (
            Heartbeat(health_file, lambda: str(self.rooms.health()["status"])) if health_file else None
        )
        self._giving_back = GivingBack(lambda: len(listeners.sessions()))
        self._watchdog = Watchdog(config.watchdog_s, health_file)
        self._forks = forking.of_this_process()

    async def start(self) -> None:
        """Take the port first, so that a taken one ends the server before a device is touched; serve last."""
        context = self.https.open()
        self.port = self.http.bind(self.config.host, self.config.port)
        if self._forks is not None:
            self._forks.watch()
        for room in self.rooms.all():
            await room.instrument.start()
        for monitor in self.monitors:
            await monitor.start()
        await self.listening.start(self.rooms.all(), self.port)
        await self.http.start(tls=context)
        self.https.start()
        self.lapses.start()
        if self.metrics is not None:
            self.metrics.loop_lag.start()
        if self._heartbeat is not None:
            self._heartbeat.start()
        self._giving_back.start()
        self._watchdog.start()

    async def close(self) -> None:
        """End everything, each part bounded in time."""
        if self.metrics is not None:
            self.metrics.loop_lag.close()
        if self._heartbeat is not None:
            await self._heartbeat.close()
        await self._giving_back.close()
        await self.https.close()
        await self.lapses.close()
        if self.live is not None:
            await self.live.close()
        await self.http.close()
        if self.logins is not None:
            self.logins.close()
        if self.external is not None:
            await self.external.close()
        await self.listening.close()
        await asyncio.gather(*(monitor.close() for monitor in self.monitors))
        await asyncio.gather(*(room.instrument.close() for room in self.rooms.all()))
        if self._forks is not None:
            await self._forks.close()
        self._watchdog.close()

    def take_rules(self) -> None:
        """Judge by the configuration's rules and users from now on; sessions of users that are gone end."""
        if self.logins is not None:
            self.logins.close()
        self.logins = Logins(self.config.users) if self.config.users else None
        self.authorizer.door, self.authorizer.passwords = self._door(), self.logins
        warn_of_openness(self.config)

    def _door(self) -> Door:
        return house(self.config.access, self.tokens.key, self.tokens.is_revoked, self.config.users)

    def _media(self) -> Callable[[socket.socket, bytes], None] | None:
        """Who takes connections that come to the port of HTTP with media; None if that is another port."""
        config, listening = self.config, self.listening
        same = config.port in (config.media_tcp_port or config.media_port or config.port, 0)
        return listening.adopt if isinstance(listening, OnePort) and config.media_tcp and same else None

    def _listeners(self, room: str) -> int:
        return len(self.listeners.sessions(room))

    def _studio(self, room: str) -> dict[str, object] | None:
        return self.listening.studio(room)

    def _http_counts(self) -> tuple[int, int, int]:
        return self.http.connections, self.http.refused, self.http.malformed

    def _processes(self) -> dict[str, dict[str, object]]:
        monitors = {f"monitor:{m.room}": m.health() for m in self.monitors}
        forks = {"fork-server": self._forks.health()} if self._forks is not None else {}
        return {"server": self._watchdog.health(), **forks, **self.listening.processes(), **monitors}


async def serve(config: ServerConfig, reread: Callable[[], ServerConfig]) -> None:
    """Run until SIGINT or SIGTERM; SIGHUP reads the configuration again. Raises ConfigError if the port is taken."""
    server = Server(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(ShortageHandler())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload, server, reread)
    try:
        await server.start()
        announce(server)
        await stop.wait()
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.close(), 15)


def reload(server: Server, reread: Callable[[], ServerConfig]) -> None:
    """Take over what may change while the server runs, renewed certificate files too. What is wrong changes nothing."""
    server.https.reload()
    try:
        found = compare(server.config, reread())
        # What the files of secrets hold may have changed, although the configuration has not.
        ice_servers = ice_servers_of(found.config)
    except ConfigError as error:
        log.error("the configuration stays as it is: %s", error)
        return
    server.config = found.config
    if found.rules:
        server.take_rules()
        log.info("the rules of access and the users are as the configuration has them now")
    if found.limits:
        server.admission.change(places_of(found.config))
        log.info("newcomers meet the limits that the configuration has now")
    if found.pages:
        server.allowed.change(*allowed_of(found.config))
        log.info("allowed_hosts and allowed_origins are as the configuration has them now")
    if ice_servers != server.ice_servers.servers:
        server.ice_servers.servers = ice_servers
        log.info("listeners are told of STUN and TURN servers as the configuration has them now")
    for room, title in found.titles.items():
        server.rooms[room].config = found.config.rooms[room]
        log.info('room %s: its title is "%s" now', room, title)
    for room, bitrate_bps in found.bitrates_bps.items():
        server.rooms[room].instrument.set_bitrate(bitrate_bps)
        log.info("room %s: bitrate_bps is %d now", room, bitrate_bps)
    if found.log_level is not None:
        logging.getLogger().setLevel(found.log_level.upper())
    if found.waiting:
        log.warning("these keys take effect at the next start: %s", ", ".join(found.waiting))


def announce(server: Server) -> None:
    """Print where to listen: the lines that a new user needs. A log in JSON gets them instead, without secrets.

    A full disk that takes no line ends nothing.
    """
    say = log.info if server.config.log_format == "json" else partial(print, flush=True)
    for line in _links(server):
        with contextlib.suppress(OSError):
            say(line)


def _links(server: Server) -> Iterator[str]:
    for name in server.rooms.names():
        page = listen_link(server.config, name, server.port)
        # The link that may be shared comes first: whoever copies in haste gives no secret away.
        yield f"Listen at  {page}"
        if server.listening.playable(name):
            if prints_secrets(server.config) and server.config.log_format != "json":
                try:
                    yield f"Play at    {perform_link(server.tokens, page, name, int(wall_ns() / NS))}"
                except ConfigError as error:
                    yield f"Play at    (no link can be made: {error})"
            else:
                yield "Play at    (a secret: `python -m rtcserver link` with this start's flags prints it)"
    if elsewhere := from_elsewhere(server.config, server.port):
        yield elsewhere
    if server.config.log_format != "json" and qr.terminal():
        names = server.rooms.names()
        # The list of rooms, where there are several: one code fits on the screen.
        page = listen_link(server.config, names[0], server.port)
        link = qr.from_a_phone(page if len(names) == 1 else page.rpartition("/r/")[0] + "/")
        if link and (shown := qr.code(link)):
            yield f"{shown}\nFrom a phone  {link}"


def open_tokens(config: ServerConfig) -> TokenStore:
    """The tokens in the state folder; in memory where it cannot be written, which ends all links with this run.

    Raises ConfigError if what is there cannot be used.
    """
    try:
        return TokenStore(config.state_dir)
    except NoPlaceError as error:
        log.warning("%s: links are valid for this run only", error)
        return TokenStore("")


def allowed_of(config: ServerConfig) -> tuple[list[str], list[str]]:
    """Hosts and origins whose pages are served, by the configuration; that all are, is said in the log."""
    hosts = [*parse_allowed_hosts(config.allowed_hosts), *_words(config.public_host), config.host]
    origins = list(parse_allowed_origins(config.allowed_origins))
    if "*" in origins:
        log.warning("allowed_origins = *: every page that a listener opens anywhere may listen, too")
    return [host for host in hosts if host], origins


def warn_of_openness(config: ServerConfig) -> None:
    """Say in the log what is open to the world, and which secrets can be read on the way."""
    secure = config.tls == "auto" or config.tls_cert
    if not secure and any(rule.is_wide and not rule.token and not rule.external for rule in config.access):
        log.warning(
            "OPEN TO THE WORLD WITHOUT TLS: an access rule lets everybody pass from any network, and anyone on "
            "the way can read and change what is sent; set tls, or name networks in the rule"
        )
    wide = [text for text in parse_networks(config.trusted_proxies, "trusted_proxies") if is_wide(text)]
    if wide:
        log.warning(
            "trusted_proxies names %s: whoever can reach the server may say that they are on this machine or a "
            "private network; name the proxies only",
            ", ".join(wide),
        )
    if config.users and not secure and not config.trusted_proxies:
        log.warning("users have passwords, but there is no TLS: anyone on the way can read them; set tls")
    url = urlsplit(config.auth_url)
    near = url.hostname == "localhost" or lies_in(url.hostname or "", NETWORKS["loopback"])
    if url.scheme == "http" and not near:
        log.warning(
            "auth_url is http:// to another machine: anyone on the way can read the tokens and passwords"
        )


def limits_of(config: ServerConfig) -> Limits:
    """What one request may cost, by the configuration."""
    return Limits(
        max_body_bytes=config.max_body_bytes,
        body_s=config.body_timeout_s,
        max_upload_bytes=config.max_upload_bytes,
        idle_s=config.header_timeout_s,
        max_header_line_bytes=config.max_header_line_bytes,
        max_headers=config.max_headers,
        max_header_bytes=config.max_header_bytes,
    )


def ice_servers_of(config: ServerConfig) -> IceServers:
    """What listeners are told of STUN and TURN servers. Raises ConfigError if a secret's file cannot be used."""
    return IceServers(
        parse_ice_servers(config.ice_servers),
        secret_of(config).encode(),
        config.turn_username,
        password_of(config),
        config.turn_lifetime_s,
    )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def run(config: ServerConfig, read: Callable[[], ServerConfig]) -> None:
    """Log to standard error and serve. Raises ConfigError before anything is served, a missing file's too.

    read: reads the configuration again, on SIGHUP.
    """
    logs.configure(config.log_level, config.log_format)
    for broken in plugins.prepare({name: room.instrument for name, room in config.rooms.items()}):
        if config.log_format == "json":
            log.warning("%s", broken)
        else:
            print(f"rtcserver: {broken}", file=sys.stderr, flush=True)
    asyncio.run(serve(config, read))
