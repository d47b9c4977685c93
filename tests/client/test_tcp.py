"""The client's way by TCP: what aiortc is shown of an answer, and packets carried both ways."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from rtcserver.client.tcp import TcpPath
from rtcserver.client.whep import ListenError
from rtcserver.commands.table import main
from rtcserver.transport.framing import Deframer, framed

OFFER = "v=0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host\r\n"
WAIT_S = 10


def answer(port: int) -> str:
    return (
        "v=0\r\n"
        "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n"
        f"a=candidate:13 1 tcp 1518280447 127.0.0.1 {port} typ host tcptype passive\r\n"
        "a=end-of-candidates\r\n"
    )


async def test_packets_are_carried_both_ways_each_behind_its_length() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        deframer = Deframer()
        while data := await reader.read(4096):
            for packet in deframer.feed(data):
                arrived.put_nowait(packet)
                writer.write(framed(b"re: " + packet))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    path = TcpPath()
    try:
        assert path.offer(OFFER) == OFFER
        shown = path.answer(answer(server.sockets[0].getsockname()[1]))
        (line,) = re.findall(r"a=candidate:.*", shown)
        match = re.fullmatch(r"a=candidate:1 1 udp \d+ (127\.0\.0\.1) (\d+) typ host\r?", line)
        assert match
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ice:
            ice.setblocking(False)
            ice.connect((match[1], int(match[2])))
            loop = asyncio.get_running_loop()
            for packet in (b"one", b"two" * 400):
                ice.send(packet)
                assert await asyncio.wait_for(arrived.get(), WAIT_S) == packet
                assert await asyncio.wait_for(loop.sock_recv(ice, 2000), WAIT_S) == b"re: " + packet
    finally:
        path.close()
        path.close()
        server.close()


async def test_a_server_without_tcp_is_named() -> None:
    path = TcpPath()
    path.offer(OFFER)
    with pytest.raises(ListenError, match="offers no media by TCP"):
        path.answer("v=0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n")
    path.close()


def test_tcp_goes_with_no_network_that_is_made_of_udp(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["client", "http://127.0.0.1:9/r/main", "--tcp", "--network", "lossy-5"], {}) == 2
    assert "--tcp goes with no --network but tcp-only" in capsys.readouterr().err
