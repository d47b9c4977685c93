"""The local authority: what it signs, when it signs anew, and when it is made anew itself."""

from __future__ import annotations

import datetime
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from signaling import authority as local
from signaling.tls import AutomaticCertificate
from tests.rig.process import REPOSITORY

NOW = datetime.datetime.now(datetime.UTC)
NAMES = ["localhost", "127.0.0.1", "::1", "studio.local", "192.0.2.7"]


def served(folder: Path, names: list[str], now: datetime.datetime) -> ssl.SSLContext:
    return AutomaticCertificate(folder, lambda: names, now).context


@pytest.fixture(autouse=True)
def nothing_logged() -> None:
    """In place of the folder's own: an authority that is replaced is said in the log, as it should be."""


def certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / local.CERT_FILE).read_bytes())


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
    context = served(tmp_path, NAMES, NOW)
    handshake(context, tmp_path / local.CA_FILE, name)


def test_another_name_is_refused(tmp_path: Path) -> None:
    context = served(tmp_path, NAMES, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context, tmp_path / local.CA_FILE, "elsewhere.example")


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    served(tmp_path, NAMES, NOW)
    for key in (local.CA_KEY, local.KEY_FILE):
        assert (tmp_path / key).stat().st_mode & 0o077 == 0


def test_the_certificate_is_kept_until_it_must_change(tmp_path: Path) -> None:
    served(tmp_path, NAMES, NOW)
    authority, first = (tmp_path / local.CA_FILE).read_bytes(), certificate(tmp_path)
    served(tmp_path, NAMES[:2], NOW)
    assert certificate(tmp_path) == first
    served(tmp_path, [*NAMES, "192.0.2.8"], NOW)
    second = certificate(tmp_path)
    assert second != first
    served(tmp_path, NAMES, NOW + datetime.timedelta(days=local.CERT_DAYS - local.RENEW_DAYS))
    assert certificate(tmp_path) != second
    assert (tmp_path / local.CA_FILE).read_bytes() == authority


def test_browsers_accept_how_long_it_is_valid(tmp_path: Path) -> None:
    served(tmp_path, NAMES, NOW)
    made = certificate(tmp_path)
    assert made.not_valid_after_utc - made.not_valid_before_utc <= datetime.timedelta(days=398)


def test_it_follows_new_addresses_and_its_own_end_while_running(tmp_path: Path) -> None:
    names = [*NAMES]
    kept = AutomaticCertificate(tmp_path, lambda: names, NOW)
    assert not kept.refresh(NOW)
    names.append("192.0.2.8")
    assert kept.refresh(NOW)
    handshake(kept.context, tmp_path / local.CA_FILE, "192.0.2.8")
    first = certificate(tmp_path)
    assert kept.refresh(NOW + datetime.timedelta(days=local.CERT_DAYS - local.RENEW_DAYS))
    assert certificate(tmp_path).not_valid_after_utc > first.not_valid_after_utc


@pytest.mark.parametrize("then", [NOW - datetime.timedelta(days=20_000), NOW + datetime.timedelta(days=90)])
def test_an_authority_from_a_wrong_clock_is_made_anew(
    tmp_path: Path, then: datetime.datetime, caplog: pytest.LogCaptureFixture
) -> None:
    served(tmp_path, NAMES, then)
    old = (tmp_path / local.CA_FILE).read_bytes()
    context = served(tmp_path, NAMES, NOW)
    assert (tmp_path / local.CA_FILE).read_bytes() != old
    assert "each device has to trust the new one" in caplog.text
    handshake(context, tmp_path / local.CA_FILE, "studio.local")


def test_a_clock_that_is_set_while_running_is_noticed(tmp_path: Path) -> None:
    kept = AutomaticCertificate(tmp_path, lambda: NAMES, NOW - datetime.timedelta(days=20_000))
    assert kept.refresh(NOW)
    handshake(kept.context, tmp_path / local.CA_FILE, "studio.local")


def test_a_replaced_authority_signs_a_new_certificate(tmp_path: Path) -> None:
    served(tmp_path / "other", NAMES, NOW)
    kept = AutomaticCertificate(tmp_path, lambda: NAMES, NOW)
    for name in (local.CA_FILE, local.CA_KEY):
        (tmp_path / name).write_bytes((tmp_path / "other" / name).read_bytes())
    assert kept.refresh(NOW)
    handshake(kept.context, tmp_path / "other" / local.CA_FILE, "studio.local")


@pytest.mark.parametrize("name", [local.CA_FILE, local.CA_KEY, local.CERT_FILE, local.KEY_FILE])
@pytest.mark.parametrize("damage", ["", "no PEM", "half", "another's", None])
def test_damaged_files_are_made_anew(tmp_path: Path, name: str, damage: str | None) -> None:
    served(tmp_path / "other", NAMES, NOW)
    served(tmp_path, NAMES, NOW)
    file = tmp_path / name
    if damage is None:
        file.unlink()
    elif damage == "half":
        file.write_text(file.read_text()[:120])
    elif damage == "another's":
        file.write_bytes((tmp_path / "other" / name).read_bytes())
    else:
        file.write_text(damage)
    handshake(served(tmp_path, NAMES, NOW), tmp_path / local.CA_FILE, "studio.local")


def test_servers_that_start_at_once_in_one_folder_have_one_authority(tmp_path: Path) -> None:
    script = (
        "import datetime, pathlib, sys; from signaling.authority import renew; "
        "print(flush=True); sys.stdin.readline(); "
        "renew(pathlib.Path(sys.argv[1]), ['localhost'], datetime.datetime.now(datetime.UTC))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=pipe) for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [process.communicate()[1] for process in started] == [b""] * 3
    authority = x509.load_pem_x509_certificate((tmp_path / local.CA_FILE).read_bytes())
    certificate(tmp_path).verify_directly_issued_by(authority)
