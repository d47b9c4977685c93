"""A relay of a preset, as the headless client puts it in front of itself: descriptions, datagrams, its end."""

from __future__ import annotations

import socket

import psutil
import pytest

from rtcserver.network.control import NetworkPath, RelayError
from rtcserver.network.impair import Path
from rtcserver.network.presets import PRESETS

pytestmark = pytest.mark.unhurried("asserts which datagrams come, not when")

ANSWER = (
    "v=0\r\nm=audio 8080 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=candidate:1 1 udp 2130706431 192.0.2.7 8080 typ host\r\n"
    "a=candidate:2 1 udp 2130706175 127.0.0.1 {port} typ host\r\n"
    "a=candidate:3 1 tcp 1518280447 127.0.0.1 8080 typ host tcptype passive\r\n"
    "a=candidate:4 1 udp 2130705919 fd00::7 8080 typ host\r\n"
    "a=end-of-candidates\r\n"
)


def udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(5)
    return made


def address_in(answer: str) -> tuple[str, int]:
    (line,) = [line for line in answer.splitlines() if line.startswith("a=candidate:")]
    return line.split()[4], int(line.split()[5])


def test_the_relay_is_the_only_way_and_loses_what_the_seed_says() -> None:
    count = 200
    with udp() as server, udp() as client, NetworkPath("lossy-20", seed=3, prefer="127.0.0.1") as path:
        answer = path.answer(ANSWER.format(port=server.getsockname()[1]))
        relay = address_in(answer)
        assert relay[1] != server.getsockname()[1]
        assert answer.endswith("a=end-of-candidates\r\n")
        for number in range(count):
            client.sendto(b"\x80\x6f" + bytes([number]), relay)
        draws = Path(PRESETS["lossy-20"].up, "3/0/up")
        expected = [number for number in range(count) if draws.decide(number, 0, 3)]
        assert [server.recv(100)[2] for _ in expected] == expected
        up, down = path.counters()
    assert (up.received, up.lost, down.received) == (count, count - len(expected), 0)


def test_an_offer_shows_no_way_past_it() -> None:
    with NetworkPath("lan") as path:
        offer = path.offer("a=candidate:1 1 udp 2130706431 10.0.0.5 4444 typ host\r\n")
    assert offer == "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n"


def test_an_answer_without_an_ipv4_address_is_refused_in_words() -> None:
    with NetworkPath("lan") as path, pytest.raises(RelayError, match="no candidate with an IPv4 address"):
        path.answer("v=0\r\na=candidate:4 1 udp 2130705919 fd00::7 8080 typ host\r\n")


def test_nothing_is_left_of_it() -> None:
    before = {child.pid for child in psutil.Process().children()}
    with NetworkPath("lan"):
        (relay,) = {child.pid for child in psutil.Process().children()} - before
    assert not psutil.pid_exists(relay)
    assert {child.pid for child in psutil.Process().children()} == before
