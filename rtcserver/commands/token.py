"""``rtcserver token``: make, list and revoke tokens; hash a user's password."""

from __future__ import annotations

import argparse
import datetime
import getpass
import sys
from collections.abc import Mapping

from rtcserver.config.flags import add_flags, configuration
from rtcserver.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and for whom."""
    parser.add_argument("what", nargs="?", choices=("new", "list", "revoke", "hash"), default="new")
    parser.add_argument("id", nargs="?", help="of the token to revoke")
    parser.add_argument("--rooms", default="", metavar="NAMES", help="with commas; default: every room")
    parser.add_argument("--actions", default="listen,read", metavar="ACTIONS", help="with commas")
    parser.add_argument("--days", type=float, default=30, metavar="N", help="how long it is valid")
    parser.add_argument("--name", default="", help="for whom it is, shown by `list`")
    add_flags(parser, {"state": ("state_dir",)})


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do it. Raises ConfigError for an unknown action, room or id."""
    from rtcserver.access.rules import ACTIONS
    from rtcserver.clock import NS, wall_ns
    from rtcserver.server.tokens import TokenStore, rooms_of

    if args.what == "hash":
        return _hash()
    config = configuration(args, environ)
    if not config.state_dir:
        raise ConfigError("there is no home folder to keep tokens in; set state_dir")
    store = TokenStore(config.state_dir)
    now_s = int(wall_ns() / NS)
    if args.what == "revoke":
        store.revoke(args.id or "")
        print(f"revoked {args.id}")
    elif args.what == "list":
        for token_id, entry in store.listed().items():
            ends = datetime.datetime.fromtimestamp(entry["expires_s"], datetime.UTC)
            state = "revoked" if entry["revoked"] else "expired" if now_s >= entry["expires_s"] else "valid"
            what = f"{','.join(entry['rooms'])}  {','.join(entry['actions'])}"
            print(f"{token_id}  {state:7}  until {ends:%Y-%m-%d %H:%M}Z  {what}  {entry['name']}".rstrip())
    else:
        rooms, actions = _words(args.rooms), _words(args.actions)
        for action in actions:
            if action not in ACTIONS:
                raise ConfigError(f'--actions: "{action}" is no action; allowed are {", ".join(ACTIONS)}')
        for room in rooms:
            if room not in config.rooms:
                raise ConfigError(f'--rooms: there is no room "{room}"')
        if not actions or args.days <= 0:
            raise ConfigError("--actions names at least one action, and --days is more than 0")
        print(store.issue(rooms_of(rooms), actions, now_s + int(args.days * 86400), args.name))
    return 0


def _hash() -> int:
    """Print the hash of a password that is typed twice, or is the one line of standard input."""
    from rtcserver.access.users import hashed

    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise ConfigError("these are two different passwords")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    try:
        print(hashed(password))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return 0


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
