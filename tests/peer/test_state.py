"""The listener's table: every move that is not in it raises, and the page in docs shows it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from rtcserver.peer.state import (
    TRANSITIONS,
    Answered,
    Closed,
    Connected,
    Event,
    IllegalMoveError,
    Moved,
    RestartAsked,
    State,
    advance,
    diagram,
)
from rtcserver.transport.address import Path as NetPath

PATH = NetPath(0, bytes([127, 0, 0, 1]), 0, ("127.0.0.1", 5000))
EVENTS: list[Event] = [Answered(), Connected(PATH), Moved(PATH), RestartAsked(), Closed("bye")]


@pytest.mark.parametrize(("state", "event"), list(product(State, EVENTS)))
def test_moves_are_those_of_the_table(state: State, event: Event) -> None:
    expected = TRANSITIONS[state].get(type(event))
    if expected is None:
        with pytest.raises(IllegalMoveError, match=f"{type(event).__name__} in state {state.name}"):
            advance(state, event)
    else:
        assert advance(state, event) is expected


def test_every_state_can_close_and_closed_is_the_end() -> None:
    assert set(TRANSITIONS) == set(State)
    for state, moves in TRANSITIONS.items():
        if state is State.CLOSED:
            assert moves == {}
        else:
            assert moves[Closed] is State.CLOSED


def test_every_state_is_reached() -> None:
    reached = {State.NEW} | {target for moves in TRANSITIONS.values() for target in moves.values()}
    assert reached == set(State)


def test_the_page_in_docs_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "peer-states.md"
    assert page.read_text(encoding="utf-8") == diagram()
