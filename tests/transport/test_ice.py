"""The ICE-lite registry: who is bound, who is answered, who gets silence. No sockets, no clock."""

from __future__ import annotations

import re
import struct
from binascii import crc32

import pytest

from rtcserver.transport import stun
from rtcserver.transport.ice import PATH_HOLD_NS, IceRegistry
from rtcserver.transport.ice_agent import TRANSITIONS, IceEvent, IceState
from tests.transport.checking import REMOTE, S, check, fresh, make, path


def test_credentials_are_long_and_unique() -> None:
    registry = IceRegistry()
    agents = [make(registry) for _ in range(200)]
    assert len({a.current.ufrag for a in agents}) == 200
    for agent in agents:
        assert re.fullmatch(r"[A-Za-z0-9+/]{16,256}", agent.current.ufrag)
        assert re.fullmatch(r"[A-Za-z0-9+/]{22,256}", agent.current.password)
    assert len(registry) == 200


def test_a_check_binds_and_is_answered_with_the_mapped_address() -> None:
    registry = IceRegistry()
    agent = make(registry)
    checked = registry.receive(check(agent.current, tid=b"transaction!"), path(5000), 3 * S)
    assert checked is not None
    assert checked.agent is agent
    assert not checked.moved
    assert agent.state is IceState.CHECKED
    assert agent.selected is None
    assert agent.last_check_ns == 3 * S
    assert registry.owner_of(path(5000)) is agent
    assert registry.owner_of(path(5001)) is None
    reply = stun.parse(checked.reply)
    assert reply.xor_mapped == ("192.0.2.7", 5000)
    assert reply.transaction_id == b"transaction!"
    assert stun.verify(checked.reply, reply, agent.current.password.encode())


def refingerprint(message: bytes) -> bytes:
    """The message without its FINGERPRINT, with a new one."""
    head = message[:-8]
    return head + struct.pack("!HHI", stun.FINGERPRINT, 4, crc32(head) ^ 0x5354554E)


def test_silence_towards_strangers() -> None:
    registry = IceRegistry()
    agent = make(registry)
    good = check(agent.current, nominate=True)
    wrong_password = agent.current._replace(password="x" * 24)
    without_fingerprint = bytearray(good[:-8])
    struct.pack_into("!H", without_fingerprint, 2, len(without_fingerprint) - 20)
    bare = struct.pack("!HHI12s", stun.BINDING_REQUEST, 0, stun.COOKIE, fresh())
    cases = {
        "stun_malformed": [b"", b"\x00", good[:-1], good + b"\x00"],
        "stun_not_request": [stun.build_success(fresh(), ("1.2.3.4", 5), b"k")],
        "stun_incomplete": [bare, bytes(without_fingerprint)],
        "stun_unknown_ufrag": [
            check(agent.current._replace(ufrag="nobody-has-this-one")),
            stun.build_request(fresh(), agent.current.ufrag.encode(), agent.current.password.encode()),
            stun.build_request(fresh(), b":" + REMOTE.encode(), b"k"),
        ],
        "stun_wrong_remote_ufrag": [
            stun.build_request(
                fresh(), f"{agent.current.ufrag}:other".encode(), agent.current.password.encode()
            )
        ],
        "stun_bad_integrity": [
            check(wrong_password, nominate=True),
            refingerprint(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]),
        ],
    }
    for counter, datagrams in cases.items():
        for datagram in datagrams:
            before = registry.counters[counter]
            assert registry.receive(datagram, path(5000), 0) is None, counter
            assert registry.counters[counter] == before + 1, counter
    assert agent.state is IceState.WAITING
    assert registry.paths == 0
    assert registry.owner_of(path(5000)) is None


def test_role_conflict_is_answered_but_binds_nothing() -> None:
    registry = IceRegistry()
    agent = make(registry)
    checked = registry.receive(check(agent.current, controlling=False), path(1), 0)
    assert checked is not None
    assert stun.parse(checked.reply).error == (487, "Role Conflict")
    assert registry.paths == 0


def test_unknown_required_attribute_gets_420() -> None:
    registry = IceRegistry()
    agent = make(registry)
    key = agent.current.password.encode()
    body = stun._attribute(stun.USERNAME, f"{agent.current.ufrag}:{REMOTE}".encode())
    data = stun._seal(stun.BINDING_REQUEST, fresh(), body + stun._attribute(0x7ABC, b"abcd"), key)
    checked = registry.receive(data, path(1), 0)
    assert checked is not None
    assert stun.parse(checked.reply).error == (420, "Unknown Attribute")
    assert registry.paths == 0


def test_another_local_address_is_another_path() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current), path(1), 0)
    assert registry.owner_of(path(1, local=b"\x0a\x00\x00\x02")) is None


def test_a_live_path_cannot_be_taken_by_another_peer() -> None:
    registry = IceRegistry()
    one, two = make(registry), make(registry)
    registry.receive(check(one.current, nominate=True), path(1), 0)
    assert registry.receive(check(two.current, nominate=True), path(1), PATH_HOLD_NS - 1) is None
    assert registry.counters["stun_path_taken"] == 1
    assert registry.owner_of(path(1)) is one
    assert registry.receive(check(two.current, nominate=True), path(1), PATH_HOLD_NS) is not None
    assert registry.owner_of(path(1)) is two
    assert one.selected is None


def test_remove_leaves_nothing() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.receive(check(agent.current, nominate=True), path(1), 0)
    registry.restart(agent, REMOTE)
    registry.remove(agent)
    registry.remove(agent)
    assert len(registry) == 0
    assert registry.paths == 0
    assert registry._by_ufrag == {}
    assert registry.receive(check(agent.current), path(1), 0) is None


def test_an_illegal_move_raises() -> None:
    registry = IceRegistry()
    agent = make(registry)
    registry.remove(agent)
    for event in IceEvent:
        with pytest.raises(KeyError):
            agent.advance(event)


def test_the_table_is_total() -> None:
    assert set(TRANSITIONS) == set(IceState)
    for state, moves in TRANSITIONS.items():
        if state is not IceState.CLOSED:
            assert set(moves) == set(IceEvent)
