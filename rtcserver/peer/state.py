"""One listener's life as a table. Pure; docs/peer-states.md shows `diagram()`.

Run ``python -m rtcserver.peer.state > docs/peer-states.md`` after a change of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rtcserver.transport.address import Path


class State(Enum):
    """Where a listener is. The values are what ``GET /api/rooms/{room}`` shows."""

    NEW = "new"
    CONNECTING = "connecting"
    PLAYING = "connected"
    RESTARTING = "restarting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer is made; the client may check and shake hands."""


@dataclass(frozen=True, slots=True)
class Connected:
    """DTLS is done, by a pair that is in use from now on: the broadcast process has the listener now."""

    path: Path


@dataclass(frozen=True, slots=True)
class Moved:
    """Another pair is nominated, after an ICE restart or without one."""

    path: Path


@dataclass(frozen=True, slots=True)
class RestartAsked:
    """The client asked for an ICE restart and got new credentials."""


@dataclass(frozen=True, slots=True)
class Closed:
    """It is over. reason: ``deleted``, ``shutdown``, or the transport's (no-ice, vanished, bye, …)."""

    reason: str


Event = Answered | Connected | Moved | RestartAsked | Closed

TRANSITIONS: dict[State, dict[type[Event], State]] = {
    State.NEW: {
        Answered: State.CONNECTING,
        Closed: State.CLOSED,
    },
    State.CONNECTING: {
        Connected: State.PLAYING,
        RestartAsked: State.CONNECTING,
        Closed: State.CLOSED,
    },
    State.PLAYING: {
        Moved: State.PLAYING,
        RestartAsked: State.RESTARTING,
        Closed: State.CLOSED,
    },
    State.RESTARTING: {
        Moved: State.PLAYING,
        RestartAsked: State.RESTARTING,
        Closed: State.CLOSED,
    },
    State.CLOSED: {},
}


class IllegalMoveError(RuntimeError):
    """An event that the state does not allow: a mistake of ours, never the peer's."""


def advance(state: State, event: Event) -> State:
    """The next state. Raises `IllegalMoveError`."""
    try:
        return TRANSITIONS[state][type(event)]
    except KeyError:
        raise IllegalMoveError(f"{type(event).__name__} in state {state.name}") from None


def diagram() -> str:
    """The table as a page with a Mermaid diagram."""
    lines = [
        "# States of a listener",
        "",
        "Generated from `rtcserver/peer/state.py` by `python -m rtcserver.peer.state`.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {State.NEW.name}",
    ]
    for state, moves in TRANSITIONS.items():
        lines += [f"    {state.name} --> {target.name}: {event.__name__}" for event, target in moves.items()]
        if not moves:
            lines.append(f"    {state.name} --> [*]")
    lines += ["```", "", "| event | meaning |", "|---|---|"]
    for event in (Answered, Connected, Moved, RestartAsked, Closed):
        lines.append(f"| {event.__name__} | {(event.__doc__ or '').splitlines()[0]} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(diagram(), end="")
