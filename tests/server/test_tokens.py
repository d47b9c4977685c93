"""The tokens in a state folder: they outlive a start, and what is revoked counts no more at once."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from rtcserver.access.token import MIN_KEY, read
from rtcserver.commands.table import main
from rtcserver.errors import ConfigError
from rtcserver.server.tokens import (
    KEY_FILE,
    LINK_S,
    LIST_FILE,
    LOCK_FILE,
    PERFORMER,
    NoPlaceError,
    TokenStore,
)

NOW_S = 1_800_000_000
LATER_S = 4_000_000_000
WRONG = {"rooms": "main", "actions": [5], "expires_s": "soon", "name": None, "revoked": 0}


def id_of(store: TokenStore, text: str) -> str:
    token = read(store.key, text)
    assert token is not None
    return token.id


@pytest.mark.parametrize("kept", [True, False])
def test_a_link_stays_the_same_until_it_is_revoked(tmp_path: Path, kept: bool) -> None:
    folder = str(tmp_path / "state") if kept else ""
    store = TokenStore(folder)
    link = store.link("main", NOW_S)
    again = TokenStore(folder) if kept else store
    assert again.link("main", NOW_S + 5) == link
    token = read(again.key, link)
    assert token is not None
    assert token.covers("perform", "main")
    assert not again.is_revoked(token.id)
    store.revoke(token.id)
    assert again.is_revoked(token.id)
    assert again.link("main", NOW_S) != link
    assert TokenStore(folder).link("main", NOW_S + LINK_S) not in (link, "")


def test_the_key_is_its_owners_only_and_a_short_one_is_named(tmp_path: Path) -> None:
    TokenStore(str(tmp_path))
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0
    (tmp_path / KEY_FILE).write_text("short")
    with pytest.raises(ConfigError, match="too short: it has 5 bytes, not 32"):
        TokenStore(str(tmp_path))


def test_a_full_disk_leaves_no_part_of_a_key(tmp_path: Path) -> None:
    """Half a key would end every later start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(NoPlaceError, match="File too large"):
            TokenStore(str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(TokenStore(str(tmp_path)).key) >= MIN_KEY


ENTRY = {"rooms": ["main"], "actions": ["listen"], "expires_s": LATER_S, "name": "Ann", "revoked": False}


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", '{"a": 5}', '{"a": {}}', "\xff"]
    + [json.dumps({"a": {**ENTRY, key: wrong}}) for key, wrong in WRONG.items()],
)
def test_a_broken_list_lets_nobody_in_and_is_named_not_overwritten(tmp_path: Path, text: str) -> None:
    store = TokenStore(str(tmp_path))
    good = id_of(store, store.issue(("main",), ("listen",), LATER_S))
    assert not store.is_revoked(good)
    (tmp_path / LIST_FILE).write_bytes(text.encode("latin-1"))
    assert store.is_revoked(good)
    for use in (store.listed, lambda: store.link("main", NOW_S), lambda: store.revoke("a")):
        with pytest.raises(ConfigError, match=r"tokens\.json cannot be read"):
            use()
    assert (tmp_path / LIST_FILE).read_bytes() == text.encode("latin-1")


def test_no_token_comes_back_to_life_with_a_list_that_is_lost(tmp_path: Path) -> None:
    store = TokenStore(str(tmp_path))
    revoked, kept = (id_of(store, store.issue(("main",), ("listen",), LATER_S)) for _ in range(2))
    store.revoke(revoked)
    assert (store.is_revoked(revoked), store.is_revoked(kept)) == (True, False)
    (tmp_path / LIST_FILE).unlink()
    assert store.is_revoked(revoked)
    assert store.is_revoked(kept)
    fresh = id_of(store, store.issue(("main",), ("listen",), LATER_S))
    for reader in (store, TokenStore(str(tmp_path))):
        assert (reader.is_revoked(revoked), reader.is_revoked(fresh)) == (True, False)


def test_a_link_is_never_a_token_of_the_same_name(tmp_path: Path) -> None:
    store = TokenStore(str(tmp_path))
    for rooms, actions in ((("main",), ("admin",)), (("side",), PERFORMER)):
        store.issue(rooms, actions, NOW_S + LINK_S, "link of main")
    link = read(store.key, store.link("main", NOW_S))
    assert link is not None
    assert (link.rooms, link.actions) == (("main",), PERFORMER)


def test_a_token_that_no_server_would_read_is_not_made(tmp_path: Path) -> None:
    store = TokenStore(str(tmp_path))
    with pytest.raises(ConfigError, match="at most 1024 characters"):
        store.issue([f"{number:064}" for number in range(16)], ("listen",), LATER_S)
    assert store.listed() == {}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--days", "nan"], "--days nan is not allowed"),
        (["--days", "inf"], "--days inf is not allowed"),
        (["--days", "1e9"], "at most 36500"),
        (["--days", "-1"], "more than 0"),
        (["--rooms", ","], "--rooms names no room"),
        (["--rooms", ""], "--rooms names no room"),
        (["--actions", ","], "--actions names no action"),
        (["new", "Anna"], "nothing else takes an id"),
        (["list", "Anna"], "nothing else takes an id"),
        (["revoke"], "names the token to revoke"),
        (["hash", "my password"], "on the command line is seen by others"),
    ],
)
def test_a_wrong_command_makes_no_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["token", *words], {"RTCSERVER_STATE_DIR": str(tmp_path)}) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.out == ""
    assert not (tmp_path / LIST_FILE).exists()


def test_a_list_can_be_looked_at_whatever_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = TokenStore(str(tmp_path))
    store.issue(("main",), ("listen",), 10**18, "Ann\n\x1b[2J\udcff")
    assert main(["token", "list"], {"RTCSERVER_STATE_DIR": str(tmp_path)}) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "until second 1000000000000000000" in line
    assert line.endswith("Ann\ufffd\ufffd[2J\ufffd")


def test_the_command_makes_lists_and_revokes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"RTCSERVER_STATE_DIR": str(tmp_path), "RTCSERVER_PUBLIC_HOST": "studio.example"}
    assert main(["token", "--rooms", "main", "--actions", "listen", "--name", "Anna"], environ) == 0
    token = read(TokenStore(str(tmp_path)).key, capsys.readouterr().out.strip())
    assert token is not None
    assert (token.rooms, token.actions) == (("main",), ("listen",))
    assert main(["token", "revoke", token.id], environ) == 0
    assert main(["token", "list"], environ) == 0
    assert f"{token.id}  revoked" in capsys.readouterr().out
    assert main(["token", "revoke", "nobody"], environ) == 2
    assert main(["token", "--actions", "fly"], environ) == 2
    assert '"fly" is no action' in capsys.readouterr().err
    assert main(["link"], environ) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Listen at  http://studio.example:8080/r/main"
    assert lines[1].startswith("Play at    http://studio.example:8080/r/main#perform=")


def test_links_outlive_a_start_with_a_folder_that_can_only_be_read(tmp_path: Path) -> None:
    store = TokenStore(str(tmp_path))
    link = store.link("main", NOW_S)
    # Whoever is root may write in every folder, but not open another folder as a file.
    (tmp_path / LOCK_FILE).unlink()
    (tmp_path / LOCK_FILE).mkdir()
    again = TokenStore(str(tmp_path))
    assert again.link("main", NOW_S) == link
    assert not again.is_revoked(id_of(again, link))
    with pytest.raises(ConfigError, match="cannot be written"):
        again.revoke(id_of(again, link))
