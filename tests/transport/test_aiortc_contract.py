"""What `rtcserver.transport.aiortc_internals` relies on in aiortc. Fails when a pinned part moves."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import textwrap
from pathlib import Path

import pylibsrtp
import pytest
from aiortc import rtcdatachannel, rtcdtlstransport, rtcsctptransport
from OpenSSL import SSL

from rtcserver.transport import aiortc_internals as ours


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_version_is_the_pinned_one() -> None:
    assert importlib.metadata.version("aiortc") == ours.AIORTC_VERSION
    pins = Path(__file__).parents[2].joinpath("requirements.txt").read_text().split()
    assert f"aiortc=={ours.AIORTC_VERSION}" in pins


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (rtcdtlstransport.RTCCertificate, "_create_ssl_context", ["self", "srtp_profiles"]),
        (rtcdtlstransport.RTCCertificate, "getFingerprints", ["self"]),
        (rtcdtlstransport.RTCDtlsTransport, "__init__", ["self", "transport", "certificates"]),
        (rtcdtlstransport.RTCDtlsTransport, "_set_role", ["self", "role"]),
        (rtcdtlstransport.RTCDtlsTransport, "_set_state", ["self", "state"]),
        (rtcdtlstransport.RTCDtlsTransport, "_validate_peer_identity", ["self", "remoteParameters"]),
        (rtcdtlstransport.RTCDtlsTransport, "_send_data", ["self", "data"]),
        (rtcdtlstransport.RTCDtlsTransport, "_send_rtp", ["self", "data"]),
        (rtcdtlstransport.RTCDtlsTransport, "_register_data_receiver", ["self", "receiver"]),
        (rtcdtlstransport.RTCDtlsTransport, "_unregister_data_receiver", ["self", "receiver"]),
        (rtcdtlstransport.SRTPProtectionProfile, "get_key_and_salt", ["self", "src", "idx"]),
        (rtcsctptransport.RTCSctpTransport, "__init__", ["self", "transport", "port"]),
        (rtcsctptransport.RTCSctpTransport, "start", ["self", "remoteCaps", "remotePort"]),
        (rtcsctptransport.RTCSctpTransport, "stop", ["self"]),
        (rtcsctptransport.RTCSctpTransport, "_receive_chunk", ["self", "chunk"]),
        (rtcsctptransport.RTCSctpTransport, "_send_sack", ["self"]),
        (rtcsctptransport.RTCSctpTransport, "_set_state", ["self", "state"]),
        (
            rtcsctptransport.RTCSctpTransport,
            "_data_channel_receive",
            ["self", "stream_id", "pp_id", "data"],
        ),
        (rtcsctptransport.RTCSctpTransport, "_data_channel_send", ["self", "channel", "data"]),
        (rtcsctptransport.RTCSctpTransport, "_flight_size_increase", ["self", "chunk"]),
        (rtcsctptransport.RTCSctpTransport, "_t3_start", ["self"]),
        (rtcsctptransport.DataChunk, "__init__", ["self", "flags", "body"]),
        (rtcsctptransport, "parse_packet", ["data"]),
        (rtcdatachannel.RTCDataChannel, "send", ["self", "data"]),
        (SSL.Connection, "set_ciphertext_mtu", ["self", "mtu"]),
        (SSL.Connection, "DTLSv1_get_timeout", ["self"]),
        (SSL.Connection, "DTLSv1_handle_timeout", ["self"]),
        (SSL.Connection, "get_selected_srtp_profile", ["self"]),
        (pylibsrtp.Session, "unprotect_rtcp", ["self", "packet"]),
    ],
)
def test_signatures(owner: object, name: str, expected: list[str]) -> None:
    assert parameters(getattr(owner, name)) == expected


async def test_a_new_association_has_the_fields_that_the_limits_read() -> None:
    dtls = ours.SteppedDtls(ours.IceSide(lambda data: None), certificate())
    association = rtcsctptransport.RTCSctpTransport(dtls)
    expected = {
        "_advertised_rwnd": int,
        "_association_state": rtcsctptransport.RTCSctpTransport.State,
        "_data_channels": dict,
        "_flight_size": int,
        "_inbound_streams": dict,
        "_last_received_tsn": type(None),
        "_local_tsn": int,
        "_local_verification_tag": int,
        "_remote_verification_tag": int,
        "_sack_needed": bool,
        "_forward_tsn_chunk": type(None),
        "_t3_handle": type(None),
    }
    assert {name: type(getattr(association, name)) for name in expected} == expected
    for queue in ("_data_channel_queue", "_outbound_queue", "_sent_queue"):
        assert len(getattr(association, queue)) == 0
    assert rtcsctptransport.InboundStream().reassembly == []


def test_a_new_dtls_transport_has_the_fields_that_are_set() -> None:
    dtls = rtcdtlstransport.RTCDtlsTransport(ours.IceSide(lambda data: None), [certificate()])
    assert dtls._ssl is None
    assert dtls.encrypted is False
    assert dtls._role == "auto"
    assert [s.name for s in rtcdtlstransport.State] == ["NEW", "CONNECTING", "CONNECTED", "CLOSED", "FAILED"]


def test_the_profiles_that_we_prefer_exist_here() -> None:
    assert [p.openssl_profile for p in ours.PROFILES] == [
        b"SRTP_AEAD_AES_128_GCM",
        b"SRTP_AEAD_AES_256_GCM",
        b"SRTP_AES128_CM_SHA1_80",
    ]


def test_nothing_in_the_association_waits_for_anything_but_itself_and_dtls() -> None:
    """`run_now` works because every await ends in a coroutine that does not suspend."""
    association = rtcsctptransport.RTCSctpTransport
    own = {name for name, _ in inspect.getmembers(association, inspect.iscoroutinefunction)}
    tree = ast.parse(textwrap.dedent(inspect.getsource(association)))
    awaited = [node.value for node in ast.walk(tree) if isinstance(node, ast.Await)]
    names = set()
    for call in awaited:
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Attribute)
        names.add(call.func.attr)
    assert len(awaited) > 20
    assert names - own == {"_send_data"}


_certificate: list[ours.SharedCertificate] = []


def certificate() -> ours.SharedCertificate:
    if not _certificate:
        _certificate.append(ours.SharedCertificate.generateCertificate())
    return _certificate[0]


def test_one_tls_context_serves_all() -> None:
    shared = certificate()
    assert shared._create_ssl_context(ours.PROFILES) is shared._create_ssl_context(ours.PROFILES)
    assert len(shared.sha256_fingerprint()) == 32 * 3 - 1
