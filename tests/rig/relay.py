"""The impairment relay (`rtcserver.network.relay`) as a part of the rig: with real-time priority, killed with the tests.

The server is told to advertise it (``public_host``, ``public_media_port``), or descriptions are rewritten on their way
(`tests.rig.chromium.Chromium.open`).
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from typing import Self

from rtcserver.network.control import Control, RelayError, command_line
from rtcserver.network.impair import CLEAN, Counters, Impairment
from rtcserver.network.presets import PRESETS
from tests.rig.process import REPOSITORY, RigError, RigProcess


class UdpRelay(RigProcess):
    """``with UdpRelay(("127.0.0.1", port), down=Impairment(loss=0.05), seed=1) as relay: relay.address``.

    upstream: where clients' datagrams go (the server); may be set later by `route`. up: towards it, down:
    from it to the clients. spare: kinds (of "stun", "dtls", "rtp", "rtcp") that no accident befalls, only
    the delay, so that joins do not depend on luck, and the numbers that the seed goes by count RTP. A dark path
    spares nothing. tcp: leave TCP candidates in answers.
    """

    def __init__(
        self,
        upstream: tuple[str, int] | None = None,
        *,
        up: Impairment = CLEAN,
        down: Impairment = CLEAN,
        seed: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        spare: Collection[str] = ("stun", "dtls", "rtcp"),
        tcp: bool = False,
    ) -> None:
        super().__init__("relay")
        self._command = command_line(host, port, seed, spare)
        self._upstream, self._up, self._down, self._tcp = upstream, up, down, tcp
        self._control: Control | None = None
        self.address: tuple[str, int] = (host, port)

    @classmethod
    def of(
        cls, name: str, *, seed: int = 1, host: str = "127.0.0.1", spare: Collection[str] = ("stun", "dtls")
    ) -> Self:
        """A network with a name (`rtcserver.network.presets`); ``tcp-only`` leaves the way over TCP."""
        preset = PRESETS[name]
        spared = () if name == "tcp-only" else spare
        return cls(up=preset.up, down=preset.down, seed=seed, host=host, spare=spared, tcp=name == "tcp-only")

    def start(self) -> None:
        child = self._spawn(
            self._command,
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            hardware=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            self._control = Control(child.stdin, child.stdout, tcp=self._tcp)
        except RelayError as error:
            raise RigError(f"{error}:\n{self.log()}") from error
        self.address = self._control.address
        self.impair(up=self._up, down=self._down)
        if self._upstream is not None:
            self.route(self._upstream)

    @property
    def control(self) -> Control:
        """Raises `RigError` before the start."""
        if self._control is None:
            raise RigError("the relay is not started")
        return self._control

    def route(self, upstream: tuple[str, int]) -> None:
        """See `Control.route`."""
        self.control.route(upstream)

    def offer(self, sdp: str) -> str:
        """See `Control.offer`."""
        return self.control.offer(sdp)

    def answer(self, sdp: str) -> str:
        """See `Control.answer`."""
        return self.control.answer(sdp)

    def rebind(self) -> None:
        """Give every client another source port towards the server, as a NAT does that lost its table."""
        self.control.ask({"rebind": True})

    def impair(self, *, up: Impairment | None = None, down: Impairment | None = None) -> None:
        """See `Control.impair`."""
        self.control.impair(up=up, down=down)

    def counters(self) -> tuple[Counters, Counters]:
        """See `Control.counters`."""
        return self.control.counters()

    def clients(self) -> int:
        """How many client addresses it has seen."""
        return int(self.control.ask({})["clients"])
