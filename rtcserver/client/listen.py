"""Listening for a while, and what was heard: one `Listener` from its begin to its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rtcserver.client.listener import Listener
from rtcserver.client.measure import Samples
from rtcserver.client.progress import hear_telling
from rtcserver.client.reception import Repair
from rtcserver.client.report import ListenReport
from rtcserver.client.ways import Channels, MediaPath
from rtcserver.encode.codec import DEFAULT


async def listen(
    url: str,
    seconds: float = 10.0,
    *,
    connect_timeout_s: float = 10.0,
    stall_s: float = 5.0,
    on_audio: Callable[[Samples], None] | None = None,
    on_progress: Callable[[float], None] | None = None,
    insecure: bool = False,
    path: MediaPath | None = None,
    channels: Channels | None = None,
    codec: str = DEFAULT.name,
    repair: Repair = "none",
    headers: Mapping[str, str] | None = None,
) -> ListenReport:
    """Listen to `seconds` of media time and report. Raises `ListenError` if there is no connection, or another mode than
    the `headers` ask for.

    on_progress: called about four times a second with the media seconds heard so far.
    """
    async with Listener(
        url,
        window_s=seconds,
        connect_timeout_s=connect_timeout_s,
        on_audio=on_audio,
        insecure=insecure,
        path=path,
        channels=channels,
        codec=codec,
        repair=repair,
        headers=headers,
    ) as ear:
        ear.check_mode()
        await hear_telling(ear, seconds, stall_s, on_progress)
        return ear.report(seconds)
