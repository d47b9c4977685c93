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
    parser.add_argument("--rooms", metavar="NAMES", help="with commas; default: every room")
    parser.add_argument("--actions", default="listen,read", metavar="ACTIONS", help="with commas")
    parser.add_argument("--days", type=float, default=30, metavar="N", help="how long it is valid")
    parser.add_argument("--name", default="", help="for whom it is, shown by `list`")
    add_flags(parser, {"state": ("state_dir",)})


MAX_DAYS = 36_500


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do it. Raises ConfigError for an unknown action, room or id."""
    from rtcserver.access.rules import ACTIONS
    from rtcserver.clock import NS, wall_ns
    from rtcserver.server.tokens import TokenStore, rooms_of

    if args.what == "hash":
        if args.id is not None:
            raise ConfigError(
                "a password on the command line is seen by others: leave it out, and type it when asked"
            )
        return _hash()
    if (args.what == "revoke") != (args.id is not None):
        raise ConfigError("token revoke ID names the token to revoke; nothing else takes an id")
    config = configuration(args, environ)
    if not config.state_dir:
        raise ConfigError("there is no home folder to keep tokens in; set state_dir")
    store = TokenStore(config.state_dir)
    now_s = int(wall_ns() / NS)
    if args.what == "revoke":
        store.revoke(args.id)
        print(f"revoked {args.id}")
    elif args.what == "list":
        for token_id, entry in store.listed().items():
            state = (
                "revoked"
                if store.is_revoked(token_id)
                else "expired"
                if now_s >= entry["expires_s"]
                else "valid"
            )
            name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in entry["name"])
            what = f"{','.join(entry['rooms'])}  {','.join(entry['actions'])}"
            print(f"{token_id}  {state:7}  until {_day(entry['expires_s'])}  {what}  {name}".rstrip())
    else:
        rooms, actions = _words(args.rooms or ""), _words(args.actions)
        if args.rooms is not None and not rooms:
            raise ConfigError("--rooms names no room; leave it out for every room")
        for action in actions:
            if action not in ACTIONS:
                raise ConfigError(f'--actions: "{action}" is no action; allowed are {", ".join(ACTIONS)}')
        for room in rooms:
            if room not in config.rooms:
                raise ConfigError(f'--rooms: there is no room "{room}"')
        if not actions:
            raise ConfigError(f"--actions names no action; allowed are {', '.join(ACTIONS)}")
        if not 0 < args.days <= MAX_DAYS:  # "nan" is neither more nor less
            raise ConfigError(
                f"--days {args.days:g} is not allowed; it is more than 0 and at most {MAX_DAYS}"
            )
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


def _day(seconds: int) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%M}Z"
    except (ValueError, OverflowError, OSError):
        return f"second {seconds}"  # beyond the calendar: written by hand, or by a clock that was wrong


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
