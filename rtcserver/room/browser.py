"""What a ``User-Agent`` header says, in words that people know: "Firefox 140 on Android". Pure.

The header is whatever a client likes to send, so that nothing of it is repeated but numbers: the words are from the tables
here. What is in none of them is "".
"""

from __future__ import annotations

import re

_LONGEST = 256
"""Characters that are looked at."""
_PRODUCTS = (
    # Each pretends to be those below it.
    (r"(?:Edg|EdgA|EdgiOS)/(\d{1,4})", "Edge"),
    (r"(?:OPR|OPT)/(\d{1,4})", "Opera"),
    (r"SamsungBrowser/(\d{1,4})", "Samsung Internet"),
    (r"(?:Firefox|FxiOS)/(\d{1,4})", "Firefox"),
    (r"(?:HeadlessChrome|Chrome|CriOS)/(\d{1,4})", "Chrome"),
    (r"Version/(\d{1,4})[\d.]* (?:Mobile/\S+ )?Safari/", "Safari"),
    (r"^rtcserver/(\d{1,4})", "rtcserver client"),
    (r"VLC/(\d{1,4})", "VLC"),
    (r"^(?:mpv|libmpv)\b()", "mpv"),
    (r"Lavf/(\d{1,4})", "FFmpeg"),
    (r"GStreamer\b()", "GStreamer"),
    (r"HomeAssistant/(\d{4})", "Home Assistant"),
    (r"^Icecast\b()", "Icecast"),
    (r"(?i)mediamtx()", "MediaMTX"),
    (r"(?i)go2rtc()", "go2rtc"),
    (r"^(?:Python|aiohttp)\b()", "Python"),
    (r"^curl/(\d{1,4})", "curl"),
)
_SYSTEMS = (
    (r"Android", "Android"),
    (r"iPhone|iPod", "iPhone"),
    (r"iPad", "iPad"),
    (r"Windows", "Windows"),
    (r"Macintosh|Mac OS X", "macOS"),
    (r"CrOS", "ChromeOS"),
    (r"Linux", "Linux"),
)


def browser_words(agent: str) -> str:
    """Which program a header names, its version and system; "" for one that is not known."""
    text = agent[:_LONGEST]
    product = next(
        ((name, found[1]) for pattern, name in _PRODUCTS if (found := re.search(pattern, text, re.ASCII))),
        None,
    )
    if product is None:
        return ""
    system = next((name for pattern, name in _SYSTEMS if re.search(pattern, text)), "")
    named = " ".join(part for part in product if part)
    return f"{named} on {system}" if system else named
