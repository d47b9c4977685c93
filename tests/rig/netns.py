"""Networks of their own: isolated network stacks, joined by virtual cables, without a name or a trace.

A `Namespace` is held by a sleeping process, not by a name under ``/run/netns``: when that process
ends, however it ends, the kernel takes namespace, interfaces, routes and firewall rules with it. So a
killed test run leaves nothing behind. All of it needs root.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.rig.process import RigError, RigProcess, program

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace(RigProcess):
    """``with Namespace("browser") as ns, ns.entered(): ...`` runs the body in a network of its own.

    It starts with loopback only; see `cable`. What is started inside, stays inside.
    """

    def start(self) -> None:
        if os.geteuid() != 0:
            raise RigError("network namespaces need root: run these tests with sudo")
        unshare = program("unshare", "util-linux")
        self._spawn([unshare, "--net", "--", "sleep", "infinity"], os.environ)
        ours = Path("/proc/self/ns/net").readlink()
        self._wait_ready(lambda: self._handle.readlink() != ours)
        self.run("ip link set lo up")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread's new sockets and child processes belong to the namespace while the body runs.

        Sockets keep belonging to it afterwards. Of coroutines, only what runs meanwhile is concerned.
        """
        with Path("/proc/thread-self/ns/net").open("rb") as outside:
            with self._handle.open("rb") as inside:
                _enter(inside.fileno())
            try:
                yield
            finally:
                _enter(outside.fileno())

    def run(self, *commands: str, stdin: str = "") -> str:
        """Run commands in the namespace, each split at blanks; returns what they print.

        Raises `RigError` with what the first one that fails says.
        """
        output = []
        with self.entered():
            for command in commands:
                words = command.split()
                words[0] = program(words[0], {"ip": "iproute2"}.get(words[0], "iptables"))
                done = subprocess.run(words, input=stdin.encode(), capture_output=True)
                if done.returncode:
                    raise RigError(f"{command!r} in {self.label}: {done.stderr.decode().strip()}")
                output.append(done.stdout.decode())
        return "".join(output)

    def forward(self) -> None:
        """Let it route between its interfaces."""
        with self.entered():  # /proc/sys/net shows the namespace of who opens it
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")

    @property
    def _handle(self) -> Path:
        return Path(f"/proc/{self.pid}/ns/net")


def cable(one: Namespace, one_end: str, two: Namespace, two_end: str, *networks: str) -> None:
    """Join two namespaces by a virtual Ethernet cable with these interface names.

    networks: as ``192.168.77.0/24`` or ``fd77::/64``; `one` gets the first host address of each, `two`
    the second.
    """
    one.run(f"ip link add {one_end} type veth peer name {two_end} netns {two.pid}")
    for number, (space, end) in enumerate(((one, one_end), (two, two_end)), 1):
        lines = [f"link set {end} up"]
        for text in networks:
            network = ipaddress.ip_network(text)
            # Without nodad an IPv6 address is of no use for its first second.
            tail = " nodad" if network.version == 6 else ""
            lines.append(f"addr add {network[number]}/{network.prefixlen} dev {end}{tail}")
        space.run("ip -batch -", stdin="\n".join(lines) + "\n")


@dataclass(frozen=True, slots=True)
class Lan:
    """Two machines on one cable: `server` has .1, `client` .2 of each network."""

    server: Namespace
    client: Namespace
    ipv4: str = "192.168.77.1"
    ipv6: str = "fd77::1"


@contextlib.contextmanager
def lan() -> Iterator[Lan]:
    """Two machines on a LAN, IPv4 and IPv6, both with a default route to each other."""
    with Namespace("server") as server, Namespace("client") as client:
        cable(server, "eth0", client, "eth0", "192.168.77.0/24", "fd77::/64")
        # A browser looks which address its default route has, and uses that one only.
        client.run("ip route add default via 192.168.77.1", "ip -6 route add default via fd77::1")
        yield Lan(server, client)


@dataclass(frozen=True, slots=True)
class Published:
    """A container whose published ports a host forwards; `client` can reach `address`, the host, only."""

    container: Namespace
    host: Namespace
    client: Namespace
    address: str = "192.168.78.1"
    private: str = "172.31.0.2"


@contextlib.contextmanager
def published(port: int, *, masks_clients: bool = False) -> Iterator[Published]:
    """What ``docker run -p PORT:PORT -p PORT:PORT/udp`` sets up, with Docker's own kind of rules.

    masks_clients: the container sees the host's address in place of every client's, as behind rootless
    Docker's and Docker Desktop's proxies.
    """
    with Namespace("container") as container, Namespace("host") as host, Namespace("client") as client:
        cable(host, "docker0", container, "eth0", "172.31.0.0/16")
        cable(host, "lan0", client, "eth0", "192.168.78.0/24")
        container.run("ip route add default via 172.31.0.1")
        client.run("ip route add default via 192.168.78.1")
        masked = "-A POSTROUTING -o docker0 -j MASQUERADE" if masks_clients else ""
        published = "\n".join(
            f"-A PREROUTING -i lan0 -p {kind} --dport {port} -j DNAT --to-destination 172.31.0.2:{port}"
            for kind in ("tcp", "udp")
        )
        host.run("iptables-restore", stdin=_RULES.format(published=published, masked=masked))
        host.forward()
        yield Published(container, host, client)


_RULES = """*nat
{published}
-A POSTROUTING -s 172.31.0.0/16 ! -o docker0 -j MASQUERADE
{masked}
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
COMMIT
"""


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
