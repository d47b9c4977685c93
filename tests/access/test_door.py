"""The door: each action has its rule, and what has none is refused."""

from __future__ import annotations

import pytest

from rtcserver.access.door import Action, Door, Grant, Refusal, Request, house
from rtcserver.access.rules import DEFAULT, AccessRule, parse
from rtcserver.access.token import Token
from rtcserver.access.token import sign as sign_token
from rtcserver.errors import PeerError

SECRET = b"a secret of the tests, long enough"
NOW_S = 1_800_000_000.0


def sign(key: bytes, room: str, expires_s: int) -> str:
    return sign_token(key, Token("t1", (room,), ("listen", "read", "perform"), expires_s))


@pytest.mark.parametrize("action", [Action.LISTEN, Action.READ])
@pytest.mark.parametrize("room", ["main", None])
def test_who_is_near_may_listen_and_look(action: Action, room: str | None) -> None:
    door = house(DEFAULT, SECRET)
    for address in (
        "127.0.0.1",
        "::1",
        "10.9.8.7",
        "172.31.0.1",
        "192.168.1.2",
        "fd00::1",
        "::ffff:10.0.0.1",
    ):
        assert door.judge(Request(action, room, "", address), NOW_S) == Grant()
    for address in ("8.8.8.8", "172.32.0.1", "2001:db8::1", "", "nonsense"):
        refusal = door.judge(Request(action, room, "", address), NOW_S)
        assert isinstance(refusal, Refusal)
        assert (refusal.status, refusal.code) == (401, "no_token")


def test_a_link_lets_in_from_anywhere_and_a_dead_one_keeps_nobody_out_who_may() -> None:
    door = house(DEFAULT, SECRET)
    token = sign(SECRET, "main", int(NOW_S) + 10)
    assert door.judge(Request(Action.LISTEN, "main", token, "8.8.8.8"), NOW_S) == Grant(
        "token", "t1", NOW_S + 10
    )
    expired = door.judge(Request(Action.LISTEN, "main", token, "8.8.8.8"), NOW_S + 10)
    assert isinstance(expired, Refusal)
    assert "expired" in expired.sentence
    assert door.judge(Request(Action.LISTEN, "main", token, "10.0.0.1"), NOW_S + 10) == Grant()


def test_rules_are_for_their_room_and_network_and_a_revoked_token_counts_no_more() -> None:
    rules = parse(
        [{"actions": ["listen"], "rooms": ["main"], "networks": ["203.0.113.0/24"]}], ["main", "side"]
    )
    door = house((*rules, AccessRule(("perform",), token=True)), SECRET, lambda token_id: token_id == "t1")
    assert door.judge(Request(Action.LISTEN, "main", "", "203.0.113.9"), NOW_S) == Grant()
    wrong = [
        door.judge(Request(Action.LISTEN, "main", "", "10.0.0.1"), NOW_S),
        door.judge(Request(Action.LISTEN, "side", "", "203.0.113.9"), NOW_S),
        door.judge(Request(Action.PERFORM, "main", sign(SECRET, "main", int(NOW_S) + 9), ""), NOW_S),
    ]
    codes = [isinstance(verdict, Refusal) and verdict.code for verdict in wrong]
    assert codes == ["wrong_network", "not_allowed", "bad_token"]
    assert isinstance(wrong[2], Refusal)
    assert "revoked" in wrong[2].sentence


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"actions": ["lissen"]}, '"lissen" is no action'),
        ({"actions": []}, "never match"),
        ({"actions": ["read"], "rooms": ["attic"]}, 'never match: there is no room "attic"'),
        ({"actions": ["read"], "networks": []}, "never match"),
        ({"actions": ["read"], "networks": ["10.1/16x"]}, "is no network"),
        ({"actions": ["read"], "ip": "x"}, "no key ip"),
        ({"actions": ["read"], "token": "yes"}, "true or false"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_named(table: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=f"access rule 2: .*{said}"):
        parse([{"actions": ["read"]}, table], ["main"])


def test_performing_takes_the_link_of_the_room_while_it_is_valid() -> None:
    door = house(DEFAULT, SECRET)
    token = sign(SECRET, "main", int(NOW_S) + 10)

    def code(room: str | None, credential: str, now_s: float = NOW_S) -> tuple[int, str] | None:
        refusal = door.judge(Request(Action.PERFORM, room, credential), now_s)
        return (refusal.status, refusal.code) if isinstance(refusal, Refusal) else None

    assert code("main", token) is None
    assert code("main", "") == (401, "no_token")
    assert code("main", token, NOW_S + 10) == (403, "bad_token")
    assert code("side", token) == (403, "bad_token")
    assert code(None, token) == (403, "bad_token")
    assert code("main", sign(b"another key of thirty-two bytes ..", "main", int(NOW_S) + 10)) == (
        403,
        "bad_token",
    )


def test_an_action_without_a_rule_is_refused_with_its_name() -> None:
    door = Door({Action.READ: lambda request, now_s: Grant()})
    assert door.judge(Request(Action.READ, None), NOW_S) == Grant()
    assert door.judge(Request(Action.LISTEN, "main"), NOW_S) == Refusal(
        403, "not_allowed", "Nobody may listen here."
    )
    with pytest.raises(PeerError, match="Nobody may perform here") as refused:
        door.check(Request(Action.PERFORM, "main", "x"), NOW_S)
    assert (refused.value.status, refused.value.code) == (403, "not_allowed")


def test_no_rule_at_all_is_named_and_a_mapped_network_is_that_of_its_ipv4_addresses() -> None:
    with pytest.raises(ValueError, match="access has no rule"):
        parse([], ["main"])
    door = house(parse([{"actions": ["read"], "networks": ["::ffff:10.1.0.0/112"]}], ["main"]), SECRET)
    for address in ("10.1.2.3", "::ffff:10.1.2.3"):
        assert door.judge(Request(Action.READ, None, "", address), NOW_S) == Grant()
    assert isinstance(door.judge(Request(Action.READ, None, "", "10.2.0.1"), NOW_S), Refusal)
