"""The contract with pylibsrtp's private binding, and the outbound contexts over it."""

from __future__ import annotations

import os

import numpy as np
import pylibsrtp
import pytest
from pylibsrtp._binding import ffi, lib

from rtcserver.broadcast import srtp
from rtcserver.broadcast.srtp import PROTECT, OutboundSrtp, SrtpProfile, int_pointer, pointer
from tests.broadcast.listening import INBOUND

RTP = bytes((0x80, 111, 0x00, 0x07)) + bytes(4) + (77).to_bytes(4) + b"payload of some length"


def protect(session: OutboundSrtp, packet: bytes) -> tuple[int, bytes]:
    memory = np.zeros(len(packet) + srtp.MAX_TAG, np.uint8)
    memory[: len(packet)] = np.frombuffer(packet, np.uint8)
    length = np.array([len(packet)], np.int32)
    status = PROTECT(session.context, pointer(memory.ctypes.data), int_pointer(length.ctypes.data))
    return status, memory[: length[0]].tobytes()


def inbound(profile: SrtpProfile, master: bytes) -> pylibsrtp.Session:
    return pylibsrtp.Session(
        pylibsrtp.Policy(
            key=master, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=INBOUND[profile]
        )
    )


def test_the_binding_is_the_one_that_this_was_written_for() -> None:
    assert pylibsrtp.__version__ == "1.0.0"
    signature = "srtp_err_status_t(*)(struct srtp_ctx_t_ *, void *, int *)"
    assert ffi.typeof(lib.srtp_protect).cname == signature
    assert ffi.typeof(lib.srtp_protect_rtcp).cname == signature
    assert {name for name, _ in ffi.typeof("srtp_policy_t").fields} >= {
        "ssrc",
        "rtp",
        "rtcp",
        "key",
        "window_size",
        "allow_repeat_tx",
    }
    assert lib.srtp_err_status_ok == 0


@pytest.mark.parametrize("profile", SrtpProfile)
def test_the_lengths_are_libsrtps(profile: SrtpProfile) -> None:
    number = INBOUND[profile]
    assert profile.key_length == lib.srtp_profile_get_master_key_length(
        number
    ) + lib.srtp_profile_get_master_salt_length(number)
    _, packet = protect(OutboundSrtp(profile, os.urandom(profile.key_length), 77), RTP)
    assert len(packet) == len(RTP) + profile.tag_length


@pytest.mark.parametrize("profile", SrtpProfile)
def test_what_is_protected_in_place_opens_at_the_other_end(profile: SrtpProfile) -> None:
    master = os.urandom(profile.key_length)
    session, receiver = OutboundSrtp(profile, master, 77), inbound(profile, master)
    status, packet = protect(session, RTP)
    assert status == 0
    assert packet[12 : len(RTP)] != RTP[12:]
    assert receiver.unprotect(packet) == RTP
    report = bytes((0x80, 201, 0, 1)) + (77).to_bytes(4)
    assert receiver.unprotect_rtcp(session.protect_rtcp(report)) == report


@pytest.mark.parametrize("profile", SrtpProfile)
def test_in_place_equals_pylibsrtps_own_protect(profile: SrtpProfile) -> None:
    master = os.urandom(profile.key_length)
    policy = pylibsrtp.Policy(
        key=master, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=INBOUND[profile]
    )
    _, packet = protect(OutboundSrtp(profile, master, 77), RTP)
    assert packet == pylibsrtp.Session(policy).protect(RTP)


@pytest.mark.parametrize("profile", SrtpProfile)
def test_an_index_is_protected_only_once(profile: SrtpProfile) -> None:
    session = OutboundSrtp(profile, os.urandom(profile.key_length), 77)
    assert protect(session, RTP)[0] == 0
    status, packet = protect(session, RTP[:12] + b"another plaintext!")
    assert status != 0
    assert len(packet) == 12 + 18


@pytest.mark.parametrize("profile", SrtpProfile)
def test_a_key_of_the_wrong_length_is_refused(profile: SrtpProfile) -> None:
    with pytest.raises(ValueError, match=str(profile.key_length)):
        OutboundSrtp(profile, os.urandom(profile.key_length + 1), 77)


def test_another_ssrc_is_refused() -> None:
    session = OutboundSrtp(SrtpProfile.AEAD_AES_128_GCM, os.urandom(28), 78)
    assert protect(session, RTP)[0] != 0
