"""What an installed plug-in says of itself, for the server: one JSON object on stdout.

``python -m rtcserver.capture.describe KEY [OPTIONS]``, where OPTIONS is a JSON object. It runs as a process of its
own, so that a plug-in that hangs, prints or ends its process at import harms nobody.

``{"title", "playable", "options": [...], "wrong"}``, where ``wrong`` says what is wrong with OPTIONS (or is empty);
or ``{"error"}``: why the plug-in cannot be used.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rtcserver.capture import plugin
from rtcserver.errors import ConfigError, InstrumentError


def describe(key: str, options: dict[str, Any]) -> dict[str, Any]:
    """The object of the module's text."""
    try:
        cls = plugin.load(key)
    except InstrumentError as error:
        return {"error": str(error)}
    wrong = ""
    try:
        plugin.options_of(key, cls, options)
    except ConfigError as error:
        wrong = str(error)
    except Exception as error:
        return {"error": f"{key}: the plug-in fails when its options are checked: {plugin.said(error)}"}
    return {
        "title": cls.title or key,
        "playable": plugin.playable(cls),
        "options": [option.to_message() for option in cls.options],
        "wrong": wrong,
    }


def main() -> int:
    """Entry point of the process."""
    # What the plug-in prints is for its author, not for the server.
    answer = os.dup(1)
    os.dup2(2, 1)
    options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    os.write(answer, json.dumps(describe(sys.argv[1], options)).encode())
    # A thread that the plug-in has started must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
