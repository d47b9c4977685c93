"""``python -m rtcserver play URL FILE.mid``: a MIDI file on the room's own instrument."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urldefrag, urlsplit, urlunsplit

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient, token_of
from rtcserver.client.whep import ListenError, endpoint_of

MAX_BYTES = 1024 * 1024
_LOOK_S = 0.2
_START_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the ``play`` command."""
    parser.add_argument("url", metavar="URL", help="the performer link that the server prints (#perform=…)")
    parser.add_argument("file", type=Path, metavar="FILE.mid", help="a standard MIDI file, at most 1 MB")
    parser.add_argument("--tempo", type=float, default=1.0, help="factor on the file's own tempo (0.25 to 4)")
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")


def run(args: argparse.Namespace) -> int:
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
    try:
        return asyncio.run(_play(urldefrag(args.url).url, token, args.file.name, data, args))
    except KeyboardInterrupt:
        return 130


async def upload(url: str, token: str, name: str, data: bytes, *, insecure: bool = False) -> dict[str, Any]:
    """Hand a file to a room: ``{"file", "name", "duration_s"}``. Raises ListenError with the server's reason."""
    endpoint = endpoint_of(url)
    if endpoint is None or not endpoint.endswith("/whep"):
        raise ListenError(f"{url} is no room's page")
    parts = urlsplit(endpoint)
    room = parts.path.removesuffix("/whep").rpartition("/")[2]
    target = urlunsplit((parts.scheme, parts.netloc, f"/api/rooms/{room}/files", "", ""))
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "audio/midi",
        "X-File-Name": quote(name),
    }
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=not insecure)) as http,
            http.post(target, data=data, headers=headers) as response,
        ):
            said: dict[str, Any] = await response.json()
            if response.status != 201:
                raise ListenError(said.get("message", f"the server answers {response.status}"))
            return said
    except (aiohttp.ClientError, ValueError) as error:
        raise ListenError(f"{target} cannot be reached: {error}") from error


async def _play(url: str, token: str, name: str, data: bytes, args: argparse.Namespace) -> int:
    song = await upload(url, token, name, data, insecure=args.insecure)
    midi = MidiClient(token=token)
    async with Listener(url, insecure=args.insecure, channels=midi):
        await midi.wait_welcome()
        if args.tempo != 1.0:
            midi.control_player("tempo", tempo=args.tempo)
        midi.control_player("play", file=song["file"])
        try:
            await _follow(midi, song)
        finally:
            if midi.player.get("state") == "playing":
                midi.control_player("stop")
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(_LOOK_S)
    return 0


async def _follow(midi: MidiClient, song: dict[str, Any]) -> None:
    """Until the player has stopped, whoever stopped it."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task(str(song["name"]), total=song["duration_s"])
        waited = 0.0
        while midi.player.get("state") != "playing":
            if midi.errors:
                raise ListenError(midi.errors[-1])
            if waited > _START_S:
                raise ListenError("the room's player does not start")
            await asyncio.sleep(_LOOK_S)
            waited += _LOOK_S
        position = float(midi.player.get("position_s") or 0.0)
        while midi.player.get("state") == "playing":
            await asyncio.sleep(_LOOK_S)
            position += _LOOK_S * float(midi.player.get("tempo") or 1.0)
            progress.update(task, completed=position)
