"""Which addresses are offered, in which order, with which port and priority."""

from __future__ import annotations

import asyncio
import threading
from ipaddress import ip_address

import pytest

from rtcserver.transport.candidates import (
    MAX_CANDIDATES,
    InterfaceAddress,
    Resolver,
    choose,
    literal,
    machine_addresses,
    system_lookup,
    usable,
)

LAN4, LAN6 = ip_address("192.168.1.20"), ip_address("2001:db8::20")
PUBLIC = ip_address("203.0.113.5")
MACHINE = [
    InterfaceAddress("lo", ip_address("127.0.0.1")),
    InterfaceAddress("lo", ip_address("::1")),
    InterfaceAddress("eth0", LAN6),
    InterfaceAddress("eth0", LAN4),
    InterfaceAddress("eth0", ip_address("fe80::1")),
    InterfaceAddress("docker0", ip_address("172.17.0.1")),
    InterfaceAddress("br-0123456789ab", ip_address("172.18.0.1")),
    InterfaceAddress("veth12ab", ip_address("169.254.3.4")),
]


def test_bridges_loopback_and_link_local_are_left_out() -> None:
    assert usable(MACHINE) == [LAN4, LAN6]
    assert ip_address("172.17.0.1") in usable(MACHINE, bridges=True)


def test_order_and_deduplication() -> None:
    found = choose(signaling=[LAN4], public=[PUBLIC, LAN4], machine=[LAN4, LAN6], media_port=8080)
    assert [(c.address, c.port) for c in found] == [(LAN4, 8080), (PUBLIC, 8080), (LAN6, 8080)]
    assert [c.index for c in found] == [0, 1, 2]


def test_lines_and_priorities_follow_rfc_8445() -> None:
    first, second = choose(signaling=[], public=[], machine=[LAN4, LAN6], media_port=8080)
    assert first.priority == 2**24 * 126 + 2**8 * 65535 + 255
    assert first.priority > second.priority > 0
    assert first.line == f"candidate:1 1 udp {first.priority} 192.168.1.20 8080 typ host"
    assert second.line == f"candidate:2 1 udp {second.priority} 2001:db8::20 8080 typ host"


def test_a_remapped_port_is_the_only_one_offered() -> None:
    found = choose(signaling=[LAN4], public=[PUBLIC], machine=[LAN6], media_port=8080, public_media_port=9000)
    assert [(c.address, c.port) for c in found] == [(LAN4, 9000), (PUBLIC, 9000)]


def test_a_port_without_ipv6_does_not_offer_the_machines() -> None:
    found = choose(signaling=[], public=[], machine=[LAN4, LAN6], media_port=1, families=frozenset({4}))
    assert [c.address for c in found] == [LAN4]


def test_the_number_is_bounded() -> None:
    many = [ip_address(f"10.0.0.{n}") for n in range(1, 100)]
    assert len(choose(signaling=[], public=[], machine=many, media_port=1)) == MAX_CANDIDATES


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


def test_this_machine_has_a_loopback_address() -> None:
    assert ip_address("127.0.0.1") in [a.address for a in machine_addresses()]


async def test_names_are_resolved_once_a_minute() -> None:
    asked: list[str] = []

    async def lookup(name: str) -> list[str]:
        asked.append(name)
        return ["2001:db8::20", "192.168.1.20", "192.168.1.20", "fe80::9"]

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
    monkeypatch.setattr("rtcserver.transport.candidates.RESOLVE_TIMEOUT_S", 0.01)

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
    monkeypatch.setattr("rtcserver.transport.candidates.RESOLVE_TIMEOUT_S", 0.01)

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
