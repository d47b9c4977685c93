"""The messages of `rtcserver.broadcast.control` about checks for consent (`rtcserver.broadcast.checks`). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rtcserver.transport.handover import AnsweredChecks, KnownCheck


@dataclass(frozen=True, slots=True)
class AddCheckSocket:
    """Down, with one descriptor: the socket for checks. Replaces the one that is there."""


@dataclass(frozen=True, slots=True)
class KeepCheck:
    """Down: answer a peer's checks that are like this one. local, head and body in hexadecimal."""

    number: int
    host: str
    port: int
    local: str
    password: str = field(repr=False)
    head: str
    body: str

    @classmethod
    def of(cls, number: int, check: KnownCheck) -> KeepCheck:
        """The message about `check`."""
        host, port = check.remote
        return cls(number, host, port, check.local.hex(), check.password, check.head.hex(), check.body.hex())

    def check(self) -> KnownCheck:
        """What `of` was given. Raises ValueError."""
        local, head, body = map(bytes.fromhex, (self.local, self.head, self.body))
        return KnownCheck((self.host, self.port), local, self.password, head, body)


@dataclass(frozen=True, slots=True)
class DropCheck:
    """Down: answer a peer's checks no more. Ignored for one that is not known."""

    number: int


@dataclass(frozen=True, slots=True)
class ChecksAnswered:
    """Up, once a second: each row is a peer's number, when its last check came (monotonic ns), and the transaction ids of
    all that were answered since the last message, in hexadecimal, one behind the other. over, unsent: checks since then that
    were too many for a peer, and answers that the socket did not take."""

    rows: tuple[tuple[int, int, str], ...]
    over: int = 0
    unsent: int = 0

    def __post_init__(self) -> None:
        # JSON has lists.
        object.__setattr__(self, "rows", tuple(map(tuple, self.rows)))
        for row in self.rows:
            if len(row) != 3 or [type(value) for value in row] != [int, int, str]:
                raise ValueError("a row is not one of checks")

    @classmethod
    def of(cls, rows: Iterable[AnsweredChecks], over: int = 0, unsent: int = 0) -> ChecksAnswered:
        """The message about these."""
        texts = ((row.number, row.last_ns, b"".join(row.transaction_ids).hex()) for row in rows)
        return cls(tuple(texts), over, unsent)

    def answered(self) -> list[AnsweredChecks]:
        """What `of` was given. Raises ValueError."""
        found = []
        for number, last_ns, text in self.rows:
            ids = bytes.fromhex(text)
            found.append(
                AnsweredChecks(number, last_ns, tuple(ids[at : at + 12] for at in range(0, len(ids), 12)))
            )
        return found


@dataclass(frozen=True, slots=True)
class StrayCheck:
    """Up: a check that is not known. data and local (the address that was addressed, or nothing) in hexadecimal."""

    data: str
    host: str
    port: int
    local: str


@dataclass(frozen=True, slots=True)
class ChecksOverflowed:
    """Up: more checks came for a while than the process reads."""


CheckMessage = AddCheckSocket | KeepCheck | DropCheck | ChecksAnswered | StrayCheck | ChecksOverflowed
CHECK_TYPES: dict[str, type[CheckMessage]] = {
    "add_check_socket": AddCheckSocket,
    "keep_check": KeepCheck,
    "drop_check": DropCheck,
    "checks_answered": ChecksAnswered,
    "stray_check": StrayCheck,
    "checks_overflowed": ChecksOverflowed,
}
