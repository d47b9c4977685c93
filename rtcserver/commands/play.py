"""``rtcserver play``: a MIDI file on a room's own instrument."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path

from rtcserver.client.display import playing_bar
from rtcserver.client.midi import token_of
from rtcserver.client.play import MAX_BYTES, play
from rtcserver.client.whep import ListenError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the ``play`` command."""
    parser.add_argument("url", metavar="URL", help="the performer link that the server prints (#perform=…)")
    parser.add_argument("file", type=Path, metavar="FILE.mid", help="a standard MIDI file, at most 1 MB")
    parser.add_argument("--tempo", type=float, default=1.0, help="factor on the file's own tempo (0.25 to 4)")
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Play to the end; Ctrl-C stops the room's player, too. Raises ListenError."""
    token = token_of(args.url)
    if not token:
        raise ListenError("playing needs the performer link, as the server prints it: …#perform=TOKEN")
    try:
        data = args.file.read_bytes()
    except OSError as error:
        raise ListenError(f"{args.file} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ListenError(f"{args.file} has {len(data):,} bytes; allowed are {MAX_BYTES:,}")
    # Without the fragment: the token is for the room alone.
    url = args.url.partition("#")[0]
    with playing_bar() as on_progress:
        asyncio.run(
            play(
                url,
                token,
                args.file.name,
                data,
                tempo=args.tempo,
                insecure=args.insecure,
                on_progress=on_progress,
            )
        )
    return 0
