"""Listening sockets: both families on one port, and sentences for what goes wrong."""

from __future__ import annotations

import socket

import pytest

from rtcserver.errors import ConfigError
from signaling.serve import listening_sockets


def test_all_addresses_share_one_free_port() -> None:
    sockets = listening_sockets("", 0)
    try:
        assert {sock.getsockname()[1] for sock in sockets} == {sockets[0].getsockname()[1]}
        assert sockets[0].family == socket.AF_INET
    finally:
        for sock in sockets:
            sock.close()


def test_a_taken_port_is_named_with_what_mends_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            listening_sockets("127.0.0.1", port)
    assert f"port = {port}" in str(caught.value)
    assert f"--port {port + 1}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.222", "no such host"])
def test_an_address_of_another_machine(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listening_sockets(host, 0)
    assert host in str(caught.value)
