"""Which addresses are offered to whom, in which order, with which port and priority."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from rtcserver.transport.candidates import (
    MAX_CANDIDATES,
    Arrival,
    InterfaceAddress,
    Reach,
    choose,
    machine_addresses,
    usable,
)

LAN4, LAN6 = ip_address("192.168.1.20"), ip_address("2001:db8::20")
CABLE = ip_address("169.254.7.1")
PUBLIC = ip_address("203.0.113.5")
LOOPBACK = ip_address("127.0.0.1")
MACHINE = [
    InterfaceAddress("lo", LOOPBACK, 1),
    InterfaceAddress("lo", ip_address("::1"), 1),
    InterfaceAddress("eth0", LAN6, 2),
    InterfaceAddress("eth0", LAN4, 2),
    InterfaceAddress("eth0", ip_address("fe80::1"), 2),
    InterfaceAddress("eth1", CABLE, 3),
    InterfaceAddress("eth1", ip_address("fe80::2"), 3),
    InterfaceAddress("docker0", ip_address("172.17.0.1"), 4),
    InterfaceAddress("br-0123456789ab", ip_address("172.18.0.1"), 5),
    InterfaceAddress("veth12ab", ip_address("169.254.3.4"), 6),
]
REMOTE = "192.168.1.77"
ANYWHERE = Reach(8080)


def offered(
    *,
    reach: Reach = ANYWHERE,
    host: str = "",
    local: str = "",
    remote: str = REMOTE,
    signaling: tuple[str, ...] = (),
    public: tuple[str, ...] = (),
    machine: list[InterfaceAddress] | None = None,
) -> list[str]:
    """The addresses that are offered, as text."""
    found = choose(
        reach,
        arrival=Arrival(host, local, remote),
        signaling=[ip_address(text) for text in signaling],
        public=[ip_address(text) for text in public],
        machine=MACHINE if machine is None else machine,
    )
    assert [c.index for c in found] == list(range(len(found)))
    assert {c.port for c in found} <= {reach.public or reach.port}
    return [str(c.address) for c in found]


def test_bridges_loopback_and_link_local_are_left_out() -> None:
    assert usable(MACHINE) == [LAN4, LAN6]
    assert ip_address("172.17.0.1") in usable(MACHINE, bridges=True)


@pytest.mark.parametrize(
    ("interface", "container"),
    [
        ("docker0", True),
        ("docker_gwbridge", True),
        ("br-0123456789ab", True),
        ("virbr0", True),
        ("lxdbr0", True),
        ("cni0", True),
        ("cni-podman1", True),
        ("podman0", True),
        ("flannel.1", True),
        ("cali0123456789a", True),
        ("veth12ab", True),
        ("br-lan", False),
        ("br-guest", False),
        ("br-0123456789abc", False),
        ("br0", False),
        ("vmbr0", False),
        ("bridge0", False),
        ("dockerlan", False),
    ],
)
def test_a_bridge_of_peoples_own_is_a_network_like_any_other(interface: str, container: bool) -> None:
    """OpenWrt calls its LAN ``br-lan``."""
    assert usable([InterfaceAddress(interface, LAN4)]) == ([] if container else [LAN4])


def test_order_and_deduplication() -> None:
    asked = offered(local="192.168.1.20", signaling=("198.51.100.7",), public=("203.0.113.5", "192.168.1.20"))
    assert asked == ["198.51.100.7", "192.168.1.20", "203.0.113.5", "2001:db8::20"]


def test_lines_and_priorities_follow_rfc_8445() -> None:
    first, second = choose(
        Reach(8080), arrival=Arrival(remote=REMOTE), signaling=[], public=[], machine=MACHINE
    )
    assert first.priority == 2**24 * 126 + 2**8 * 65535 + 255
    assert first.priority > second.priority > 0
    assert first.line == f"candidate:1 1 udp {first.priority} 192.168.1.20 8080 typ host"
    assert second.line == f"candidate:2 1 udp {second.priority} 2001:db8::20 8080 typ host"


def test_a_direct_cable_is_offered_to_who_came_over_it() -> None:
    """By its ``.local`` name, which this machine need not resolve."""
    assert offered(host="music.local", local="169.254.7.1")[0] == "169.254.7.1"
    assert "169.254.7.1" not in offered(host="music.local", local="192.168.1.20")
    alone = [a for a in MACHINE if a.interface in ("lo", "eth1")]
    assert offered(host="music.local", local="169.254.7.1", machine=alone) == ["169.254.7.1"]


def test_a_link_local_ipv6_address_is_never_offered_and_its_cables_ipv4_one_stands_in() -> None:
    assert offered(host="music.local", local="fe80::2%3")[0] == "169.254.7.1"
    assert offered(host="music.local", local="fe80::1%2") == ["192.168.1.20", "2001:db8::20"]
    assert offered(host="fe80::1", local="fe80::1", signaling=("fe80::1",), public=("fe80::1",)) == [
        "192.168.1.20",
        "2001:db8::20",
    ]


def test_a_name_for_the_whole_machine_does_not_bring_in_a_cable_that_the_client_is_not_on() -> None:
    everything = ("169.254.7.1", "192.168.1.20")
    assert offered(host="music.local", local="192.168.1.20", signaling=everything)[0] == "192.168.1.20"
    assert "169.254.7.1" not in offered(host="music.local", local="192.168.1.20", signaling=everything)
    assert offered(host="169.254.7.1", local="172.17.0.2", signaling=("169.254.7.1",))[0] == "169.254.7.1"


@pytest.mark.parametrize("remote", ["192.168.1.77", "192.168.1.20", "2001:db8::77", ""])
def test_loopback_is_for_clients_on_this_machine_only(remote: str) -> None:
    """Debian's /etc/hosts has the machine's own name at 127.0.1.1; a proxy's connection arrives on 127.0.0.1."""
    found = offered(
        host="music", local="127.0.0.1", remote=remote, signaling=("127.0.1.1",), public=("127.0.0.1", "::1")
    )
    assert found == ["192.168.1.20", "2001:db8::20"]


@pytest.mark.parametrize(("remote", "local"), [("127.0.0.1", "127.0.1.1"), ("::1", "::1")])
def test_a_client_on_this_machine_gets_the_loopback_address_that_it_came_by(remote: str, local: str) -> None:
    assert offered(local=local, remote=remote) == [local, "192.168.1.20", "2001:db8::20"]


def test_a_remapped_port_is_the_only_one_offered() -> None:
    reach = Reach(8080, public=9000)
    found = offered(reach=reach, local="172.17.0.2", signaling=("192.168.1.20",), public=("203.0.113.5",))
    assert found == ["192.168.1.20", "203.0.113.5"]


def test_a_remapped_port_is_offered_where_the_request_arrived_when_nothing_else_is_known() -> None:
    """Somebody forwards the port on this machine, which the client calls by a name that only it can resolve."""
    assert offered(reach=Reach(8080, public=9000), host="music.local", local="192.168.1.20") == [
        "192.168.1.20"
    ]


@pytest.mark.parametrize(
    ("bound", "remote"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("192.168.1.20", REMOTE)]
)
def test_a_server_on_one_address_offers_nothing_else(bound: str, remote: str) -> None:
    reach = Reach(8080, bound=ip_address(bound), families=frozenset({ip_address(bound).version}))
    assert offered(reach=reach, local=bound, remote=remote, signaling=("198.51.100.7", "127.0.1.1")) == [
        bound
    ]


def test_what_a_person_has_named_is_offered_beside_the_one_address() -> None:
    """Network address translation one to one, as clouds do it."""
    reach = Reach(8080, bound=LAN4, families=frozenset({4}))
    assert offered(reach=reach, local="192.168.1.20", public=("203.0.113.5",)) == [
        "192.168.1.20",
        "203.0.113.5",
    ]


def test_nothing_is_offered_to_who_can_reach_nothing() -> None:
    """A proxy on this machine brings a client from elsewhere to a server that is open on loopback only."""
    assert offered(reach=Reach(8080, bound=LOOPBACK), local="127.0.0.1", signaling=("203.0.113.5",)) == []


def test_a_port_without_ipv6_does_not_offer_the_machines() -> None:
    reach = Reach(1, families=frozenset({4}))
    assert offered(reach=reach, local="2001:db8::20") == ["192.168.1.20"]
    assert offered(reach=reach, signaling=("2001:db8::99",)) == ["2001:db8::99", "192.168.1.20"]


def test_the_number_is_bounded() -> None:
    many = [InterfaceAddress("eth0", ip_address(f"10.0.0.{n}"), 2) for n in range(1, 100)]
    assert len(offered(machine=many)) == MAX_CANDIDATES


def test_how_far_a_port_reaches_is_read_from_its_sockets() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        assert Reach.of([one], 9000) == Reach(port, 9000, LOOPBACK, frozenset({4}))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as every:
        every.bind(("0.0.0.0", 0))
        assert Reach.of([every]) == Reach(every.getsockname()[1], families=frozenset({4}))


def test_this_machine_has_a_loopback_address() -> None:
    found = {a.address: a for a in machine_addresses()}
    assert found[LOOPBACK].index == socket.if_nametoindex(found[LOOPBACK].interface)
