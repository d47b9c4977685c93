"""HTTPS: a certificate of one's own, or a local authority that makes one for this machine.

A browser allows AudioWorklet and Web MIDI only on a secure page. ``tls = auto`` keeps an authority in
the state folder and signs a certificate for all names and addresses of the machine; people trust the
authority once, and later certificates with it. The page ``/trust`` explains how.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rtcserver.errors import ConfigError

CA_FILE, CA_KEY, CERT_FILE, KEY_FILE = "ca.pem", "ca.key", "server.pem", "server.key"
CA_DAYS = 3650
CERT_DAYS = 397
"""Browsers refuse certificates that are valid for longer than 398 days."""
RENEW_DAYS = 30


def context(cert: str, key: str) -> ssl.SSLContext:
    """A server context from PEM files. Raises ConfigError naming the file that is wrong."""
    for name, value in (("tls_cert", cert), ("tls_key", key)):
        if not Path(value).is_file():
            raise ConfigError(
                f"{name}: {value or '(empty)'} does not exist; tls_cert and tls_key go together"
            )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"tls_cert, tls_key: {cert} and {key} are no certificate and its key: {error}"
        ) from error
    return made


def machine_names(addresses: Iterable[str], extra: Iterable[str] = ()) -> list[str]:
    """Names and addresses under which browsers may reach this machine, sorted."""
    host = socket.gethostname()
    names = {"localhost", "127.0.0.1", "::1", host, host.partition(".")[0] + ".local"}
    return sorted(names | {a.partition("%")[0] for a in addresses} | {e for e in extra if e})


def automatic(folder: Path, names: Sequence[str], now: datetime.datetime) -> ssl.SSLContext:
    """The context of ``tls = auto``: makes or renews what is missing, expired or lacks a name.

    now: timezone-aware. Raises ConfigError if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / CA_FILE).is_file() or not (folder / CA_KEY).is_file():
            _make_authority(folder, now)
        if not _still_good(folder / CERT_FILE, folder / KEY_FILE, names, now):
            _make_certificate(folder, names, now)
    except OSError as error:
        raise ConfigError(f"tls = auto: cannot write to {folder}: {error}; set state_dir") from error
    return context(str(folder / CERT_FILE), str(folder / KEY_FILE))


def _make_authority(folder: Path, now: datetime.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"rtcserver on {socket.gethostname()}"[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / CA_KEY, _pem(key))
    _write(folder / CA_FILE, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    (folder / CERT_FILE).unlink(missing_ok=True)


def _make_certificate(folder: Path, names: Sequence[str], now: datetime.datetime) -> None:
    authority = x509.load_pem_x509_certificate((folder / CA_FILE).read_bytes())
    authority_key = serialization.load_pem_private_key((folder / CA_KEY).read_bytes(), None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"tls = auto: {folder / CA_KEY} is no key of ours; remove the folder to begin anew")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, socket.gethostname()[:64])]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=CERT_DAYS - 1))
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


def _still_good(cert: Path, key: Path, names: Sequence[str], now: datetime.datetime) -> bool:
    if not cert.is_file() or not key.is_file():
        return False
    try:
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    lasts = certificate.not_valid_after_utc - now
    return lasts > datetime.timedelta(days=RENEW_DAYS) and {_general_name(n) for n in names} <= set(held)


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
