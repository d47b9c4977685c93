"""The keys `channels` and `mix`: which device channels are captured, and with which gain. Pure.

Channel numbers count from 1, as they are printed on the device.
"""

from __future__ import annotations

import re

from rtcserver.errors import ConfigError

_PAIR = re.compile(r"^\s*(\d{1,3})\s*[,/ ]\s*(\d{1,3})\s*$")
_ITEM = re.compile(
    r"^\s*(\d{1,3})\s*:\s*(L|R|LR)\s*(?::\s*([+-]?\d+(?:\.\d+)?)\s*(?:dB)?)?\s*$", re.IGNORECASE
)


DEFAULT_PAIR = [(1, "L", 0.0), (2, "R", 0.0)]


def parse_mix(channels: str, mix: str, available: int | None = None) -> list[tuple[int, str, float]]:
    """The configuration's `channels` and `mix` as ``(channel, side, gain_db)`` items.

    available: channels of the device, where it is known. A device with one plays it on both sides where the
    pair is the default one, so a mono device is as loud as it is on each side of a stereo one.

    Raises ConfigError naming the key, the value and what is allowed.
    """
    if mix.strip():
        items: list[tuple[int, str, float]] = []
        for text in mix.split(","):
            match = _ITEM.match(text)
            if match is None:
                raise ConfigError(
                    f'mix: "{text.strip()}" is not understood; write channel:side:gain_db items such as '
                    '"1:L:0, 2:R:0, 3:LR:-6" (side L, R or LR)'
                )
            gain = float(match[3] or 0)
            if not -120 <= gain <= 24:
                raise ConfigError(f"mix: a gain of {gain:g} dB is out of range; allowed are -120 to 24")
            items.append((int(match[1]), match[2].upper(), gain))
        key = "mix"
    else:
        match = _PAIR.match(channels)
        if match is None:
            raise ConfigError(
                f'channels: "{channels}" is not a pair; write two channel numbers such as "1,2"'
            )
        items = [(int(match[1]), "L", 0.0), (int(match[2]), "R", 0.0)]
        if available == 1 and items == DEFAULT_PAIR:
            items = [(1, "L", 0.0), (1, "R", 0.0)]
        key = "channels"
    if any(channel < 1 for channel, _, _ in items):
        raise ConfigError(f"{key}: channel numbers count from 1, as printed on the device; 0 is not one")
    return items
