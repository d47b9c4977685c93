"""What is wrong with a certificate's and a key's file, in words: OpenSSL says "PEM lib" of most of it. Pure."""

from __future__ import annotations

import datetime
import re

from cryptography import x509
from cryptography.hazmat.primitives import serialization

_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_DER = (b"\x30\x82", b"\x30\x81", b"\x30\x2e")
"""How a sequence begins in DER: a certificate, a key, or both in PKCS #12."""


def fault(cert: bytes, key: bytes, cert_name: str, key_name: str) -> str:
    """What is wrong with the two files' contents, as the end of a sentence; "" if it cannot be told."""
    in_cert, in_key = _labels(cert), _labels(key)
    if not any(label.endswith(b"CERTIFICATE") for label in in_cert):
        if any(label.endswith(b"PRIVATE KEY") for label in in_cert):
            return f"{cert_name} holds a key; are tls_cert and tls_key the wrong way round?"
        if any(label.endswith(b"REQUEST") for label in in_cert):
            return f"{cert_name} is a request for a certificate, not the certificate"
        return f"{cert_name} {_no_pem(cert, 'certificate', 'x509')}"
    if not any(label.endswith(b"PRIVATE KEY") for label in in_key):
        if b"PUBLIC KEY" in in_key:
            return f"{key_name} holds a public key, not the private one"
        if in_key:
            return f"{key_name} holds no key"
        return f"{key_name} {_no_pem(key, 'key', 'pkey')}"
    try:
        chain = [each.public_key() for each in x509.load_pem_x509_certificates(cert)]
    except ValueError:
        return f"{cert_name} is damaged or cut short"
    try:
        own = serialization.load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError):
        return f"{key_name} is damaged or cut short"
    if own in chain[1:]:
        return f"the server's own certificate must come first in {cert_name}, those of authorities behind it"
    return "" if own == chain[0] else f"{key_name} is the key of another certificate"


def remark(cert: bytes, now: datetime.datetime) -> str:
    """Why browsers will refuse a certificate that can be served, as the end of a sentence; "" if they need not."""
    try:
        own = x509.load_pem_x509_certificates(cert)[0]
        begin, end = own.not_valid_before_utc, own.not_valid_after_utc
    except (ValueError, IndexError):
        return ""
    if now > end:
        return f"ended on {end:%Y-%m-%d}"
    if now < begin:
        return f"begins on {begin:%Y-%m-%d} only; is this machine's clock right?"
    try:
        own.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return "names no host (subjectAltName)"
    except ValueError:
        pass
    return ""


def _labels(data: bytes) -> list[bytes]:
    return [match[1] for match in _LABEL.finditer(data)]


def _no_pem(data: bytes, thing: str, command: str) -> str:
    if not data.strip():
        return "is empty"
    if data.startswith(_DER):
        return (
            f"is in DER or PKCS #12 form, not PEM; openssl {command} -inform der (or openssl pkcs12 -nodes) "
            "writes it as PEM"
        )
    return f"holds no {thing} in PEM form (-----BEGIN)"
