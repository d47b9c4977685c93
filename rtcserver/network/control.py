"""The near end of a relay: what it is told and asked, and how descriptions are led through it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection
from types import TracebackType
from typing import IO, Any, Self

from rtcserver.children.child import command, environment
from rtcserver.errors import ProcessError
from rtcserver.network.impair import Counters, Impairment
from rtcserver.network.presets import PRESETS

_HOST = r"(?m)^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host"
_END_S = 2.0


class RelayError(ProcessError):
    """The relay does not answer, or an answer has nothing that it could be put in front of."""


def command_line(host: str, port: int, seed: int, spare: Collection[str]) -> list[str]:
    """How the relay's process is started; see `Control` for what the words mean."""
    settings = {"host": host, "port": port, "seed": seed, "spare": sorted(spare)}
    return command("rtcserver.network.relay", json.dumps(settings))


class Control:
    """A relay that runs already, over the pipes to its process.

    up: towards the server, down: from it to the clients. tcp: leave the server's TCP candidates in its answers, which
    lead past the relay; by default the relay is the only way.
    """

    def __init__(self, commands: IO[bytes], answers: IO[bytes], *, tcp: bool = False) -> None:
        self._commands, self._answers, self._tcp = commands, answers, tcp
        host, port = self.ask({})["address"][:2]
        self.address: tuple[str, int] = (host, port)

    def route(self, upstream: tuple[str, int]) -> None:
        """Send new clients' datagrams to this address; those who are known keep theirs."""
        self.ask({"upstream": upstream})

    def impair(self, *, up: Impairment | None = None, down: Impairment | None = None) -> None:
        """Change a direction for all clients at once. Numbers go on, so the rest stays reproducible."""
        paths = {"up": up, "down": down}
        self.ask({"impair": {name: path.to_json() for name, path in paths.items() if path is not None}})

    def counters(self) -> tuple[Counters, Counters]:
        """Totals over all clients: (up, down). ``late_…`` is what the relay itself added to the plan."""
        answer = self.ask({"counters": True})
        return Counters(**answer["up"]), Counters(**answer["down"])

    def offer(self, sdp: str) -> str:
        """An offer whose UDP candidates lead nowhere, so that no server finds a way around the relay."""
        return re.sub(r"(?m)^(a=candidate:\S+ \d+ udp \d+) \S+ \d+", r"\1 127.0.0.1 9", sdp)

    def answer(self, sdp: str, prefer: str = "") -> str:
        """An answer with the relay as its only UDP candidate; the relay is routed to the server's.

        For a server that does not know the relay. prefer: the address to choose where there are several; otherwise the
        first. Raises `RelayError` if no candidate is an IPv4 address.
        """
        found = list(re.finditer(_HOST, sdp))
        if not found:
            raise RelayError("the answer has no candidate with an IPv4 address, which a relay needs")
        chosen = next((each for each in found if each[1] == prefer), found[0])
        self.route((chosen[1], int(chosen[2])))
        host, port = self.address
        lines = []
        for text in sdp.splitlines():
            if not text.startswith("a=candidate:") or (self._tcp and text.split()[2].lower() == "tcp"):
                lines.append(text)
            elif text.startswith(chosen[0]):
                lines.append(text.replace(f" {chosen[1]} {chosen[2]} ", f" {host} {port} ", 1))
        return "\r\n".join(lines) + "\r\n"

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One exchange with the process. Raises `RelayError` if it has ended."""
        try:
            self._commands.write(json.dumps(request).encode() + b"\n")
            self._commands.flush()
            answer: dict[str, Any] = json.loads(self._answers.readline())
        except (OSError, ValueError) as error:
            raise RelayError(f"the relay does not answer ({error})") from error
        return answer


class NetworkPath:
    """``with NetworkPath("lossy-5", seed=1) as path:``: a preset as the `path` of the headless client's listeners.

    prefer: the server's address, chosen where its answer has several. Everything suffers, the joining too, as on a real
    network. Its process ends with the block, or with this process.
    """

    def __init__(self, name: str, *, seed: int = 1, prefer: str = "") -> None:
        self._name, self._seed, self._prefer = name, seed, prefer
        self._child: subprocess.Popen[bytes] | None = None
        self._control: Control | None = None

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            command_line("127.0.0.1", 0, self._seed, ()),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What interrupts this program is its business: the relay ends with its input.
            start_new_session=True,
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._control = Control(self._child.stdin, self._child.stdout)
            preset = PRESETS[self._name]
            self._control.impair(up=preset.up, down=preset.down)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def offer(self, sdp: str) -> str:
        """The offer as the server shall see it."""
        return self._running.offer(sdp)

    def answer(self, sdp: str) -> str:
        """The answer as this peer shall see it. Raises `RelayError`."""
        return self._running.answer(sdp, self._prefer)

    def counters(self) -> tuple[Counters, Counters]:
        """What has happened so far: (up, down)."""
        return self._running.counters()

    @property
    def _running(self) -> Control:
        if self._control is None:
            raise RelayError("the relay is not started")
        return self._control
