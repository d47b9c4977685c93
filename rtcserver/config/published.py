"""What surrounds a published server: pages that frame ours, and variables that are not meant for it. Pure."""

from __future__ import annotations

import contextlib
import re
from urllib.parse import urlsplit

from rtcserver.errors import ConfigError

_HOST_SOURCE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(?:[0-9]{1,5}|\*))?",
    re.IGNORECASE,
)
_SCHEME_SOURCE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_KEYWORDS = {"self": "'self'", "'self'": "'self'", "none": "'none'", "'none'": "'none'"}

_NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_HOST = re.compile(rf"{_NAME}\.?|\[?[0-9a-f.]*:[0-9a-f:.]+\]?", re.IGNORECASE)
_ORIGIN = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>{_NAME}|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?"
)
_USUAL_PORTS = {"http": "80", "https": "443"}

_SERVICE = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(?:_[A-Z0-9_]+)?$|_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$"
)
_SERVICE_URL = re.compile(r"(?:tcp|udp|sctp)://")


def parse_frame_ancestors(text: str) -> str:
    """`frame_ancestors` as a source list of a content security policy (its Level 3, section 6.4.2).

    text: sources, with spaces or commas. "self" and "none" may do without their quotation marks, and an origin may end
    with the slash that an address bar shows. Raises ConfigError that names the wrong source.
    """
    return _sources(text, "frame_ancestors")


def parse_embed_ancestors(text: str) -> str:
    """`embed_ancestors` as the same; "" where nothing is named. Raises ConfigError that names the wrong source."""
    return _sources(text, "embed_ancestors") if text.strip(", \t\n") else ""


def _sources(text: str, key: str) -> str:
    sources = [_source(part, key) for part in re.split(r"[\s,]+", text) if part]
    if not sources:
        raise ConfigError(f"{key}: nothing is named; write 'none' to let no page show ours in a frame")
    if "'none'" in sources and len(sources) > 1:
        raise ConfigError(f"{key} = \"{text}\" is not allowed: 'none' stands alone")
    return " ".join(dict.fromkeys(sources))


def _source(text: str, key: str) -> str:
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    bare = text.removesuffix("/")
    if _HOST_SOURCE.fullmatch(bare) or _SCHEME_SOURCE.fullmatch(text):
        return bare
    raise ConfigError(
        f"{key}: \"{text}\" is no origin; write origins such as https://home.local:8123, 'self', 'none' or *"
    )


def parse_allowed_hosts(text: str) -> tuple[str, ...]:
    """`allowed_hosts`: names as a ``Host`` header has them, without a port, or "*". Raises ConfigError for one that no
    browser could send, as it would never match."""
    return tuple(_allowed_host(part) for part in _parts(text))


def _allowed_host(text: str) -> str:
    if text == "*" or _HOST.fullmatch(text):
        return text.lower()
    hint = "without scheme, port and path"
    if not text.isascii():
        with contextlib.suppress(UnicodeError):
            hint = f"as browsers send it: {text.encode('idna').decode()}"
    raise ConfigError(f'allowed_hosts: "{text}" can never match: write a name such as studio.example, {hint}')


def parse_allowed_origins(text: str) -> tuple[str, ...]:
    """`allowed_origins`: origins as an ``Origin`` header has them (RFC 6454, section 6.2), "null" or "*".

    A scheme's usual port is left out, as browsers do. Raises ConfigError for one that no browser could send.
    """
    return tuple(_allowed_origin(part) for part in _parts(text))


def _allowed_origin(text: str) -> str:
    bare = text.lower().removesuffix("/")
    form = _ORIGIN.fullmatch(bare)
    if bare in ("*", "null"):
        return bare
    if form is None:
        raise ConfigError(
            f'allowed_origins: "{text}" can never match: write scheme, name and port, such as '
            "https://studio.example or http://studio.example:8080"
        )
    usual = form["port"] == _USUAL_PORTS.get(form["scheme"])
    return f"{form['scheme']}://{form['host']}" if usual else bare


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_auth_url(text: str) -> None:
    """Raises ConfigError unless `auth_url` is empty or a URL that can be asked. It may hold a password: it is not shown."""
    if not text:
        return
    try:
        parts = urlsplit(text)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ConfigError("auth_url is not allowed: it is a URL such as http://127.0.0.1:9000/auth")


def is_of_kubernetes(name: str, value: str) -> bool:
    """Whether an environment variable tells of a Kubernetes service (or a Docker link), not of our configuration.

    Each pod gets them for every service of its namespace. For one called rtcserver they are RTCSERVER_SERVICE_HOST,
    RTCSERVER_SERVICE_PORT, RTCSERVER_PORT=tcp://10.0.0.1:8080, RTCSERVER_PORT_8080_TCP_ADDR and so on
    (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
    """
    return bool(_SERVICE.search(name)) or (name.endswith("_PORT") and bool(_SERVICE_URL.match(value)))
