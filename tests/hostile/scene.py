"""A real server, a bystander beside it, and the judgement after each attack."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Self

import psutil

from rtcserver.access.rules import ACTIONS
from rtcserver.access.token import EVERY_ROOM, Token
from rtcserver.server.tokens import TokenStore
from tests.hostile.bystander import Bystander, gaps_ms, missing
from tests.hostile.requests import LATER
from tests.rig.server import RtcServer

CONFIG = """
frame_ms = 10
shared_addresses = ""
[rooms.main]
instrument = "tone"
[rooms.keys]
instrument = "fluidsynth"
demo = false
[[users]]
name = "anna"
password = "scrypt$14$8$5$vUg0dm8Bd5oaTYv1qNTkXg==$0vuyP1c_ggiiqa71WdlsWkn2GcTSeCvDSkbchn5QG3Y="
actions = ["listen", "read", "perform"]
"""
"""The bystander listens in the one room; the other one's instrument can be played. Limits by address count for this machine,
too. Anna's password is "the right password"."""
GAP_MS = 40
"""Longest time without a packet that a bystander may have."""
HEARD_S = 5


class Scene:
    """``with Scene() as scene: with scene.undisturbed(): …``"""

    def __init__(self, **settings: object) -> None:
        self.server = RtcServer(config=CONFIG, **settings)
        self.worst_ms = 0.0
        self.cases = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.server)
            self.server.wait_healthy(lambda health: health["status"] == "ok")
            tls = self.server.url.startswith("https")
            self.bystander = stack.enter_context(Bystander(self.server.port, tls=tls))
            self.processes = [psutil.Process(pid) for pid in (self.server.pid, *self.server.child_pids())]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        print(f"\n{self.cases} cases; the bystander was {self.worst_ms:.1f} ms without a packet at most")

    @property
    def port(self) -> int:
        return self.server.port

    def faults(self) -> int:
        """Errors of ours that packets and messages have led to so far, by the server's own count."""
        counters = self.server.health()["backend"]["datagrams"]
        return sum(counters.get(name, 0) for name in ("peer_errors", "listener_errors", "sctp_errors"))

    def token_key(self) -> bytes:
        """The key that signs this server's tokens; the one with the id 0123 is listed, whatever it says."""
        store = TokenStore(str(self.server.directory / "state"))
        if "0123" not in store.listed():
            store.keep(Token("0123", (EVERY_ROOM,), ACTIONS, LATER))
        return store.key

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What happens inside must leave the bystander's sound, and all processes of the server, as they are."""
        before = len(self.bystander.heard())
        yield
        over_ns = time.time_ns()
        deadline = time.monotonic() + HEARD_S
        while self.bystander.heard()[-1].at_ns < over_ns:
            assert time.monotonic() < deadline, "the bystander hears nothing any more"
            time.sleep(0.003)
        heard = self.bystander.packets[max(0, before - 1) :]
        worst = max(gaps_ms(heard), default=0.0)
        self.worst_ms = max(self.worst_ms, worst)
        self.cases += 1
        assert missing(heard) == 0
        assert worst <= GAP_MS, f"{worst:.1f} ms without a packet"
        ended = [process for process in self.processes if not process.is_running()]
        assert not ended, f"{ended} ended:\n{self.server.log()[-3000:]}"
