"""Finds out what installed plug-ins are and whether they take their options, before the server starts to serve.

Each is asked in a process of its own (`rtcserver.capture.describe`): its code never runs in the server's.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rtcserver.capture import kinds
from rtcserver.capture.kinds import Kind
from rtcserver.capture.option import Option
from rtcserver.children import child
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import ConfigError

TIMEOUT_S = 20.0
"""A plug-in that has not been imported after so long hangs."""


def ask(key: str, options: Mapping[str, Any] | None = None, timeout_s: float = TIMEOUT_S) -> tuple[Kind, str]:
    """An installed plug-in's kind, and what is wrong with `options` (or nothing).

    A plug-in that cannot be used is a kind, too: its `error` says why.
    """
    command = child.command("rtcserver.capture.describe", key, json.dumps(dict(options or {})))
    try:
        done = subprocess.run(
            command,
            env=child.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=timeout_s,
            check=False,
        )
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        said = {"error": f"{key}: the plug-in hangs: its import has not returned after {timeout_s:g} s"}
    except ValueError:
        said = {"error": f"{key}: the plug-in ends its process at import (exit code {done.returncode})"}
    if "error" in said:
        return Kind(key, key, kinds.plugin, error=said["error"]), ""
    options_taken = tuple(Option.from_message(option) for option in said["options"])
    played_by: kinds.PlayedBy = "process" if said["playable"] else "nobody"
    return Kind(key, said["title"], kinds.plugin, played_by, options=options_taken), said["wrong"]


def ask_all(keys: Iterable[str]) -> list[Kind]:
    """The kinds of several plug-ins, asked at the same time; this process knows them afterwards."""
    with ThreadPoolExecutor(4) as pool:
        found = [kind for kind, _ in pool.map(ask, keys)]
    for kind in found:
        kinds.add(kind)
    return found


def prepare(instruments: Mapping[str, InstrumentConfig]) -> list[str]:
    """Check every room's kind and options, and make the plug-ins among them known in this process.

    instruments: by room. Returns a sentence for each room whose plug-in cannot be used; the server starts all the
    same. Raises ConfigError for a kind that does not exist and for options that it does not take.
    """
    broken = []
    for room, config in instruments.items():
        where = f"room {room}: "
        if kinds.check(config, where) in kinds.BUILT_IN:
            continue
        kind, wrong = ask(config.instrument, config.options)
        if wrong:
            raise ConfigError(f"{where}{wrong}")
        kinds.add(kind)
        if kind.error:
            broken.append(f"{where}{kind.error}")
    return broken
