"""The local authority of ``tls = auto``: a certificate for all names and addresses of this machine.

The authority stays in the state folder; people trust it once, and every later certificate with it. What cannot be used
any more is made anew: an authority from before the machine's clock was right, one whose key is another's, a certificate
that ends, lacks a name, or was signed by an authority that has been replaced.
"""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import logging
import os
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rtcserver.errors import ConfigError

log = logging.getLogger(__name__)

CA_FILE, CA_KEY, CERT_FILE, KEY_FILE = "ca.pem", "ca.key", "server.pem", "server.key"
LOCK_FILE = "tls.lock"
CA_DAYS = 3650
CERT_DAYS = 397
"""Browsers refuse certificates that are valid for longer than 398 days."""
RENEW_DAYS = 30
SLACK = datetime.timedelta(days=1)
"""How long before now certificates begin: other machines' clocks may be behind."""


def machine_names(addresses: Iterable[str], extra: Iterable[str] = ()) -> list[str]:
    """Names and addresses under which browsers may reach this machine, sorted."""
    host = socket.gethostname()
    names = {"localhost", "127.0.0.1", "::1", host, host.partition(".")[0] + ".local"}
    return sorted(names | {a.partition("%")[0] for a in addresses} | {e for e in extra if e})


def renew(folder: Path, names: Sequence[str], now: datetime.datetime) -> bool:
    """Make what is missing or cannot be used any more. Returns whether a certificate was made.

    now: timezone-aware. Raises ConfigError if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / LOCK_FILE).open("w") as lock:
            # Servers may share the folder, and be started at once.
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _renew(folder, names, now)
    except OSError as error:
        raise ConfigError(f"tls = auto: cannot write to {folder}: {error}; set state_dir") from error


def _renew(folder: Path, names: Sequence[str], now: datetime.datetime) -> bool:
    authority = _authority(folder, now)
    if isinstance(authority, str):
        if any((folder / name).is_file() for name in (CA_FILE, CA_KEY)):
            log.warning(
                "the authority in %s is replaced, since %s; each device has to trust the new one (/trust)",
                folder,
                authority,
            )
        authority = _make_authority(folder, now)
    if _still_good(folder, authority[0], names, now):
        return False
    _make_certificate(folder, *authority, names, now)
    return True


def _make_authority(
    folder: Path, now: datetime.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"rtcserver on {socket.gethostname()}"[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SLACK)
        .not_valid_after(now + datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / CA_KEY, _pem(key))
    _write(folder / CA_FILE, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return certificate, key


def _make_certificate(
    folder: Path,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now: datetime.datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, socket.gethostname()[:64])]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - SLACK, authority.not_valid_before_utc))
        .not_valid_after(min(now + datetime.timedelta(days=CERT_DAYS - 1), authority.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    _write(folder / KEY_FILE, _pem(key))
    _write(folder / CERT_FILE, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _authority(
    folder: Path, now: datetime.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | str:
    """The authority in the folder with its key, or why it cannot be used."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / CA_FILE).read_bytes())
        key = serialization.load_pem_private_key((folder / CA_KEY).read_bytes(), None)
    except FileNotFoundError:
        return f"{CA_FILE} or {CA_KEY} is missing"
    except (ValueError, TypeError):
        return "its files are damaged"
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return f"{CA_KEY} is not the key of {CA_FILE}"
    if not certificate.not_valid_before_utc <= now:
        return f"it is valid from {certificate.not_valid_before_utc:%Y-%m-%d} on only: the clock was wrong then, or is now"
    if certificate.not_valid_after_utc - now < datetime.timedelta(days=RENEW_DAYS):
        return f"it ends on {certificate.not_valid_after_utc:%Y-%m-%d}"
    return certificate, key


def _still_good(
    folder: Path, authority: x509.Certificate, names: Sequence[str], now: datetime.datetime
) -> bool:
    """Whether the certificate in the folder has its key, all names, the authority's signature, and time left."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / CERT_FILE).read_bytes())
        key = serialization.load_pem_private_key((folder / KEY_FILE).read_bytes(), None)
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        certificate.verify_directly_issued_by(authority)
    except (FileNotFoundError, ValueError, TypeError, x509.ExtensionNotFound, InvalidSignature):
        return False
    lasts = certificate.not_valid_after_utc - now
    return (
        key.public_key() == certificate.public_key()
        and certificate.not_valid_before_utc <= now
        and lasts > datetime.timedelta(days=RENEW_DAYS)
        and {_general_name(n) for n in names} <= set(held)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Whole or not at all, and a key is never readable by others, not even for a moment."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    draft.replace(path)
