"""Which peers' checks for consent somebody else answers, and when the endpoint reads them itself.

The broadcast process is awake with every packet, and reads the socket for checks then (`rtcserver.transport.check_socket`).
It knows the checks of connected peers that only keep consent (`rtcserver.transport.consent`), answers those, and says once
a second which came; all others it hands up. So the endpoint stays the owner of all that a check may change.

The endpoint reads that socket, too, as soon as something arrives, while somebody joins or restarts ICE, while there are
more checks than the other reader takes, and while there is no other reader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from rtcserver.transport.address import Path
from rtcserver.transport.consent import Kept
from rtcserver.transport.ice_agent import IceAgent

RESTART_NS = 10_000_000_000
"""How long checks are read at once after somebody has asked for an ICE restart."""
OVERFLOW_NS = 5_000_000_000
"""The same after the other reader could not keep up."""
OTHERS_NS = 10_000_000_000
"""A peer that has checked another path within this time is not handed over: where it goes on is not decided yet."""


class KnownCheck(NamedTuple):
    """A check for consent that may be answered by whoever gets it again with another transaction id.

    remote, local: the path, local as 4 bytes or b"". password: what it is authenticated with. head, body: see
    `rtcserver.transport.consent.Kept`.
    """

    remote: tuple[str, int]
    local: bytes
    password: str
    head: bytes
    body: bytes


class AnsweredChecks(NamedTuple):
    """Checks that were answered since the last time. number: whose; last_ns: when the last one came."""

    number: int
    last_ns: int
    transaction_ids: tuple[bytes, ...]


class CheckReader(Protocol):
    """Who reads the socket for checks, too. No call waits."""

    @property
    def reading(self) -> bool:
        """Whether it is awake often enough to be relied on."""

    def keep(self, number: int, check: KnownCheck) -> None:
        """Answer a peer's checks that are like this one."""

    def drop(self, number: int) -> None:
        """Answer a peer's checks no more."""


class CheckSwitch(Protocol):
    """What of the port is switched, as `rtcserver.transport.udp.UdpPort` does."""

    def read_checks(self, wanted: bool) -> None:
        """Read the socket for checks as soon as something arrives, or leave that to others."""


class _Given(NamedTuple):
    number: int
    path: Path
    kept: Kept


class CheckHandover:
    """Loop-bound, without a clock. find_reader: who reads the checks now, too, or None."""

    def __init__(self, counters: Counter[str]) -> None:
        self.find_reader: Callable[[], CheckReader | None] = lambda: None
        self._counters = counters
        self._given: dict[IceAgent, _Given] = {}
        self._agents: dict[int, IceAgent] = {}
        self._next = 1
        self._hurry_until_ns = 0

    def __len__(self) -> int:
        return len(self._given)

    def consider(self, agent: IceAgent, now_ns: int) -> None:
        """A check of an agent has been handled here: hand its next ones over, or take them back."""
        given, path = self._given.get(agent), agent.selected
        bound = None if path is None else agent.bound.get(path)
        kept = None if bound is None else bound.kept
        if given is not None and given.kept is kept and given.path == path and _is_settled(agent, now_ns):
            return
        self.withdraw(agent)
        reader = self.find_reader()
        if reader is None or not reader.reading or path is None or kept is None or path.stream:
            return
        if kept.credentials is not agent.current or not _is_settled(agent, now_ns):
            return
        number, self._next = self._next, self._next + 1
        self._given[agent] = _Given(number, path, kept)
        self._agents[number] = agent
        remote = path.remote[0], path.remote[1]
        reader.keep(number, KnownCheck(remote, path.local, kept.credentials.password, kept.head, kept.body))

    def withdraw(self, agent: IceAgent) -> None:
        """Take an agent's checks back. Idempotent."""
        given = self._given.pop(agent, None)
        if given is not None:
            del self._agents[given.number]
            reader = self.find_reader()
            if reader is not None:
                reader.drop(given.number)

    def answered(self, rows: Iterable[AnsweredChecks]) -> None:
        """The other reader's account: what `IceRegistry.receive` would have noted."""
        for row in rows:
            agent = self._agents.get(row.number)
            if agent is None:
                continue
            bound = agent.bound.get(self._given[agent].path)
            if bound is not None:
                bound.last_ns = max(bound.last_ns, row.last_ns)
            agent.last_check_ns = max(agent.last_check_ns, row.last_ns)
            self._counters["stun_checks"] += len(row.transaction_ids)
            for transaction_id in row.transaction_ids:
                agent.note(transaction_id)

    def hurry(self, port: CheckSwitch, until_ns: int = 0) -> None:
        """Read the checks here, at once; at least until the next `tick`, and until `until_ns`."""
        self._hurry_until_ns = max(self._hurry_until_ns, until_ns)
        port.read_checks(True)

    def tick(self, port: CheckSwitch, now_ns: int, joining: int) -> None:
        """Decide anew who reads; joining: peers that are not connected yet."""
        reader = self.find_reader()
        alone = reader is None or not reader.reading
        port.read_checks(alone or joining > 0 or now_ns < self._hurry_until_ns)


def _is_settled(agent: IceAgent, now_ns: int) -> bool:
    """Whether an agent's checks keep consent, and nothing else."""
    path = agent.selected
    bound = None if path is None else agent.bound.get(path)
    if bound is None or agent.pending is not None or not agent.secured or not bound.proven or bound.challenge:
        return False
    return all(now_ns - other.last_ns > OTHERS_NS for other in agent.bound.values() if other is not bound)
