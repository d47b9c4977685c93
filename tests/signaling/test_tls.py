"""HTTPS from files of one's own: what is wrong with them is said, and renewed ones are served without a restart."""

from __future__ import annotations

import asyncio
import datetime
import os
import signal
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization

from rtcserver.errors import ConfigError
from signaling import authority, tls
from signaling.tls import AutomaticCertificate, FileCertificate
from tests.rig.process import wait_until
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for certificates")

NOW = datetime.datetime.now(datetime.UTC)


def write_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for localhost and its key, by an authority of its own."""
    AutomaticCertificate(folder / name, lambda: ["localhost"], NOW)
    cert, key = folder / "cert.pem", folder / "key.pem"
    # As certbot does it: both files are replaced, one after the other.
    for source, target in ((authority.CERT_FILE, cert), (authority.KEY_FILE, key)):
        draft = target.with_suffix(".draft")
        draft.write_bytes((folder / name / source).read_bytes())
        draft.replace(target)
    return cert, key


def served_by(context: ssl.SSLContext) -> bytes:
    """The certificate that a context serves, in DER."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server)
    theirs = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found = ours.getpeercert(binary_form=True)
    assert found is not None
    return found


def test_wrong_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"tls_key: .*missing\.pem does not exist"):
        tls.context(str(tmp_path / "a.pem"), str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigError, match="are no certificate and its key"):
        tls.context(str(tmp_path / "a.pem"), str(tmp_path / "a.pem"))
    with pytest.raises(ConfigError, match=r"tls_cert: \(empty\) does not exist"):
        tls.context("", str(tmp_path / "a.pem"))


def test_a_key_with_a_passphrase_is_said_in_a_sentence(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path, "one")
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        plain.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ConfigError, match=r"tls_key: .*key\.pem needs a passphrase"):
        FileCertificate(str(cert), str(key))


def test_a_key_that_may_not_be_read_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = write_pair(tmp_path, "one")
    # Root may read everything, so the system's word stands in for a real refusal.
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(key))
    with pytest.raises(ConfigError, match=r"tls_key: .*key\.pem may not be read"):
        FileCertificate(str(cert), str(key))


def test_renewed_files_are_served_to_the_next_connection(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path, "one")
    kept = FileCertificate(str(cert), str(key))
    first = served_by(kept.context)
    assert not kept.refresh(NOW)
    write_pair(tmp_path, "two")
    assert kept.refresh(NOW)
    assert served_by(kept.context) != first


def test_a_pair_that_is_half_written_changes_nothing(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path, "one")
    kept = FileCertificate(str(cert), str(key))
    first, old_key = served_by(kept.context), key.read_bytes()
    write_pair(tmp_path, "two")
    new_key = key.read_bytes()
    key.write_bytes(old_key)
    with pytest.raises(ConfigError, match="are no certificate and its key"):
        kept.refresh(NOW)
    assert served_by(kept.context) == first
    key.write_bytes(new_key)
    assert kept.refresh(NOW)
    assert served_by(kept.context) != first


async def test_sighup_serves_a_new_certificate_and_never_ends_the_server(tmp_path: Path) -> None:
    with RtcServer(instrument="tone", tls="auto", state_dir=tmp_path / "state") as server:

        def shown() -> str:
            return ssl.get_server_certificate(("127.0.0.1", server.port))

        first = await asyncio.to_thread(shown)
        (tmp_path / "state" / authority.CERT_FILE).write_text("damaged")
        os.kill(server.pid, signal.SIGHUP)
        await asyncio.to_thread(wait_until, lambda: shown() != first, "served anew", 5)
        server.health()
        async with aiohttp.ClientSession() as http:
            plain = f"http://127.0.0.1:{server.port}/r/main"
            async with http.get(f"{plain}?listen", allow_redirects=False) as answer:
                assert answer.status == 308
                assert answer.headers["Location"] == f"https://127.0.0.1:{server.port}/r/main?listen"
            async with http.post(f"{plain}/whep", data=b"v=0") as answer:
                assert answer.status == 400
                assert "https://" in await answer.text()


def test_sighup_without_tls_is_survived() -> None:
    with RtcServer(instrument="tone") as server:
        os.kill(server.pid, signal.SIGHUP)
        for _ in range(3):
            assert server.health()["status"]
