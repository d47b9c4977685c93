"""Certificates and keys as people name them: what is wrong is said, which file, and what to do."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from rtcserver.errors import ConfigError
from signaling.pem import remark
from signaling.tls import FileCertificate

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def key_text(
    key: Key,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    encoding: serialization.Encoding = PEM,
) -> bytes:
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def made(
    key: Key, begin: datetime.datetime = NOW - DAY, end: datetime.datetime = NOW + DAY, named: bool = True
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, end)
    if named:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


ONE, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
CERT, KEY, AUTHORITY = made(ONE).public_bytes(PEM), key_text(ONE), made(OTHER).public_bytes(PEM)


@pytest.mark.parametrize(
    ("cert", "key"),
    [
        (CERT, KEY),
        (CERT + AUTHORITY, KEY),
        (CERT + KEY, CERT + KEY),
        (CERT.replace(b"\n", b"\r\n"), KEY.replace(b"\n", b"\r\n")),
        (b"\xef\xbb\xbf" + CERT, b"\xef\xbb\xbf" + KEY),
        (CERT, key_text(ONE, serialization.PrivateFormat.TraditionalOpenSSL)),
    ],
    ids=["a pair", "a chain", "one file for both", "CRLF", "byte order marks", "an EC key of old"],
)
def test_files_as_people_have_them_are_served(tmp_path: Path, cert: bytes, key: bytes) -> None:
    (tmp_path / "cert.pem").write_bytes(cert)
    (tmp_path / "key.pem").write_bytes(key)
    assert FileCertificate(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")).remark(NOW) == ""


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()])
def test_every_kind_of_key_is_served(tmp_path: Path, key: Key) -> None:
    (tmp_path / "both.pem").write_bytes(made(key).public_bytes(PEM) + key_text(key))
    FileCertificate(str(tmp_path / "both.pem"), str(tmp_path / "both.pem"))


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        (KEY, CERT, r"cert\.pem holds a key; are tls_cert and tls_key the wrong way round\?$"),
        (
            AUTHORITY + CERT,
            KEY,
            r"own certificate must come first in \S+cert\.pem, those of authorities behind it$",
        ),
        (AUTHORITY, KEY, r"key\.pem is the key of another certificate$"),
        (b"", KEY, r"cert\.pem is empty$"),
        (CERT, b"\n", r"key\.pem is empty$"),
        (b"hello", KEY, r"cert\.pem holds no certificate in PEM form"),
        (made(ONE).public_bytes(serialization.Encoding.DER), KEY, r"cert\.pem is in DER or PKCS #12 form"),
        (CERT, CERT, r"key\.pem holds no key$"),
        (
            CERT,
            key_text(ONE, encoding=serialization.Encoding.DER),
            r"key\.pem is in DER|key\.pem holds no key in PEM",
        ),
        (
            CERT,
            ONE.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            "holds a public key",
        ),
        (CERT[:200], KEY, r"cert\.pem is damaged or cut short$"),
        (CERT, KEY[:100], r"key\.pem is damaged or cut short$"),
        (CERT.replace(b"CERTIFICATE", b"CERTIFICATE REQUEST"), KEY, "is a request for a certificate"),
    ],
    # The files differ from run to run; workers must agree on the names.
    ids=[
        "swapped",
        "authority first",
        "another key",
        "empty",
        "blank key",
        "text",
        "DER",
        "certificate as key",
        "DER key",
        "public key",
        "cut",
        "cut key",
        "request",
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, cert: bytes, key: bytes, said: str) -> None:
    (tmp_path / "cert.pem").write_bytes(cert)
    (tmp_path / "key.pem").write_bytes(key)
    with pytest.raises(ConfigError, match=said):
        FileCertificate(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))


def test_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tls_cert: .* is a folder, not a file"):
        FileCertificate(str(tmp_path), str(tmp_path))


def test_what_browsers_will_refuse_is_told() -> None:
    assert remark(made(ONE, NOW - 3 * DAY, NOW - DAY).public_bytes(PEM), NOW) == "ended on 2026-05-31"
    late = remark(made(ONE, NOW + DAY, NOW + 2 * DAY).public_bytes(PEM), NOW)
    assert late == "begins on 2026-06-02 only; is this machine's clock right?"
    assert remark(made(ONE, named=False).public_bytes(PEM), NOW) == "names no host (subjectAltName)"
    assert remark(CERT, NOW) == ""
    assert remark(b"hello", NOW) == ""
