"""What surrounds a published server: pages that frame ours, and variables that are not meant for it. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from rtcserver.errors import ConfigError

_HOST_SOURCE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(?:[0-9]{1,5}|\*))?",
    re.IGNORECASE,
)
_SCHEME_SOURCE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_KEYWORDS = {"self": "'self'", "'self'": "'self'", "none": "'none'", "'none'": "'none'"}

_SERVICE = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(?:_[A-Z0-9_]+)?$|_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$"
)
_SERVICE_URL = re.compile(r"(?:tcp|udp|sctp)://")


def parse_frame_ancestors(text: str) -> str:
    """`frame_ancestors` as a source list of a content security policy (its Level 3, section 6.4.2).

    text: sources, with spaces or commas. "self" and "none" may do without their quotation marks, and an origin may end
    with the slash that an address bar shows. Raises ConfigError that names the wrong source.
    """
    sources = [_source(part) for part in re.split(r"[\s,]+", text) if part]
    if not sources:
        raise ConfigError(
            "frame_ancestors: nothing is named; write 'none' to let no page show ours in a frame"
        )
    if "'none'" in sources and len(sources) > 1:
        raise ConfigError(f"frame_ancestors = \"{text}\" is not allowed: 'none' stands alone")
    return " ".join(dict.fromkeys(sources))


def _source(text: str) -> str:
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    bare = text.removesuffix("/")
    if _HOST_SOURCE.fullmatch(bare) or _SCHEME_SOURCE.fullmatch(text):
        return bare
    raise ConfigError(
        f"frame_ancestors: \"{text}\" is no origin; write origins such as https://home.local:8123, 'self', 'none' or *"
    )


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
