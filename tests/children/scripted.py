"""A child process for tests, which does what its first message says.

``python -m tests.children.scripted FD``. ``run`` (down): ``steps`` in order, each a name and a number or text:
``complain`` (a line on standard error), ``raise`` (an error of its text), ``progress`` (a share), ``report`` (its
text), ``sleep`` (seconds), ``exit`` (code), ``describe`` (a report: the process as JSON, with the variable of that
name). After the last step it answers each ``echo`` until it is stopped, and says
``bye`` then.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np

from rtcserver.children import child, control_socket


def description(sock: socket.socket, variable: str) -> str:
    """What a child can see of how it was started."""
    return json.dumps(
        {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "group": os.getpgid(0),
            "descriptors": sorted(
                int(path.name) for path in Path("/proc/self/fd").iterdir() if path.exists()
            ),
            "control": sock.fileno(),
            "input": str(Path("/proc/self/fd/0").readlink()),
            "arguments": sys.argv[1:],
            "title": Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(),
            "variable": os.environ.get(variable),
            "random": [random.random(), float(np.random.random())],
            "default": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
            "ignored": signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN,
        }
    )


def main() -> int:
    child.die_with_parent()
    sock = socket.socket(fileno=int(sys.argv[1]))
    while (received := control_socket.receive(sock)) is not None:
        message, fds = received
        match message["type"]:
            case "run":
                for step, value in message["steps"]:
                    match step:
                        case "progress":
                            control_socket.report_progress(sock, "loading a piano", value)
                        case "report":
                            control_socket.send(sock, {"type": "report", "text": value})
                        case "describe":
                            told = description(sock, value)
                            control_socket.send(sock, {"type": "report", "text": told})
                        case "sleep":
                            time.sleep(value)
                        case "exit":
                            return int(value)
                        case "complain":
                            print(value, file=sys.stderr, flush=True)
                        case "raise":
                            raise RuntimeError(value)
                        case "garbage":
                            sock.send(value.encode())
            case "echo":
                for fd in fds:
                    with socket.socket(fileno=fd) as given:
                        given.send(b"here")
                control_socket.send(sock, {"type": "report", "text": message["text"]})
            case "stop":
                control_socket.send(sock, {"type": "report", "text": "bye"})
                return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
