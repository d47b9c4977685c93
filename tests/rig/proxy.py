"""Real reverse proxies before the server: nginx and HAProxy, with TLS, at a prefix that they cut off.

Their parts that concern the server are the ones that ``docs/operations.md`` shows.
"""

from __future__ import annotations

import csv
import datetime
import ipaddress
import os
import re
import socket
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.rig.process import REPOSITORY, RigProcess, program
from tests.rig.server import free_port

PREFIX = "/montage"

_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {host}:{port} ssl;
    ssl_certificate {pem};
    ssl_certificate_key {pem};
    {documented}
  }}
}}
"""

_HAPROXY = """
global
  stats socket {folder}/stats mode 600
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
{documented}
"""


def documented(language: str, changes: Mapping[str, str]) -> str:
    """The only block in this language of ``docs/operations.md``, with each of the changes, which have to fit."""
    text = (REPOSITORY / "docs/operations.md").read_text()
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for shown, wanted in changes.items():
        assert block.count(shown) == 1, f"{language}: {shown} is not there once"
        block = block.replace(shown, wanted)
    return str(block)


class Proxy(RigProcess):
    """Publishes what serves HTTP at `upstream`, a port of 127.0.0.1, as `url`. The certificate is trusted by nobody."""

    host = "127.0.0.1"

    def __init__(self, label: str, upstream: int) -> None:
        super().__init__(label)
        self.port = free_port()
        self._upstream = upstream
        self._pem = self.directory / "proxy.pem"

    @property
    def url(self) -> str:
        """``https://127.0.0.1:PORT/montage``, without a slash at the end."""
        return f"https://{self.host}:{self.port}{PREFIX}"

    def _begin(self, template: str, documented: str, command: list[str]) -> None:
        self._pem.write_bytes(self_made_certificate(self.host))
        text = template.format(
            folder=self.directory,
            host=self.host,
            port=self.port,
            pem=self._pem,
            documented=documented,
        )
        config = self.directory / "proxy.conf"
        config.write_text(text)
        self._spawn([*command, str(config)], os.environ)
        self._wait_ready(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Nginx(Proxy):
    """``with Nginx(server.port) as proxy: proxy.url``."""

    def __init__(self, upstream: int) -> None:
        super().__init__("nginx", upstream)

    def start(self) -> None:
        upstream = {"127.0.0.1:8080": f"127.0.0.1:{self._upstream}"}
        self._begin(_NGINX, documented("nginx", upstream), [program("nginx", "nginx-light"), "-c"])


class HaProxy(Proxy):
    """``with HaProxy(server.port) as proxy``; it asks the server ``OPTIONS /`` ten times a second."""

    def __init__(self, upstream: int) -> None:
        super().__init__("haproxy", upstream)

    def start(self) -> None:
        changes = {
            ":443 ssl crt /etc/haproxy/music.example.pem": f"{self.host}:{self.port} ssl crt {self._pem}",
            "127.0.0.1:8080 check": f"127.0.0.1:{self._upstream} check inter 100ms fall 1 rise 1",
        }
        self._begin(_HAPROXY, documented("haproxy", changes), [program("haproxy", "haproxy"), "-db", "-f"])

    def check(self) -> tuple[str, str]:
        """What the last health check of the server found, and the HTTP status that it got: ``("L7OK", "200")``."""
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(str(self.directory / "stats"))
            stats.sendall(b"show stat\n")
            with stats.makefile("r") as answer:
                text = answer.read()
        rows = list(csv.DictReader(text.lstrip("# ").splitlines()))
        (row,) = (row for row in rows if row["svname"] == "rtcserver")
        return row["check_status"], row["check_code"]


def self_made_certificate(host: str) -> bytes:
    """PEM of a key and a certificate for an address, signed by itself and valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
