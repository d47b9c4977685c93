"""What stands in a request: its head, tokens, hosts and origins; and the first bytes on the HTTPS port."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from rtcserver.access.door import Action, Request, house
from rtcserver.access.rules import DEFAULT, AccessRule
from rtcserver.access.token import Token, read, sign
from rtcserver.client.whep import ListenError, _reason, endpoint_of
from rtcserver.transport.resolver import literal
from signaling import headers, tls_port
from signaling.forwarded import Proxies
from signaling.pem import fault, remark
from signaling.whose import Allowed
from tests.fuzz.target import target

KEY = b"a key of the fuzzer of thirty-two bytes"
PROXIES = Proxies(("127.0.0.0/8", "10.0.0.0/8", "fd00::/8"))
ALLOWED = Allowed(("studio.example",), ("https://studio.example",))
RULE = AccessRule(("listen",), networks=("10.0.0.0/8", "fe80::/10"))
DOOR = house(DEFAULT, KEY)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def field(data: bytes) -> str:
    """A header's value as aiohttp decodes it."""
    return data.decode("utf-8", "surrogateescape")


def _heads() -> Iterator[bytes]:
    yield from (b"localhost:8080", b"[fe80::1%2]:8080", b"[::1]", b"studio.example.", b'"abc", W/"def"')
    yield from (
        b'"*"',
        b"Bearer a.b.c",
        b"text/html,*/*",
        b"\xff\xfe",
        b"1.2.3.4:5",
        b"unknown, 10.0.0.1",
        b"Basic YTpi",
        b"Basic dTpwOnE=",
    )


@target("header", good=_heads, max_bytes=300)
def head(data: bytes) -> None:
    """One header's value, read as each of those that are read."""
    text = field(data)
    host = headers.host_of(text)
    assert "/" not in host
    assert "@" not in host
    headers.bearer_of(text)
    user, password = headers.basic_of(text)
    assert ":" not in user
    (user + password).encode()
    headers.if_match(text, "tag")
    headers.wants_html(text)
    assert headers.printable(text).isprintable()
    literal(text)
    RULE.has(text)


def _forwarded() -> Iterator[bytes]:
    yield b"127.0.0.1\nlocalhost:8080\n203.0.113.9, 10.0.0.7\nmusic.example"
    yield b"10.1.2.3\nlocal\n[2001:db8::1]:4711, unknown, fd00::1\n\nbad host\n"
    yield b"::1%lo\n\n::ffff:203.0.113.9\n[::1]:80"


@target("forwarded", good=_forwarded, max_bytes=600)
def forwarded(data: bytes) -> None:
    """Four lines: the other end, Host, X-Forwarded-For, X-Forwarded-Host; the last two may come twice."""
    remote, host, *lines = [*field(data).split("\n"), "", ""]
    origin = PROXIES.origin(remote, host, lines[0::2], lines[1::2])
    assert "/" not in origin.host


@target(
    "origin",
    good=lambda: (b"https://studio.example", b"http://[::1]:80\n[::1]:80", b"null\nlocalhost"),
    max_bytes=300,
)
def whose(data: bytes) -> None:
    origin, _, host = field(data).partition("\n")
    ALLOWED.has_origin(origin, host)
    ALLOWED.has_host(host)


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _tokens() -> Iterator[bytes]:
    text = sign(KEY, Token("id", ("*",), ("listen", "perform"), 2_000_000_000))
    yield b"\0" + text.encode()
    claims = {"jti": "id", "rooms": ["main"], "actions": ["listen"], "exp": 2_000_000_000}
    head = b'{"alg":"HS256","typ":"JWT"}'
    yield b"\1" + head + b"\n" + json.dumps(claims).encode()
    for wrong in ({"exp": 1e999}, {"exp": "soon"}, {"rooms": None}, {"jti": 5}, {"actions": {}}, {"exp": -1}):
        yield b"\1" + head + b"\n" + json.dumps(claims | wrong).encode()
    yield b"\1" + b'{"alg":"none"}\n{}'
    yield b"\1" + b"[" * 300 + b"\n{}"


@target(
    "token",
    good=_tokens,
    words=('"alg":', '"HS256"', '"none"', '"exp":', '"jti":', "1e999", "[", "."),
    max_bytes=1100,
)
def token(data: bytes) -> None:
    """As it came, or, so that what lies behind the signature is reached, a head and claims that are signed."""
    text = field(data[1:])
    if data[:1] == b"\1":
        first, _, second = data[1:].partition(b"\n")
        signed = f"{_part(first)}.{_part(second)}"
        text = f"{signed}.{_part(hmac.digest(KEY, signed.encode(), hashlib.sha256))}"
    found = read(KEY, text)
    assert found is None or isinstance(found.expires_s, int)
    for action in (Action.LISTEN, Action.PERFORM):
        refusal = DOOR.judge(Request(action, "main", text, "203.0.113.9"), 1_900_000_000.0)
        assert refusal is not None or found is not None


def _requests() -> Iterator[bytes]:
    yield b"GET /r/main HTTP/1.1\r\nHost: studio.local:8080\r\nAccept: */*\r\n\r\n"
    yield b"HEAD / HTTP/1.0\r\nhost: [::1]:8443\r\n\r\n"
    yield b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"\x80\x01\x03" + bytes(40)


@target("plain-http", good=_requests, words=("GET ", "\r\nHost: ", " HTTP/1.1\r\n"), max_bytes=600)
def plain(data: bytes) -> None:
    """Nothing that stands in the request can add a header to the answer."""
    answer = tls_port.answer(data)
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] in (b"HTTP/1.1 308 Permanent Redirect", b"HTTP/1.1 400 Bad Request")
    assert len(lines) == (6 if b" 308 " in lines[0] else 5)
    assert body.startswith(b"This port speaks HTTPS.")


@target(
    "link",
    ListenError,
    good=lambda: (b"http://a/r/main", b"https://[::1]:80/x/whep#perform=a.b", b"//"),
    max_bytes=200,
)
def link(data: bytes) -> None:
    """The address that a person gives to the headless client."""
    endpoint = endpoint_of(data.decode("utf-8", "replace"))
    assert endpoint is None or "whep" in endpoint


@target("reason", good=lambda: (b'{"message":"No."}', b"[1]", b"<html>"), max_bytes=400)
def reason(data: bytes) -> None:
    """What another server says when it refuses."""
    assert len(_reason(data.decode("utf-8", "replace"))) <= 200


def _pems() -> Iterator[bytes]:
    begin, end = b"-----BEGIN CERTIFICATE-----\n", b"\n-----END CERTIFICATE-----\n"
    yield begin + b"MIIB" + end + b"\0" + begin.replace(b"CERTIFICATE", b"PRIVATE KEY") + b"MIIB" + end
    yield b"\x30\x82\1\1\0-----BEGIN PUBLIC KEY-----"
    yield b"-----BEGIN CERTIFICATE REQUEST-----\0"


@target(
    "pem",
    good=_pems,
    words=("-----BEGIN ", "-----END ", "CERTIFICATE-----\n", "PRIVATE KEY-----\n"),
    max_bytes=1500,
)
def pem(data: bytes) -> None:
    cert, _, key = data.partition(b"\0")
    assert fault(cert, key, "cert.pem", "key.pem")
    assert isinstance(remark(cert, NOW), str)
