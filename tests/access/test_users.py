"""Users: a hash fits its password only, and a table that cannot be meant is named."""

from __future__ import annotations

import hashlib
import io
import re

import pytest

from rtcserver.access import users
from rtcserver.access.users import NOBODY, User, hashed, matches, parse
from rtcserver.commands.table import main

CHEAP = "scrypt$4$1$1$MDEyMzQ1Njc4OWFiY2RlZg==$Lg8XQ4F9o1xjXjUeNgBGWeyVHIGfaTOn9jSAGrWWLQY="
"""A hash that costs nothing, of a password that does not matter."""


def test_a_hash_fits_its_password_and_no_other_and_tells_nothing_of_it() -> None:
    kept = hashed("a good one")
    assert matches("a good one", kept)
    assert not matches("a good onE", kept)
    assert not matches("x" * 300, kept)
    assert not matches("a good one", NOBODY)
    assert "good" not in kept
    assert hashed("a good one") != kept
    assert "good" not in repr(User("a", kept))
    assert kept not in repr(User("a", kept))


def test_a_hash_is_scrypts_by_its_own_parameters() -> None:
    """RFC 7914, section 12: the third vector has N = 16384, r = 8, p = 1, and 64 bytes of which ours are the first 32."""
    vector = hashlib.scrypt(
        b"pleaseletmein", salt=b"SodiumChloride", n=16384, r=8, p=1, dklen=64, maxmem=2**25
    )
    assert vector.hex().startswith("7023bdcb3afd7348461c06cd81fd38eb")
    assert users._scrypt("pleaseletmein", b"SodiumChloride", 14, 8, 1) == vector[:32]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"password": CHEAP}, "name is 1 to 64 letters"),
        ({"name": "a b", "password": CHEAP}, "name is 1 to 64 letters"),
        ({"name": "a", "password": "secret"}, "never the password itself"),
        ({"name": "a", "password": CHEAP.replace("$4$", "$30$")}, "never the password itself"),
        ({"name": "a", "password": CHEAP.replace("$4$1$", "$16$1$")}, "never the password itself"),
        ({"name": "a", "password": CHEAP.replace("$4$1$1$", "$17$16$2$")}, "never the password itself"),
        ({"name": "a", "password": CHEAP.replace("LQY=", "LQY")}, "never the password itself"),
        ({"name": "a"}, "never the password itself"),
        ({"name": "a", "password": CHEAP, "actions": ["fly"]}, 'actions knows no "fly"; allowed are listen'),
        ({"name": "a", "password": CHEAP, "actions": []}, "actions is a list of texts"),
        ({"name": "a", "password": CHEAP, "rooms": ["attic"]}, 'rooms knows no "attic"; allowed are main'),
        ({"name": "a", "password": CHEAP, "token": True}, "there is no key token"),
    ],
)
def test_a_user_that_cannot_be_meant_is_named(table: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=f"user 2.*{re.escape(said)}"):
        parse([{"name": "b", "password": CHEAP}, table], ["main"])


def test_users_do_what_their_table_says_where_it_says_so() -> None:
    with pytest.raises(ValueError, match='two users have the name "b"'):
        parse([{"name": "b", "password": CHEAP}] * 2, ["main"])
    anna, bert = parse(
        [
            {"name": "anna", "password": CHEAP, "rooms": ["main"]},
            {"name": "bert", "password": CHEAP, "actions": ["admin"]},
        ],
        ["main", "side"],
    )
    assert [anna.covers("listen", room) for room in ("main", "side", None)] == [True, False, False]
    assert (anna.covers("read", "main"), anna.covers("perform", "main")) == (True, False)
    assert (bert.covers("admin", None), bert.covers("listen", "main")) == (True, False)


def test_the_command_makes_a_hash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert main(["token", "hash"], {}) == 0
    assert matches("correct horse", capsys.readouterr().out.strip())
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["token", "hash"], {}) == 2
    assert "a password has 8 to 256 characters; this one has 5" in capsys.readouterr().err


def test_a_password_that_is_no_text_is_never_right_and_gets_no_hash() -> None:
    with pytest.raises(ValueError, match="not UTF-8 text"):
        hashed("\udcff" * 8)
    assert not matches("\udcff" * 8, CHEAP)
