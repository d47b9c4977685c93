"""What the server's process leaves out of large libraries, as it is a third of an idle server's memory otherwise."""

from __future__ import annotations

from rtcserver.config.model import ServerConfig
from rtcserver.server.placeholders import import_without
from rtcserver.transport.aiortc_media import NOT_OF_THE_ONE_PORT

CLIENT = (
    "aiohappyeyeballs",
    "aiohttp.client",
    "aiohttp.client_middleware_digest_auth",
    "aiohttp.client_middlewares",
    "aiohttp.client_reqrep",
    "aiohttp.client_ws",
    "aiohttp.connector",
    "aiohttp.cookiejar",
    "aiohttp.resolver",
    "aiohttp.tracing",
)
"""aiohttp's client, which loads the certificates of all authorities when it is imported. What is left is the server, which
could be a program of its own, with argparse."""
SERVERS = ("http.server", "socketserver", "wsgiref")
"""With which prometheus-client could serve metrics by itself."""
KEYS = ("cryptography.hazmat.primitives.serialization.ssh", "jwt.jwks_client")
"""Kinds of keys that our tokens have not, and with which PyJWT would load cryptography's last large modules."""

CHECKS = ("attr.filters", "attr.validators")
"""Of attrs, with which aiohttp makes some classes without checks."""
ENTITIES = ("html.entities",)
"""The names of characters in HTML, which is written here, not read."""


def import_lean(config: ServerConfig) -> None:
    """Import the libraries, before anything else in this process has."""
    if config.transport == "one-port":
        import_without("aiortc", NOT_OF_THE_ONE_PORT)
    if not config.auth_url:
        import_without("attr", CHECKS)
        import_without("html", ENTITIES)
        import_without("aiohttp.web", (*CLIENT, "argparse"))
    import_without("prometheus_client", SERVERS)
    import_without("jwt", KEYS)
