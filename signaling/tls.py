"""HTTPS: which certificate is served, and how it is renewed while the server runs.

A browser allows AudioWorklet and Web MIDI only on a secure page. The certificate is one of the user's own files, or one
of the local authority (`signaling.authority`). Either is looked at again from time to time, and the same
`ssl.SSLContext` then serves the new one to every later connection; what is open stays as it is.
"""

from __future__ import annotations

import datetime
import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from rtcserver.errors import ConfigError
from signaling import authority, pem


class Certificate(Protocol):
    """What HTTPS is served with."""

    context: ssl.SSLContext

    def refresh(self, now: datetime.datetime) -> bool:
        """Serve a newer certificate if there is one. Returns whether there was.

        Raises ConfigError if what is there now cannot be served; the certificate of before stays then.
        """


class FileCertificate:
    """The user's own PEM files, `tls_cert` and `tls_key`. Raises ConfigError naming the file that is wrong."""

    def __init__(self, cert: str, key: str) -> None:
        self._cert, self._key = cert, key
        self._seen = _stamps(cert, key)
        self.context = context(cert, key)

    def remark(self, now: datetime.datetime) -> str:
        """Why browsers will refuse the certificate, as a sentence without its full stop; "" if they need not."""
        said = pem.remark(Path(self._cert).read_bytes(), now)
        return f"tls_cert: {self._cert} {said}: browsers will refuse it" if said else ""

    def refresh(self, now: datetime.datetime) -> bool:
        """See `Certificate`. Files count as new when their time, size or place on the disk has changed."""
        stamps = _stamps(self._cert, self._key)
        if stamps == self._seen:
            return False
        self._seen = stamps
        # A context of their own shows first whether the two belong together: one may have been written before the other.
        context(self._cert, self._key)
        self.context.load_cert_chain(self._cert, self._key)
        return True


class AutomaticCertificate:
    """The certificate of the local authority in `folder`.

    names: gives the names and addresses under which the machine is reached now. Raises ConfigError if the folder cannot
    be written.
    """

    def __init__(self, folder: Path, names: Callable[[], Sequence[str]], now: datetime.datetime) -> None:
        self._folder, self._names = folder, names
        self._files = str(folder / authority.CERT_FILE), str(folder / authority.KEY_FILE)
        authority.renew(folder, names(), now)
        self.context = context(*self._files)

    def refresh(self, now: datetime.datetime) -> bool:
        """See `Certificate`."""
        if not authority.renew(self._folder, self._names(), now):
            return False
        self.context.load_cert_chain(*self._files)
        return True


def context(cert: str, key: str) -> ssl.SSLContext:
    """A server context from PEM files. Raises ConfigError naming the file that is wrong, and how."""
    for name, value in (("tls_cert", cert), ("tls_key", key)):
        if Path(value).is_dir() and value:
            raise ConfigError(f"{name}: {value} is a folder, not a file")
        if not Path(value).is_file():
            raise ConfigError(
                f"{name}: {value or '(empty)'} does not exist; tls_cert and tls_key go together"
            )
        if not os.access(value, os.R_OK):
            raise ConfigError(f"{name}: {value} may not be read by the user that the server runs as")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    asked: list[bool] = []

    def passphrase() -> str:
        """Nobody is there to be asked."""
        asked.append(True)
        return ""

    try:
        made.load_cert_chain(cert, key, password=passphrase)
    except (ssl.SSLError, OSError) as error:
        if asked:
            raise ConfigError(
                f"tls_key: {key} needs a passphrase, and nobody is there to give it; "
                f"write a key without one: openssl pkey -in {key} -out key.pem"
            ) from error
        said = pem.fault(Path(cert).read_bytes(), Path(key).read_bytes(), cert, key)
        raise ConfigError(
            f"tls_cert, tls_key: {cert} and {key} are no certificate and its key: {said or _reason(error)}"
        ) from error
    return made


def _reason(error: OSError) -> str:
    """OpenSSL's own words, without the place in its source."""
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error)


def _stamps(*files: str) -> tuple[tuple[int, int, int], ...]:
    """What changes when a file is written anew or replaced, links followed; zeros for one that is missing."""
    stamps = []
    for file in files:
        try:
            found = Path(file).stat()
            stamps.append((found.st_mtime_ns, found.st_size, found.st_ino))
        except OSError:
            stamps.append((0, 0, 0))
    return tuple(stamps)
