"""coturn, the TURN server, as ``docs/operations.md`` configures it: a relay between two networks that nothing else joins."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from tests.rig.netns import Namespace, cable
from tests.rig.process import RigProcess, program
from tests.rig.proxy import documented

SECRET = "the-tests'-shared-secret"
PORT = 3478

_HTTP_ONLY = """
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
listen server
  bind {lan}:{port}
  option forwardfor
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  server rtcserver {server}:{port}
"""


class Coturn(RigProcess):
    """``with space.entered(), Coturn(lan, wan, peer)``: it listens at `lan` and relays from `wan` to `peer` alone."""

    def __init__(self, lan: str, wan: str, peer: str) -> None:
        super().__init__("coturn")
        self.lan, self._wan, self._peer = lan, wan, peer

    def start(self) -> None:
        text = documented(
            "coturn",
            {"static-auth-secret=CHANGE-ME": f"static-auth-secret={SECRET}", "192.168.1.10": self._peer},
        )
        places = f"listening-ip={self.lan}\nrelay-ip={self._wan}\nlog-file=stdout\nverbose\n"
        own = f"pidfile={self.directory}/pid\nuserdb={self.directory}/db\n"
        config = self.directory / "turnserver.conf"
        config.write_text(text + places + own)
        self._spawn([program("turnserver", "coturn"), "-c", str(config)], os.environ)
        self._wait_ready(self._listens)

    @property
    def allocations(self) -> int:
        """How many it has made so far, for whoever showed a credential that is good."""
        return self.log().count("ALLOCATE processed, success")

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.lan, PORT), timeout=1).close()
        except OSError:
            return False
        return True


class HttpProxy(RigProcess):
    """HAProxy, which passes HTTP on and nothing else that is spoken on TCP."""

    def __init__(self, lan: str, server: str, port: int) -> None:
        super().__init__("http")
        self._lan, self._server, self._port = lan, server, port

    def start(self) -> None:
        config = self.directory / "proxy.conf"
        config.write_text(_HTTP_ONLY.format(lan=self._lan, server=self._server, port=self._port))
        self._spawn([program("haproxy", "haproxy"), "-db", "-f", str(config)], os.environ)
        self._wait_ready(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self._lan, self._port), timeout=1).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Parted:
    """Two networks without a route between them: `client` reaches `relay` only, and so does `server`."""

    server: Namespace
    relay: Namespace
    client: Namespace
    lan: str = "192.168.91.1"
    """The relay's address on the client's side."""
    wan: str = "192.168.92.2"
    """The relay's address on the server's side."""
    server_address: str = "192.168.92.1"


@contextlib.contextmanager
def parted(port: int) -> Iterator[Parted]:
    """`Parted`, with HTTP on `port` passed from the relay to the server; media has no way."""
    with Namespace("server") as server, Namespace("relay") as relay, Namespace("client") as client:
        cable(relay, "lan0", client, "eth0", "192.168.91.0/24")
        cable(server, "eth0", relay, "wan0", "192.168.92.0/24")
        client.run("ip route add default via 192.168.91.1")
        made = Parted(server, relay, client)
        with contextlib.ExitStack() as stack:
            with relay.entered():
                stack.enter_context(HttpProxy(made.lan, made.server_address, port))
            yield made
