"""Names and literals to addresses: bounded, remembered, asked again; and the check at the start."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from ipaddress import ip_address

import pytest

from rtcserver.errors import ConfigError
from rtcserver.transport.resolver import Resolver, literal, system_lookup

LAN4, LAN6 = ip_address("192.168.1.20"), ip_address("2001:db8::20")
MINUTE_NS = 60_000_000_000


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("224.0.0.1", None),
        ("name.example", None),
        ("", None),
        ("1.2.3", None),
    ],
)
def test_literals(text: str, address: str | None) -> None:
    assert literal(text) == (None if address is None else ip_address(address))


async def test_names_are_resolved_once_a_minute() -> None:
    asked: list[str] = []

    async def lookup(name: str) -> list[str]:
        asked.append(name)
        return ["2001:db8::20", "192.168.1.20", "192.168.1.20"]

    resolver = Resolver(lookup)
    assert await resolver.resolve("Music.local.", 0) == [LAN4, LAN6]
    assert await resolver.resolve("music.local", 59 * 10**9) == [LAN4, LAN6]
    assert asked == ["music.local"]
    await resolver.resolve("music.local", 60 * 10**9)
    assert len(asked) == 2


async def test_localhost_and_literals_are_not_looked_up() -> None:
    async def lookup(name: str) -> list[str]:
        raise AssertionError(name)

    resolver = Resolver(lookup)
    assert await resolver.resolve("localhost", 0) == [ip_address("127.0.0.1"), ip_address("::1")]
    assert await resolver.resolve("[::1]", 0) == [ip_address("::1")]
    assert await resolver.resolve("", 0) == []
    assert await resolver.resolve("bad host/!", 0) == []
    assert await resolver.resolve("a" * 300, 0) == []


async def test_failures_and_too_many_at_once_resolve_to_nothing() -> None:
    release = asyncio.Event()

    async def lookup(name: str) -> list[str]:
        if name == "fails":
            raise OSError("no such name")
        await release.wait()
        return ["192.168.1.20"]

    resolver = Resolver(lookup)
    assert await resolver.resolve("fails", 0) == []
    tasks = [asyncio.ensure_future(resolver.resolve(f"slow{n}", 0)) for n in range(4)]
    await asyncio.sleep(0)
    assert await resolver.resolve("one-too-many", 0) == []
    release.set()
    assert await asyncio.gather(*tasks) == [[LAN4]] * 4


async def test_a_slow_name_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcserver.transport.resolver.RESOLVE_TIMEOUT_S", 0.01)

    async def lookup(name: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    assert await Resolver(lookup).resolve("slow", 0) == []


async def test_the_system_resolves_and_refuses() -> None:
    assert "127.0.0.1" in await system_lookup("localhost")
    with pytest.raises(UnicodeError):
        await system_lookup("bad..name")


def test_a_resolver_that_hangs_holds_up_neither_the_loop_nor_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when the loop's own executor would: its threads are joined at the end."""
    release = threading.Event()

    def hangs(*_: object, **__: object) -> list[object]:
        assert release.wait(10)
        return []

    monkeypatch.setattr("socket.getaddrinfo", hangs)
    monkeypatch.setattr("rtcserver.transport.resolver.RESOLVE_TIMEOUT_S", 0.01)

    async def ask() -> None:
        resolver = Resolver()
        assert [await resolver.resolve(f"slow{number}", 0) for number in range(5)] == [[]] * 5
        assert len([thread for thread in threading.enumerate() if thread.name == "resolver"]) == 4

    try:
        asyncio.run(ask())
        assert not release.is_set()
    finally:
        release.set()
        for thread in threading.enumerate():
            if thread.name == "resolver":
                thread.join(5)


async def test_those_who_ask_for_one_name_at_once_share_the_answer() -> None:
    """A storm of joins at the moment at which a name has to be asked for again."""
    asked: list[str] = []

    async def lookup(name: str) -> list[str]:
        asked.append(name)
        await asyncio.sleep(0)
        return ["192.168.1.20"]

    resolver = Resolver(lookup)
    assert await asyncio.gather(*(resolver.resolve("music.example", 0) for _ in range(20))) == [[LAN4]] * 20
    assert asked == ["music.example"]


@pytest.mark.parametrize(
    ("error", "after"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "try again"), [LAN4]),
        (OSError("too busy"), [LAN4]),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), []),
    ],
)
async def test_a_name_keeps_its_addresses_while_the_resolver_is_out_of_order(
    error: OSError, after: object
) -> None:
    answers: list[list[str] | OSError] = [["192.168.1.20"], error, ["2001:db8::20"]]

    async def lookup(name: str) -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    resolver = Resolver(lookup)
    assert await resolver.resolve("music.example", 0) == [LAN4]
    assert await resolver.resolve("music.example", MINUTE_NS) == after
    assert await resolver.resolve("music.example", 2 * MINUTE_NS) == [LAN6]


async def test_what_the_check_found_is_not_asked_again_and_what_needs_no_lookup_never() -> None:
    asked: list[str] = []

    async def lookup(name: str) -> list[str]:
        asked.append(name)
        return ["192.168.1.20"]

    resolver = Resolver(lookup)
    await resolver.check("public_host", ("Music.example", "203.0.113.5", "localhost"), 0)
    assert await resolver.resolve("music.example", MINUTE_NS - 1) == [LAN4]
    assert asked == ["music.example"]


@pytest.mark.parametrize(
    "answer", [[], socket.gaierror(socket.EAI_NONAME, "no such name"), UnicodeError("label too long")]
)
async def test_a_name_that_does_not_exist_is_an_error_that_names_key_and_value(
    answer: list[str] | Exception,
) -> None:
    async def lookup(name: str) -> list[str]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ConfigError, match=r'^public_host = "music\.exampel": nobody knows an address'):
        await Resolver(lookup).check("public_host", ("music.exampel",), 0)


async def test_a_network_that_is_not_up_yet_does_not_end_the_server(caplog: pytest.LogCaptureFixture) -> None:
    """A machine that boots: the name is asked for again when listeners come."""
    up = False

    async def lookup(name: str) -> list[str]:
        if not up:
            raise socket.gaierror(socket.EAI_AGAIN, "temporary failure")
        return ["192.168.1.20"]

    resolver = Resolver(lookup)
    with caplog.at_level(logging.WARNING):
        await resolver.check("public_host", ("music.example",), 0)
    assert ["music.example" in record.getMessage() for record in caplog.records] == [True]
    up = True
    assert await resolver.resolve("music.example", 1) == [LAN4]
