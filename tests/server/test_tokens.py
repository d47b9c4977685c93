"""The tokens in a state folder: they outlive a start, and what is revoked counts no more at once."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from rtcserver.access.token import MIN_KEY, read
from rtcserver.commands.table import main
from rtcserver.errors import ConfigError
from rtcserver.server.tokens import KEY_FILE, LINK_S, NoPlaceError, TokenStore

NOW_S = 1_800_000_000


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


def test_a_broken_list_lets_nobody_in(tmp_path: Path) -> None:
    store = TokenStore(str(tmp_path))
    (tmp_path / "tokens.json").write_text("{")
    assert store.is_revoked("any")


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
