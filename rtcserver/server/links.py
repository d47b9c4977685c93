"""The links that people open: a room's page, and the same with a performer's token."""

from __future__ import annotations

import sys

from rtcserver.config.model import ServerConfig
from rtcserver.server.tokens import TokenStore


def listen_link(config: ServerConfig, room: str, port: int) -> str:
    """The address of a room's page."""
    scheme = "https" if config.tls == "auto" or config.tls_cert else "http"
    return f"{scheme}://{config.public_host or config.host or 'localhost'}:{port}/r/{room}"


def perform_link(store: TokenStore, page: str, room: str, now_s: int) -> str:
    """What makes a page a performer's: the fragment never reaches a server or its log."""
    return f"{page}#perform={store.link(room, now_s)}"


def prints_secrets(config: ServerConfig) -> bool:
    """Whether performers' links belong on standard output: a container's or a service's is a log that stays."""
    return config.print_links == "always" or (config.print_links == "auto" and sys.stdout.isatty())
