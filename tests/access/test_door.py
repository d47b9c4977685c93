"""The door: each action has its rule, and what has none is refused."""

from __future__ import annotations

import pytest

from rtcserver.access.door import Action, Door, Refusal, Request, anyone, open_house
from rtcserver.access.token import sign
from rtcserver.errors import PeerError

SECRET = b"a secret of the tests"
NOW_S = 1_800_000_000.0


@pytest.mark.parametrize("action", [Action.LISTEN, Action.READ])
@pytest.mark.parametrize("room", ["main", None])
def test_everybody_may_listen_and_look(action: Action, room: str | None) -> None:
    assert open_house(SECRET).judge(Request(action, room), NOW_S) is None


def test_performing_takes_the_link_of_the_room_while_it_is_valid() -> None:
    door = open_house(SECRET)
    token = sign(SECRET, "main", int(NOW_S) + 10)

    def code(room: str | None, credential: str, now_s: float = NOW_S) -> tuple[int, str] | None:
        refusal = door.judge(Request(Action.PERFORM, room, credential), now_s)
        return None if refusal is None else (refusal.status, refusal.code)

    assert code("main", token) is None
    assert code("main", "") == (401, "no_token")
    assert code("main", token, NOW_S + 10) == (403, "bad_token")
    assert code("side", token) == (403, "bad_token")
    assert code(None, token) == (403, "bad_token")
    assert code("main", sign(b"another", "main", int(NOW_S) + 10)) == (403, "bad_token")


def test_an_action_without_a_rule_is_refused_with_its_name() -> None:
    door = Door({Action.READ: anyone})
    assert door.judge(Request(Action.READ, None), NOW_S) is None
    assert door.judge(Request(Action.LISTEN, "main"), NOW_S) == Refusal(
        403, "not_allowed", "Nobody may listen here."
    )
    with pytest.raises(PeerError, match="Nobody may perform here") as refused:
        door.check(Request(Action.PERFORM, "main", "x"), NOW_S)
    assert (refused.value.status, refused.value.code) == (403, "not_allowed")
