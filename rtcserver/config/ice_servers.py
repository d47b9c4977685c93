"""STUN and TURN servers that listeners are told of: the grammar of their URLs, and which credentials go together. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from rtcserver.errors import ConfigError

if TYPE_CHECKING:
    from rtcserver.config.model import ServerConfig

MAX_ICE_SERVERS = 8
"""URLs. Browsers gather candidates from each of them before each connection."""
_URL = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_SHOWABLE = re.compile(r"[ -~]+")
_HOW = "write stun:HOST, turn:HOST:PORT, turn:HOST?transport=tcp or turns:HOST (RFC 7064, RFC 7065), without // and path"


def parse_ice_servers(text: str) -> tuple[str, ...]:
    """`ice_servers` as URLs, each once. Raises ConfigError that names the wrong one.

    The grammar is RFC 7064's and RFC 7065's (section 3.1 of both); of the transports of RFC 7065, browsers know udp
    and tcp.
    """
    urls = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if len(urls) > MAX_ICE_SERVERS:
        raise ConfigError(f"ice_servers: these are {len(urls)}; at most {MAX_ICE_SERVERS} are allowed")
    for url in urls:
        _check_url(url)
    return urls


def is_relay(url: str) -> bool:
    """Whether a URL names a TURN server, which asks for credentials."""
    return url.lower().startswith("turn")


def _check_url(url: str) -> None:
    parts = _URL.fullmatch(url)
    if parts is None or not _is_host(parts["host"]):
        raise ConfigError(f'ice_servers: "{_without_user(url)}" is no URL of such a server: {_HOW}')
    if parts["port"] is not None and not 1 <= int(parts["port"]) <= 65_535:
        raise ConfigError(f'ice_servers: "{url}": a port is a number from 1 to 65535')
    if parts["transport"] is not None and not is_relay(url):
        raise ConfigError(f'ice_servers: "{url}": only turn: and turns: have a ?transport (RFC 7064)')


def _without_user(url: str) -> str:
    """For an error: who writes turn:user:password@host has written a secret."""
    head, at, tail = url.rpartition("@")
    return f"{head.partition(':')[0]}:…@{tail}" if at else url


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            return ipaddress.ip_address(host[1:-1]).version == 6
        except ValueError:
            return False
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return ipaddress.ip_address(host).version == 4
        except ValueError:
            return False
    return _NAME.fullmatch(host) is not None


def check_ice_servers(config: ServerConfig) -> None:
    """Raises ConfigError unless the keys about STUN and TURN go together. Shows no secret; reads no file."""
    urls = parse_ice_servers(config.ice_servers)
    secret = bool(config.turn_secret or config.turn_secret_file)
    password = bool(config.turn_password or config.turn_password_file)
    for one in ("turn_secret", "turn_password"):
        if getattr(config, one) and not getattr(config, one).strip():
            raise ConfigError(f"{one} is empty: there are only blanks in it")
        if getattr(config, one) and getattr(config, f"{one}_file"):
            raise ConfigError(f"{one} and {one}_file are both given; one of them is enough")
    if secret and (password or config.turn_username):
        raise ConfigError(
            "turn_secret makes credentials that expire; turn_username and turn_password are for servers without one"
        )
    if password != bool(config.turn_username):
        missing = "turn_username" if password else "turn_password or turn_password_file"
        raise ConfigError(f"turn_username and turn_password belong together: {missing} is missing")
    relays = [url for url in urls if is_relay(url)]
    if relays and not secret and not password:
        raise ConfigError(
            f"ice_servers: {relays[0]} needs turn_secret (or turn_secret_file), coturn's static-auth-secret; or "
            "turn_username and turn_password"
        )
    if not relays and (secret or password):
        raise ConfigError("ice_servers names no turn: or turns: URL that the TURN credentials could be for")
    check_secret("turn_username", config.turn_username)
    check_secret("turn_password", config.turn_password)


def check_secret(key: str, text: str) -> None:
    """Raises ConfigError, which does not show it, for what no HTTP header can hold (RFC 9110, section 5.5)."""
    if text and _SHOWABLE.fullmatch(text) is None:
        raise ConfigError(f"{key} may hold printable ASCII characters only")
