"""The local authority: what it signs, when it signs anew, what it refuses."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from rtcserver.errors import ConfigError
from signaling import tls

NOW = datetime.datetime.now(datetime.UTC)
NAMES = ["localhost", "127.0.0.1", "::1", "studio.local", "192.0.2.7"]


def certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / tls.CERT_FILE).read_bytes())


def handshake(server: ssl.SSLContext, authority: Path, name: str) -> None:
    """A client that trusts only the authority connects to `name`; raises ssl.SSLError otherwise."""
    client = ssl.create_default_context(cafile=str(authority))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version() == "TLSv1.3"


@pytest.mark.parametrize("name", NAMES)
def test_a_browser_that_trusts_the_authority_accepts_every_name(tmp_path: Path, name: str) -> None:
    context = tls.automatic(tmp_path, NAMES, NOW)
    handshake(context, tmp_path / tls.CA_FILE, name)


def test_another_name_is_refused(tmp_path: Path) -> None:
    context = tls.automatic(tmp_path, NAMES, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context, tmp_path / tls.CA_FILE, "elsewhere.example")


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    tls.automatic(tmp_path, NAMES, NOW)
    for key in (tls.CA_KEY, tls.KEY_FILE):
        assert (tmp_path / key).stat().st_mode & 0o077 == 0


def test_the_certificate_is_kept_until_it_must_change(tmp_path: Path) -> None:
    tls.automatic(tmp_path, NAMES, NOW)
    authority, first = (tmp_path / tls.CA_FILE).read_bytes(), certificate(tmp_path)
    tls.automatic(tmp_path, NAMES[:2], NOW)
    assert certificate(tmp_path) == first
    tls.automatic(tmp_path, [*NAMES, "192.0.2.8"], NOW)
    second = certificate(tmp_path)
    assert second != first
    tls.automatic(tmp_path, NAMES, NOW + datetime.timedelta(days=tls.CERT_DAYS - tls.RENEW_DAYS))
    assert certificate(tmp_path) != second
    assert (tmp_path / tls.CA_FILE).read_bytes() == authority


def test_browsers_accept_how_long_it_is_valid(tmp_path: Path) -> None:
    tls.automatic(tmp_path, NAMES, NOW)
    made = certificate(tmp_path)
    assert made.not_valid_after_utc - made.not_valid_before_utc <= datetime.timedelta(days=398)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"tls_key: .*missing\.pem does not exist"):
        tls.context(str(tmp_path / "a.pem"), str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigError, match="are no certificate and its key"):
        tls.context(str(tmp_path / "a.pem"), str(tmp_path / "a.pem"))
    with pytest.raises(ConfigError, match=r"tls_cert: \(empty\) does not exist"):
        tls.context("", str(tmp_path / "a.pem"))
