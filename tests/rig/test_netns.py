"""Namespaces are apart from this machine's network and from each other, and vanish with their holder."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.rig.netns import Namespace, cable, lan, published
from tests.rig.process import RigError, is_gone, wait_until

pytestmark = pytest.mark.unhurried("asserts who reaches whom")


def here() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def test_only_what_is_made_inside_is_inside() -> None:
    outside = here()
    with Namespace("one") as one:
        with one.entered():
            assert here() != outside
            listener = socket.create_server(("127.0.0.1", 0))
        assert here() == outside
        with listener:
            address = listener.getsockname()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, 1)
            with one.entered(), socket.create_connection(address, 1):
                pass


def test_an_error_inside_leads_outside_again() -> None:
    outside = here()
    with Namespace("one") as one:
        with pytest.raises(ZeroDivisionError), one.entered():
            _ = 1 / 0
        assert here() == outside
        with pytest.raises(RigError, match="no-such-device"):
            one.run("ip link set no-such-device up")
        assert here() == outside


def test_a_cable_joins_both_families() -> None:
    with lan() as network:
        for address in (network.ipv4, network.ipv6):
            with network.server.entered():
                listener = socket.create_server((address, 0), family=family(address))
            with listener, network.client.entered():
                socket.create_connection(listener.getsockname()[:2], 5).close()


def test_only_the_published_port_is_forwarded_and_only_from_the_host() -> None:
    with published(8080) as network:
        for port in (8080, 8081):
            with network.container.entered():
                listener = socket.create_server(("", port))
            with listener, network.client.entered():
                if port == 8080:
                    socket.create_connection((network.address, port), 5).close()
                else:
                    with pytest.raises(ConnectionRefusedError):
                        socket.create_connection((network.address, port), 5)
                with pytest.raises(OSError, match=r"timed out|unreachable"):
                    socket.create_connection((network.private, port), 0.2)


def test_a_killed_holder_takes_its_network_along() -> None:
    with Namespace("one") as one, Namespace("two") as two:
        cable(one, "left", two, "right", "192.168.99.0/24")
        assert "right" in two.run("ip link")
        os.kill(one.pid, signal.SIGKILL)
        wait_until(lambda: "right" not in two.run("ip link"), "the cable is gone")
        assert is_gone(one.pid)


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
