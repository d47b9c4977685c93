"""The real server as a subprocess, on free ports, with its log and its processes in reach."""

from __future__ import annotations

import json
import os
import random
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.rig.process import REPOSITORY, RigError, RigProcess, wait_until


def free_port() -> int:
    """A port number that is free for TCP and UDP at this moment, on all addresses.

    It lies below those that Linux gives to clients: tests that run side by side open many until the server has it.
    """
    for _ in range(100):
        port = random.SystemRandom().randrange(10_000, 32_768)
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("", port))
                udp.bind(("", port))
            except OSError:
                continue
            return port
    raise RigError("no port is free for both TCP and UDP")


class RtcServer(RigProcess):
    """``with RtcServer(instrument="tone", frame_ms=10) as server: server.room_url``.

    settings: keys of the configuration, passed as ``RTCSERVER_KEY`` variables. env: further variables, as
    `JackServer.variables`. arguments: further words on the command line of ``serve``. config: text of an
    ``rtcserver.toml``. The process runs in a directory of its own, so that no file there has a say.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        env: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        config: str = "",
        **settings: object,
    ) -> None:
        super().__init__("server")
        self.port = port or free_port()
        self._env = dict(env or {})
        self._arguments = arguments
        self._settings = {key: str(value) for key, value in settings.items()}
        self._settings.setdefault("state_dir", str(self.directory / "state"))
        self._settings.setdefault("print_links", "always")
        if config:
            (self.directory / "rtcserver.toml").write_text(config)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, without a slash at the end; ``https`` with ``tls="auto"``."""
        scheme = "https" if self._settings.get("tls") == "auto" else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """PEM file of the authority that ``tls="auto"`` has made."""
        return Path(self._settings["state_dir"]) / "ca.pem"

    @property
    def room_url(self) -> str:
        """The page of the room ``main``, or of the one that the settings name."""
        return f"{self.url}/r/{self._settings.get('room', 'main')}"

    @property
    def environment(self) -> dict[str, str]:
        """What the process is started with; nothing of the caller's own RTCSERVER_ settings."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("RTCSERVER_")}
        env |= {f"RTCSERVER_{key.upper()}": value for key, value in self._settings.items()}
        return env | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"} | self._env

    def start(self) -> None:
        """Returns as soon as ``/healthz`` answers, whatever it says; see `wait_healthy`."""
        command = [sys.executable, "-m", "rtcserver", "serve", "--port", str(self.port), *self._arguments]
        self._spawn(command, self.environment, cwd=self.directory)
        self._wait_ready(self._answers, timeout_s=20)

    def health(self) -> dict[str, Any]:
        """``/healthz`` now, whatever its status is. Raises `OSError` while the server does not listen."""
        said: dict[str, Any] = self.get_json("/healthz")
        return said

    def get_json(self, path: str) -> Any:
        """JSON of a GET of this path; the body of an error status is returned too."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5, context=self._tls()) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def _tls(self) -> ssl.SSLContext | None:
        if not self.url.startswith("https"):
            return None
        return ssl.create_default_context(cafile=str(self.authority))

    def wait_healthy(self, healthy: Callable[[dict[str, Any]], bool], timeout_s: float = 15.0) -> None:
        """Wait until ``/healthz`` satisfies `healthy`. Raises `RigError` with what it said last."""
        said: dict[str, Any] = {}

        def check() -> bool:
            nonlocal said
            said = self.health()
            return healthy(said)

        try:
            wait_until(check, "healthy", timeout_s, poll_s=0.05)
        except RigError as error:
            raise RigError(f"{error}; /healthz says {said}\n{self.log()[-2000:]}") from None

    def pids_with(self, word: str) -> list[int]:
        """Descendants with `word` in their command line, e.g. the module of the instrument process."""
        found = []
        for pid in self.child_pids():
            try:
                if word in " ".join(psutil.Process(pid).cmdline()):
                    found.append(pid)
            except psutil.NoSuchProcess:
                continue
        return found

    def cpu_s(self) -> float:
        """CPU seconds (user and system) so far, over the server and its living descendants."""
        total = 0.0
        for pid in (self.pid, *self.child_pids()):
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total

    def _answers(self) -> bool:
        try:
            self.health()
        except (OSError, ValueError):
            return False
        return True
