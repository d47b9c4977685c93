"""The links that people open: a room's page, and the same with a performer's token."""

from __future__ import annotations

import ipaddress
import socket
import sys

from rtcserver.config.load import parse_hosts
from rtcserver.config.model import ServerConfig
from rtcserver.server.tokens import TokenStore


def listen_link(config: ServerConfig, room: str, port: int) -> str:
    """The address of a room's page, by the first of `public_host`, by `host`, or on this machine. Raises ConfigError."""
    named = [*parse_hosts(config.public_host), *([config.host] if config.host else [])]
    return f"{_scheme(config)}://{_in_a_link(named[0]) if named else 'localhost'}:{port}/r/{room}"


def from_elsewhere(config: ServerConfig, port: int) -> str:
    """A sentence for people whose links say ``localhost``: by which name other machines may find this one; else ""."""
    if not listen_link(config, "", port).startswith(f"{_scheme(config)}://localhost:"):
        return ""
    return f"From other machines:  {_scheme(config)}://{socket.gethostname()}:{port}/"


def _scheme(config: ServerConfig) -> str:
    return "https" if config.tls == "auto" or config.tls_cert else "http"


def _in_a_link(host: str) -> str:
    """A host as links have it: brackets around an IPv6 address (RFC 3986, section 3.2.2), localhost for all addresses."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "localhost"
    return f"[{address}]" if address.version == 6 else host


def perform_link(store: TokenStore, page: str, room: str, now_s: int) -> str:
    """What makes a page a performer's: the fragment never reaches a server or its log."""
    return f"{page}#perform={store.link(room, now_s)}"


def prints_secrets(config: ServerConfig) -> bool:
    """Whether performers' links belong on standard output: a container's or a service's is a log that stays."""
    return config.print_links == "always" or (config.print_links == "auto" and sys.stdout.isatty())
