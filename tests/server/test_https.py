"""Which names the automatic certificate is for."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from rtcserver.config.load import load
from rtcserver.server.https import Https
from signaling.authority import CERT_FILE


def test_the_certificate_is_for_each_public_host(tmp_path: Path) -> None:
    flags = {"tls": "auto", "state_dir": str(tmp_path), "public_host": "music.example, [2001:db8::5]"}
    assert Https(load(flags, {}, {})).open() is not None
    certificate = x509.load_pem_x509_certificate((tmp_path / CERT_FILE).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "music.example" in names.get_values_for_type(x509.DNSName)
    assert "2001:db8::5" in [str(address) for address in names.get_values_for_type(x509.IPAddress)]
