"""One run of the headless client: it listens in either mode, and plays a phrase meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from OpenSSL import SSL

from rtcserver.client.listen import listen
from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient, MidiEvent, token_of
from rtcserver.client.phrase import Step
from rtcserver.client.reception import Repair
from rtcserver.client.record import Recorder
from rtcserver.client.report import ListenReport
from rtcserver.client.returning import ReturningListener
from rtcserver.client.studio import LIGHT_HEADERS, StudioSummary, listen_studio
from rtcserver.client.tcp import TcpPath
from rtcserver.client.ways import MediaPath
from rtcserver.client.whep import ListenError
from rtcserver.clock import NS, monotonic_ns
from rtcserver.encode.codec import CODECS
from rtcserver.network.control import NetworkPath

CODEC_NAMES = tuple(CODECS)
SPREAD_S = 0.5
PROGRESS_S = 0.25
_STALL_S, _STALL_THROUGH_NETWORK_S = 5.0, 15.0
"""So long without a packet, and it is over. Networks with names may be dark for ten seconds."""
_AROUND_PHRASE_S = 3.0
"""Media time around a phrase: to be let in before it, and to hear its end."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is to do.

    seconds: media time to listen to, prolonged for the phrase. studio: in Studio instead of Listen. midi: to
    follow the notes, too. phrase: what to play; it needs a performer link. insecure: accept any certificate.
    wait_s: how long to come again, when a server that is full or busy says so. stay: come back whenever the sound is
    gone, for `seconds` by the clock; with neither `studio` nor `phrase`. network: what its media goes through. codec: the
    one to ask for in Listen, one of `CODEC_NAMES`. tcp: media by TCP, without a network. repair: what is offered against
    losses in Listen and in Studio light. quality: of Studio, "exact" or "light".
    """

    url: str
    seconds: float
    studio: bool = False
    midi: bool = False
    phrase: Sequence[Step] = ()
    insecure: bool = False
    wait_s: float = 0.0
    stay: bool = False
    network: NetworkPath | None = None
    codec: str = CODEC_NAMES[0]
    tcp: bool = False
    repair: Repair = "none"
    quality: str = "exact"


async def perform(
    run: Run,
    *,
    recorder: Recorder | None = None,
    on_progress: Callable[[float], None] | None = None,
    on_event: Callable[[MidiEvent], None] | None = None,
) -> tuple[ListenReport | StudioSummary, MidiClient | None]:
    """Do it, and return what was heard and what was played. Raises ListenError."""
    left_s = run.wait_s
    while True:
        carrier = TcpPath() if run.tcp else None
        path = carrier or run.network
        try:
            if run.stay:
                return await _stay(run, path, recorder, on_progress, on_event)
            return await _perform(run, path, recorder, on_progress, on_event)
        except ListenError as error:
            # Somewhat later than was asked for, so that those who were turned away together do not come back together.
            pause_s = error.retry_after_s + random.random() * SPREAD_S
            if error.retry_after_s == 0 or pause_s > left_s:
                raise
            left_s -= pause_s
            await asyncio.sleep(pause_s)
        finally:
            if carrier is not None:
                carrier.close()


async def _stay(
    run: Run,
    path: MediaPath | None,
    recorder: Recorder | None,
    on_progress: Callable[[float], None] | None,
    on_event: Callable[[MidiEvent], None] | None,
) -> tuple[ListenReport, MidiClient | None]:
    def make(url: str, channels: MidiClient) -> Listener:
        return Listener(
            url,
            channels=channels,
            on_audio=recorder.write if recorder else None,
            insecure=run.insecure,
            path=path,
            codec=run.codec,
            repair=run.repair,
        )

    asyncio.get_running_loop().set_exception_handler(_quiet)
    began = monotonic_ns()
    async with ReturningListener(run.url, make=make, on_event=on_event if run.midi else None) as ears:
        while (spent_s := (monotonic_ns() - began) / NS) < run.seconds:
            if on_progress is not None:
                on_progress(spent_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ears.ended(), min(PROGRESS_S, run.seconds - spent_s))
        assert ears.latest is not None, "there is a first session, or the entry raises"
        report = replace(ears.latest.report(), returns=ears.returns)
        return report, ears.channels if run.midi else None


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep from people that aiortc's SCTP still wants to send, in a task of nobody's, when the server has closed DTLS."""
    if not isinstance(context.get("exception"), SSL.Error):
        loop.default_exception_handler(context)


async def _perform(
    run: Run,
    path: MediaPath | None,
    recorder: Recorder | None,
    on_progress: Callable[[float], None] | None,
    on_event: Callable[[MidiEvent], None] | None,
) -> tuple[ListenReport | StudioSummary, MidiClient | None]:
    phrase_s = sum(step.ms for step in run.phrase) / 1000 + _AROUND_PHRASE_S if run.phrase else 0.0
    seconds = max(run.seconds, phrase_s)
    midi = playing = None
    if run.midi or run.phrase:
        token = token_of(run.url)
        if run.phrase and not token:
            raise ListenError("--send needs a performer link, as the server prints it: …#perform=TOKEN")
        midi = MidiClient(token=token, on_event=on_event)
        if run.phrase:
            playing = asyncio.ensure_future(midi.play(list(run.phrase)))
    try:
        report: ListenReport | StudioSummary
        if run.studio and run.quality != "light":
            report = await listen_studio(
                run.url,
                seconds,
                on_pcm=recorder.write_pcm if recorder else None,
                on_progress=on_progress,
                insecure=run.insecure,
                path=path,
                midi=midi,
            )
        else:
            report = await listen(
                run.url,
                seconds,
                stall_s=_STALL_S if run.network is None else _STALL_THROUGH_NETWORK_S,
                on_audio=recorder.write if recorder else None,
                on_progress=on_progress,
                insecure=run.insecure,
                path=path,
                # Studio has channels, whoever listens.
                channels=midi or (MidiClient() if run.studio else None),
                codec=run.codec,
                repair=run.repair,
                headers=LIGHT_HEADERS if run.studio else {},
            )
        if playing is not None and playing.done():
            playing.result()
        return report, midi
    finally:
        if playing is not None:
            playing.cancel()
            await asyncio.wait([playing], timeout=1)
