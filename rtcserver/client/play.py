"""A MIDI file on a room's own instrument: upload it, play it, follow it to its end."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient
from rtcserver.client.whep import BUSY, ListenError, endpoint_of, retry_after_s, why_unreachable

MAX_BYTES = 1024 * 1024
_ENDPOINT = re.compile(r"(?P<root>.*/)r/(?P<room>[^/]+)/whep/?$")
"""A room's endpoint, below the server's root."""
WAIT_S = 10.0
"""How long to come again with a file, when a server that is busy says so."""
_LOOK_S = 0.2
_START_S = 5.0


async def upload(url: str, token: str, name: str, data: bytes, *, insecure: bool = False) -> dict[str, Any]:
    """Hand a file to a room: ``{"file", "name", "duration_s"}``. Raises ListenError with the server's reason."""
    parts = urlsplit(endpoint_of(url) or "")
    place = _ENDPOINT.match(parts.path)
    if place is None:
        raise ListenError(f"{url} is no room's page")
    path = f"{place['root']}api/rooms/{place['room']}/files"
    target = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "audio/midi",
        "X-File-Name": quote(name),
    }
    left_s = WAIT_S
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=not insecure)) as http:
            while True:
                async with http.post(target, data=data, headers=headers) as response:
                    said: dict[str, Any] = await response.json()
                    if response.status == 201:
                        return said
                    again_s = retry_after_s(response) if response.status in BUSY else 0.0
                if not 0 < again_s <= left_s:
                    raise ListenError(said.get("message", f"the server answers {response.status}"))
                left_s -= again_s
                await asyncio.sleep(again_s)
    except (aiohttp.ClientError, ValueError, RecursionError) as error:
        raise ListenError(f"{target} cannot be reached: {why_unreachable(error)}") from error


async def play(
    url: str,
    token: str,
    name: str,
    data: bytes,
    *,
    tempo: float = 1.0,
    insecure: bool = False,
    on_progress: Callable[[str, float, float], None] = lambda name, position_s, duration_s: None,
) -> None:
    """Upload the file and play it to its end, whoever stops it; a cancelled run stops the room's player.

    tempo: factor on the file's own. on_progress: gets the song's name, its position and its duration in s.
    Raises ListenError with the server's reason.
    """
    song = await upload(url, token, name, data, insecure=insecure)
    midi = MidiClient(token=token)
    async with Listener(url, insecure=insecure, channels=midi):
        await midi.wait_welcome()
        if tempo != 1.0:
            midi.control_player("tempo", tempo=tempo)
        midi.control_player("play", file=song["file"])
        try:
            await _follow(midi, song, on_progress)
        finally:
            if midi.player.get("state") == "playing":
                midi.control_player("stop")
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(_LOOK_S)


async def _follow(
    midi: MidiClient, song: dict[str, Any], on_progress: Callable[[str, float, float], None]
) -> None:
    name, duration_s = str(song["name"]), float(song["duration_s"])
    waited = 0.0
    while midi.player.get("state") != "playing":
        if midi.errors:
            raise ListenError(midi.errors[-1])
        if waited > _START_S:
            raise ListenError("the room's player does not start")
        await asyncio.sleep(_LOOK_S)
        waited += _LOOK_S
    position_s = float(midi.player.get("position_s") or 0.0)
    while midi.player.get("state") == "playing":
        await asyncio.sleep(_LOOK_S)
        position_s += _LOOK_S * float(midi.player.get("tempo") or 1.0)
        on_progress(name, position_s, duration_s)
