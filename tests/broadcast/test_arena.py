"""A block of slots: what libsrtp refuses must neither leave nor be kept."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest

from rtcserver.broadcast.address import route
from rtcserver.broadcast.arena import SlotBlock, SlotState
from rtcserver.broadcast.batch import SendBudget
from rtcserver.broadcast.bench import BLOCK, Bench
from rtcserver.broadcast.srtp import OutboundSrtp
from rtcserver.transport.address import Address
from tests.broadcast.listening import GCM, parse_rtp

SOUND = np.frombuffer(b"some sound that nobody else may hear", np.uint8)


def slot_state(session: OutboundSrtp, ssrc: int, sequence: int, port: int) -> SlotState:
    return SlotState(
        context=session.context,
        tag=session.tag_length,
        route=route(socket.AF_INET, Address("127.0.0.1", port), None),
        payload_type=111,
        ssrc=ssrc,
        sequence=sequence,
        timestamp_offset=5,
    )


@pytest.mark.parametrize("batched", [True, False], ids=["sendmmsg", "sendmsg"])
@pytest.mark.parametrize("refused", [{0}, {2}, {4}, {1, 2}, {0, 1, 2, 3, 4}])
def test_a_packet_that_is_not_protected_does_not_leave(
    media_socket: socket.socket, refused: set[int], batched: bool
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.setblocking(False)
        block = SlotBlock(Bench())
        # libsrtp refuses a packet whose SSRC is not the context's.
        sessions = [OutboundSrtp(GCM, os.urandom(28), 100 + n + 50 * (n in refused)) for n in range(5)]
        for n, session in enumerate(sessions):
            block.place(slot_state(session, 100 + n, 7, ear.getsockname()[1]))
        for _ in range(2):
            block.fill(SOUND, 1)
            block.protect()
            block.send(media_socket, SendBudget(), batched=batched)
            block.remember(10)
        arrived: list[bytes] = []
        while len(arrived) < 2 * (5 - len(refused)):
            arrived.append(ear.recv(2048))
        with pytest.raises(BlockingIOError):
            ear.recv(2048)
        assert [parse_rtp(data).ssrc for data in arrived] == [
            100 + n for n in range(5) if n not in refused
        ] * 2
        assert not any(SOUND.tobytes()[:8] in data for data in arrived)
        assert block.protect_failures == 2 * len(refused)
        for n in range(5):
            assert (block.packets(n), int(block.errors[n])) == ((0, 2) if n in refused else (2, 0))
            assert (block.recall(n, 0) is None) == (n in refused)
            assert block.sequence(n) == 9


def test_an_index_that_comes_again_is_refused_and_not_sent(media_socket: socket.socket) -> None:
    block, session = SlotBlock(Bench()), OutboundSrtp(GCM, os.urandom(28), 1)
    block.place(slot_state(session, 1, 7, media_socket.getsockname()[1]))
    for sequence in (7, 7):
        block.replace(0, slot_state(session, 1, sequence, media_socket.getsockname()[1]))
        block.fill(SOUND, 1)
        block.protect()
        block.send(media_socket, SendBudget())
    assert block.protect_failures == 1
    assert parse_rtp(media_socket.recv(2048)).sequence == 7
    with pytest.raises(BlockingIOError):
        media_socket.recv(2048)


def test_a_state_is_the_same_in_any_slot_at_any_time() -> None:
    # Columns are kept as differences to sums that grow with each packet, and wrap.
    bench = Bench()
    blocks = [SlotBlock(bench), SlotBlock(bench)]
    session = OutboundSrtp(GCM, os.urandom(28), 1)
    state = slot_state(session, 1, 65_530, 9)._replace(packets=10, octets=1000, dropped=3, errors=4)
    for block in blocks:
        block.place(slot_state(session, 1, 0, 9))
    for step in range(40):
        block, other = blocks[step % 2], blocks[1 - step % 2]
        slot = block.place(state)
        assert block.state(slot) == state
        block.fill(SOUND, step)
        size = len(SOUND)
        expected = state._replace(
            sequence=(state.sequence + 1) % 65_536, packets=state.packets + 1, octets=state.octets + size
        )
        state = block.state(slot)
        assert state == expected
        block.drop_last()
        other.fill(SOUND, step)


def test_a_full_block_takes_nobody() -> None:
    block, session = SlotBlock(Bench()), OutboundSrtp(GCM, os.urandom(28), 1)
    for n in range(BLOCK):
        assert block.place(slot_state(session, n, 0, 9)) == n
    assert block.full
    with pytest.raises(ValueError, match="full"):
        block.place(slot_state(session, 0, 0, 9))
