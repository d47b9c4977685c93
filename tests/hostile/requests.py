"""Hostile HTTP requests as data: what is sent, and which answers are right."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jwt

from rtcserver.access.token import Token, sign
from tests.hostile.http import request
from tests.hostile.intruder import SDP, offer

SDPFRAG = "application/trickle-ice-sdpfrag"
MIDI = "audio/midi"
CLOSED = 0
"""The connection was closed without an answer."""
FILES = "/api/rooms/main/files"
WHEP = "/r/main/whep"
NOW = 1_700_000_000
LATER = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """build: the bytes, from the server's port and the key of its tokens. statuses: those that are right."""

    name: str
    build: Callable[[int, bytes], bytes]
    statuses: tuple[int, ...]


def _fixed(data: bytes) -> Callable[[int, bytes], bytes]:
    return lambda port, key: data


def cases() -> list[Case]:
    """All of them. Names are unique."""
    found = [*_paths(), *_hosts(), *_origins(), *_tokens(), *_offers(), *_bodies(), *_heads()]
    assert len({case.name for case in found}) == len(found)
    return found


OUTSIDE = {
    "up": "../../etc/passwd",
    "up-deep": "../" * 30 + "etc/passwd",
    "encoded-slash": "..%2f..%2f..%2fetc%2fpasswd",
    "encoded-dots": "%2e%2e/%2e%2e/etc/passwd",
    "all-encoded": "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "twice-encoded": "%252e%252e%252fetc%252fpasswd",
    "backslash": "..%5c..%5cetc%5cpasswd",
    "four-dots": "....//....//etc/passwd",
    "absolute": "/etc/passwd",
    "absolute-encoded": "%2fetc%2fpasswd",
    "overlong": "%c0%ae%c0%ae%c0%afetc%c0%afpasswd",
    "null": "..%00/etc/passwd",
    "null-suffix": "main%00.js",
    "semicolon": "..;/..;/etc/passwd",
    "inside-and-out": "page/../../rtcserver.toml",
    "hidden": ".git/config",
    "long": "a" * 3000,
    "not-utf8": "%ff%fe%fd",
    "device": "CON",
    "proc": "../../proc/self/environ",
}


def _paths() -> Iterator[Case]:
    for base in ("/static/", "/", "/r/", "/r/main/whep/", "/api/rooms/"):
        for name, path in OUTSIDE.items():
            # A room's address with a slash at its end leads to the one without.
            yield Case(f"path{base}{name}", _fixed(request("GET", base + path)), (308, 400, 404, 405))


def _hosts() -> Iterator[Case]:
    wrong = {
        "other": "evil.example",
        "other-port": "evil.example:8080",
        "localhost-in-front": "localhost.evil.example",
        "address-in-front": "127.0.0.1.evil.example",
        "local-in-front": "studio.local.evil.example",
        "user": "127.0.0.1@evil.example",
        "two": "127.0.0.1, evil.example",
        "space": "127.0.0.1 evil.example",
        "path": "127.0.0.1/evil.example",
        "bracket": "[::1",
        "long": "a" * 300,
        "long-name": "a." * 130 + "example",
        "five-numbers": "1.2.3.4.5",
        "hexadecimal": "0x7f.0.0.1",
        "high-bytes": "\udcff\udcfe",
        "unicode": "ｌocalhost",
        "sharp": "localhost#",
        "question": "localhost?x",
        "only-port": ":8080",
        "wildcard": "*",
    }
    for name, host in wrong.items():
        yield Case(f"host/{name}/read", _fixed(request("GET", "/api/rooms", host=host)), (400, 421))
        posted = request("POST", WHEP, offer(), host=host, content_type=SDP)
        yield Case(f"host/{name}/join", _fixed(posted), (400, 421))
    twice = b"GET /api/rooms HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    yield Case("host/twice", _fixed(twice), (400, 421))


def _origins() -> Iterator[Case]:
    wrong = {
        "other": "https://evil.example",
        "null": "null",
        "localhost-in-front": "http://localhost.evil.example",
        "address-in-front": "http://127.0.0.1.evil.example",
        "other-port": "http://127.0.0.1:1",
        "user": "http://127.0.0.1@evil.example",
        "file": "file://",
        "bracket": "http://[::1",
        "wildcard": "*",
        "empty-place": "http://",
        "extension": "moz-extension://127.0.0.1x",
        "long": "https://" + "a" * 4000,
    }
    for name, origin in wrong.items():
        posted = request("POST", WHEP, offer(), content_type=SDP, origin=origin)
        yield Case(f"origin/{name}/join", _fixed(posted), (403,))
        session = f"{WHEP}/0123456789abcdef"
        yield Case(f"origin/{name}/end", _fixed(request("DELETE", session, origin=origin)), (403,))
        patched = request("PATCH", session, b"a=ice-ufrag:abcd\r\n", content_type=SDPFRAG, origin=origin)
        yield Case(f"origin/{name}/restart", _fixed(patched), (403,))


def _part(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _unsigned(head: bytes, claims: bytes) -> str:
    return f"{_part(head)}.{_part(claims)}."


GOOD = {"jti": "0123", "rooms": ["main"], "actions": ["perform"], "exp": LATER}


def _claims(**changed: object) -> Callable[[bytes], str]:
    """A token that is signed with the server's own key, and says something strange."""
    claims = {key: value for key, value in {**GOOD, **changed}.items() if value is not ...}
    # jwt would refuse to write some of these.
    text = json.dumps(claims).encode()
    head = _part(b'{"alg":"HS256","typ":"JWT"}')

    def build(key: bytes) -> str:
        signer = jwt.get_algorithm_by_name("HS256")
        signed = f"{head}.{_part(text)}"
        return f"{signed}.{_part(signer.sign(signed.encode(), signer.prepare_key(key)))}"

    return build


def _tokens() -> Iterator[Case]:
    made: dict[str, Callable[[bytes], str]] = {
        "nonsense": lambda key: "nonsense",
        "dots": lambda key: "...",
        "empty-parts": lambda key: "..",
        "unsigned": lambda key: _unsigned(b'{"alg":"none"}', json.dumps(GOOD).encode()),
        "unsigned-in-capitals": lambda key: _unsigned(b'{"alg":"NONE"}', json.dumps(GOOD).encode()),
        "other-key": lambda key: sign(b"x" * 32, Token("0123", ("main",), ("perform",), LATER)),
        "other-hash": lambda key: jwt.encode(GOOD, key, algorithm="HS512"),
        "expired": lambda key: sign(key, Token("0123", ("main",), ("perform",), NOW - 10**6)),
        "other-room": lambda key: sign(key, Token("0123", ("side",), ("perform",), LATER)),
        "other-action": lambda key: sign(key, Token("0123", ("main",), ("listen", "read"), LATER)),
        "no-room": lambda key: sign(key, Token("0123", (), ("perform",), LATER)),
        "cut": lambda key: sign(key, Token("0123", ("main",), ("perform",), LATER))[:-2],
        "flipped": lambda key: sign(key, Token("0123", ("main",), ("perform",), LATER)).swapcase(),
        "long": lambda key: sign(key, Token("0123", ("main",) * 300, ("perform",), LATER)),
        "nested-head": lambda key: _unsigned(b"[" * 500, b"{}"),
        "nested-claims": lambda key: _unsigned(b'{"alg":"HS256"}', b'{"a":' * 90),
        "head-is-a-list": lambda key: _unsigned(b"[]", b"[]"),
        "jku": lambda key: _unsigned(b'{"alg":"HS256","jku":"http://127.0.0.1:9/"}', b"{}"),
        "crit": lambda key: _unsigned(b'{"alg":"HS256","crit":["x"],"b64":false}', b"{}"),
        "never-ends": _claims(exp=1e999),
        "ends-in-words": _claims(exp="soon"),
        "ends-with-a-list": _claims(exp=[LATER]),
        "long-ended": _claims(exp=-1),
        "no-end": _claims(exp=...),
        "no-id": _claims(jti=...),
        "id-is-a-number": _claims(jti=5),
        "rooms-are-a-text": _claims(rooms="main"),
        "rooms-are-none": _claims(rooms=None),
        "actions-are-a-table": _claims(actions={"perform": True}),
        "actions-are-a-text": _claims(actions="perform"),
        "not-yet": _claims(nbf=LATER),
    }
    song = b"MThd"
    served = {
        "files": ("POST", FILES),
        "sessions": ("GET", "/api/sessions"),
        "tokens": ("GET", "/api/tokens"),
        "end": ("DELETE", "/api/sessions/0123456789ab"),
        "revoke": ("DELETE", "/api/tokens/0123"),
    }
    for where, (method, path) in served.items():
        for name in (
            "nonsense",
            "unsigned",
            "other-key",
            "other-hash",
            "expired",
            "never-ends",
            "long",
            "jku",
        ):

            def asked_for(
                port: int,
                key: bytes,
                build: Callable[[bytes], str] = made[name],
                method: str = method,
                path: str = path,
            ) -> bytes:
                return request(method, path, authorization=f"Bearer {build(key)}")

            yield Case(f"token/{where}/{name}", asked_for, (401, 403))
        yield Case(f"token/{where}/none", _fixed(request(method, path)), (401, 403))
    for name, build in made.items():

        def as_bearer(port: int, key: bytes, build: Callable[[bytes], str] = build) -> bytes:
            return request("POST", FILES, song, content_type=MIDI, authorization=f"Bearer {build(key)}")

        yield Case(f"token/{name}", as_bearer, (401, 403))
    shown = {
        "nothing": {},
        "empty": {"authorization": ""},
        "bare": {"authorization": "Bearer"},
        "basic": {"authorization": "Basic " + base64.b64encode(b"admin:admin").decode()},
        "basic-wrong": {"authorization": "Basic " + base64.b64encode(b"anna:wrong password").decode()},
        "basic-of-bytes": {"authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        "basic-without-colon": {"authorization": "Basic " + base64.b64encode(b"anna").decode()},
        "basic-long": {"authorization": "Basic " + base64.b64encode(b"anna:" + b"x" * 4000).decode()},
        "basic-not-base64": {"authorization": "Basic =*="},
        "basic-not-ascii": {"authorization": "Basic ünïcode"},
        "digest": {"authorization": 'Digest username="admin"'},
        "control": {"authorization": "Bearer a\tb"},
        "not-utf8": {"authorization": "Bearer \udcff\udcfe"},
        "cookie": {"cookie": "token=admin"},
    }
    for name, fields in shown.items():
        posted = request("POST", FILES, song, content_type=MIDI, **fields)
        yield Case(f"token/shown/{name}", _fixed(posted), (401, 403))
        asked = request("POST", f"{FILES}?token=admin&access_token=admin", song, content_type=MIDI, **fields)
        yield Case(f"token/query/{name}", _fixed(asked), (401, 403))


LARGE_AND_RIGHT = ("many-candidates", "many-fingerprints", "many-extmaps", "group-of-all")
"""Offers that say more than is of use, which may be left out."""


def _offers() -> Iterator[Case]:
    good = offer().decode()
    session, _, media = good.partition("m=audio")
    audio = "m=audio" + media
    bombs = {
        "empty": "",
        "v-only": "v=0\r\n",
        "two-thousand-media": session + audio.replace("a=mid:0\r\n", "") * 70,
        "many-rejected-media": session + "m=video 0 RTP/AVP 0\r\n" * 1500 + audio,
        "many-candidates": good + "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n" * 1100,
        "many-fingerprints": good + ("a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n") * 500,
        "many-formats": good.replace(" 111\r\n", " 111" * 1000 + "\r\n"),
        "many-rtpmaps": good + "a=rtpmap:96 opus/48000/2\r\n" * 2100,
        "many-extmaps": good + "".join(f"a=extmap:{n % 300} urn:x:{n}\r\n" for n in range(1500)),
        "many-groups": good.replace("a=group", "a=group:BUNDLE 0\r\na=group"),
        "group-of-all": good.replace("BUNDLE 0", "BUNDLE" + " 0" * 2000),
        "long-line": good + "a=x:" + "y" * 5000 + "\r\n",
        "long-ufrag": good.replace("ice-ufrag:", "ice-ufrag:" + "u" * 300),
        "short-password": good.replace("p" * 24, "p"),
        "negative-port": good.replace("m=audio 9", "m=audio -9"),
        "huge-port": good.replace("m=audio 9", "m=audio " + "9" * 500),
        "huge-payload-type": good.replace("111", "9" * 400),
        "control": good.replace("s=-", "s=\0"),
        "bell-in-mid": good.replace("mid:0", "mid:\a"),
        "line-separator": good.replace("mid:0", "mid:0\u2028a=x"),
        "carriage-return": good.replace("mid:0", "mid:0\ra=x"),
        "no-line-ends": good.replace("\r\n", " "),
        "tabs": "\t" * 60_000,
        "blank-lines": "\n" * 60_000,
        "json": json.dumps({"type": "offer", "sdp": good}),
        "nested-json": "[" * 60_000,
        "html": "<html>" + "<b>" * 9000,
        "xml-bomb": '<!DOCTYPE a [<!ENTITY b "cccc">]><a>&b;</a>',
        "answer": good.replace("actpass", "passive"),
        "sendonly": good.replace("recvonly", "sendonly"),
        "no-opus": good.replace("opus", "speex"),
        "no-mux": good.replace("a=rtcp-mux\r\n", ""),
        "no-fingerprint": good.replace("a=fingerprint", "a=footprint"),
        "sha-1": good.replace("sha-256", "sha-1"),
        "same-mid": good.replace("a=mid:1", "a=mid:0"),
        "other-protocol": good.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
    }
    for name, text in bombs.items():
        posted = request("POST", WHEP, text.encode(), content_type=SDP)
        taken = (201,) if name in LARGE_AND_RIGHT else ()
        yield Case(f"offer/{name}", _fixed(posted), (400, 413, 422, *taken))


def _bodies() -> Iterator[Case]:
    text = offer()
    yield Case(
        "body/too-large", _fixed(request("POST", WHEP, text + b"a" * 70_000, content_type=SDP)), (413,)
    )
    yield Case("body/not-utf8", _fixed(request("POST", WHEP, text + b"\xff", content_type=SDP)), (400,))
    yield Case("body/no-type", _fixed(request("POST", WHEP, text)), (415,))
    for kind in (
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
        "application/sdpx",
        "x",
    ):
        yield Case(f"body/type/{kind}", _fixed(request("POST", WHEP, text, content_type=kind)), (415,))
    packed = gzip.compress(b"v=0\r\n" * 1_000_000)[:60_000]
    for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "x"):
        sent = request("POST", WHEP, packed, content_type=SDP, content_encoding=coding)
        yield Case(f"body/coding/{coding}", _fixed(sent), (400, 415))
    head = b"POST /r/main/whep HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    head += b"Content-Type: application/sdp\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    yield Case("body/chunks-for-ever", _fixed(chunked + chunk * 20), (400, 413))
    yield Case("body/chunk-of-no-size", _fixed(chunked + b"xyz\r\n"), (400,))
    yield Case("body/chunk-of-huge-size", _fixed(chunked + b"f" * 40 + b"\r\n"), (400, 413))
    yield Case("body/chunk-of-negative-size", _fixed(chunked + b"-1\r\n"), (400,))
    for length in (b"-5", b"+5", b"5, 6", b"0x10", b"9" * 30, b"", b"5\r\nContent-Length: 6"):
        sent = head + b"Content-Length: " + length + b"\r\n\r\nabcdef"
        yield Case(f"body/length/{length[:12].decode()!r}", _fixed(sent), (400, 413))
    both = head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield Case("body/two-lengths", _fixed(both), (400,))
    for coding in (b"chunked, chunked", b"identity", b"xchunked", b"gzip, chunked"):
        sent = head + b"Transfer-Encoding: " + coding + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        yield Case(f"body/transfer/{coding.decode()}", _fixed(sent), (400, 415, 422, 501))


def _heads() -> Iterator[Case]:
    start = b"GET /api/rooms HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    end = b"Connection: close\r\n\r\n"
    broken = {
        "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
        "word": b"NONSENSE\r\n\r\n",
        "nothing": b"\r\n\r\n\r\n\r\nX\r\n\r\n",
        "nulls": bytes(9000) + b"\r\n\r\n",
        "http-9": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "no-version": b"GET /\r\n\r\n",
        "space-in-name": start + b"Bad Header: y\r\n" + end,
        "null-in-name": start + b"Bad\0: y\r\n" + end,
        "null-in-value": start + b"X: a\0b\r\n" + end,
        "no-colon": start + b"nothing\r\n" + end,
        "space-before-colon": start + b"X : y\r\n" + end,
        "bare-return": start + b"X: a\rY: b\r\n" + end,
        "long-value": start + b"X: " + b"y" * 9000 + b"\r\n" + end,
        "long-name": start + b"y" * 9000 + b": x\r\n" + end,
        "long-line": b"GET /" + b"z" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + end,
        "many": start + b"A: b\r\n" * 100 + end,
        "method-of-letters": b"A" * 300 + b" / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + end,
        "method-of-bytes": b"\xff\xfe / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + end,
    }
    for name, data in broken.items():
        # HTTP/0.9 had no version and no headers, and a page may be had that way.
        taken = (200,) if name == "no-version" else ()
        yield Case(f"head/{name}", _fixed(data), (400, 404, 405, 505, CLOSED, *taken))
    for method in ("TRACE", "CONNECT", "PUT", "DELETE", "PROPFIND", "PATCH"):
        yield Case(f"head/method/{method}", _fixed(request(method, "/api/rooms")), (400, 404, 405))
    for name, value in {"upgrade": "websocket", "upgrade-h2": "h2c", "expect": "x"}.items():
        fields = {"expect": value} if name == "expect" else {"upgrade": value}
        yield Case(
            f"head/{name}", _fixed(request("POST", "/api/rooms", b"x", **fields)), (400, 404, 405, 417)
        )
    for value in ("bytes=0-" + ",1-" * 500, "bytes=-" + "9" * 400, "bytes=9-1", "x=1"):
        asked = request("GET", "/static/room.html", range=value)
        yield Case(f"head/range/{value[:12]}", _fixed(asked), (200, 206, 400, 416))
