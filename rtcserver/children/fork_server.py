"""The process that children are forked from: it has imported what they run, so that they share it and start at once.

It is forked from the server before that has a thread, an event loop or a secret, and started as
``python -m rtcserver.children.fork_server FD MODULE...`` when another one is needed later. It has one thread and opens
nothing; what would (PortAudio, FluidSynth, MIDI) is imported by the children.

FD is one end of a ``SOCK_SEQPACKET`` pair. Up: ``ready`` (once). Down: ``fork`` (``module``, ``parent``, ``set`` and
``unset``: variables that differ; with three descriptors: the child's control socket, the pipe for what it prints, and
a stream on which the answer comes: the child's number, or the number of an error after a minus sign).

A child is forked twice. The process in between ends at once, and the kernel gives the child to the nearest ancestor
that takes orphans (PR_SET_CHILD_SUBREAPER, prctl(2)), which is the server: the child's exit code and the signal at its
parent's end are then as if the server had started it, and the end of this process concerns no child.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from setproctitle import setproctitle

from rtcserver.children import child, control_socket
from rtcserver.children.bare import without_docstrings
from rtcserver.heap import let_code_go, trim

MODULE = "rtcserver.children.fork_server"
NOT_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that are the server's business: a terminal's Ctrl-C, a service's end. It closes the socket."""


def warm_up(modules: Iterable[str]) -> None:
    """Import what children run, and take all of it out of the garbage collector's sight for good.

    A collector that looked at shared objects would write to them, and each process would have a copy of its own. What
    cannot be imported (libopus may be missing) is left out: the child that needs it says so.
    """
    gc.disable()
    with without_docstrings():
        for module in modules:
            with contextlib.suppress(Exception):
                import_module(module)
    gc.enable()
    gc.collect()
    gc.freeze()
    let_code_go()
    trim()


@dataclass(frozen=True, slots=True)
class Begun:
    """A fork server that was forked from this process. modules: what it has imported. variables: its environment."""

    pid: int
    sock: socket.socket
    modules: tuple[str, ...]
    variables: dict[str, str]


_begun: Begun | None = None


def begin(modules: Sequence[str]) -> None:
    """Fork one from this process, which shares with it what is imported: to be called first of all. Raises nothing.

    modules: what children run; nothing in them may open a device or begin a thread when it is imported. Nothing happens
    where there are other threads, whose locks would stay closed in all children, and on systems other than Linux.
    """
    global _begun
    if sys.platform != "linux" or len(list(Path("/proc/self/task").iterdir())) > 1:
        return
    warm_up(modules)
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pid = os.fork()
            if pid == 0:
                try:
                    ours.close()
                    serve(theirs)
                finally:
                    os._exit(1)
        _begun = Begun(pid, ours, tuple(modules), dict(os.environ))


def begun() -> Begun | None:
    """What `begin` has forked, if it has."""
    return _begun


def serve(sock: socket.socket) -> NoReturn:
    """Fork until the server is gone, then end. Everything else that is open is closed."""
    child.die_with_parent()
    os.setpgid(0, 0)
    _handle_signals()
    for number in NOT_OURS:
        signal.signal(number, signal.SIG_IGN)
    _keep(sock.fileno())
    sock.setblocking(True)
    setproctitle(title(MODULE))
    control_socket.send(sock, {"type": "ready"})
    while (received := control_socket.receive(sock)) is not None:
        message, fds = received
        _bear(message, fds, sock)
    os._exit(0)


def title(module: str) -> str:
    """What ``ps`` shows of a child: the command line of one that is started from the beginning."""
    return " ".join(child.command(module))


def _bear(message: dict[str, Any], fds: list[int], sock: socket.socket) -> None:
    """Fork one child and wait until it has its new parent; errors go to who asked."""
    control, output, answer = fds
    gate, gate_end = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            _fork_and_end(message, control, output, answer, gate, gate_end, sock)
        os.waitpid(between, 0)
    except OSError as error:
        _answer(answer, -(error.errno or 1))
    finally:
        # At its end the child knows that it has its new parent.
        for fd in (gate_end, gate, *fds):
            os.close(fd)


def _fork_and_end(
    message: dict[str, Any],
    control: int,
    output: int,
    answer: int,
    gate: int,
    gate_end: int,
    sock: socket.socket,
) -> NoReturn:
    try:
        if os.fork() == 0:
            os.close(gate_end)
            os.read(gate, 1)
            os.close(gate)
            sock.close()
            _live(message, control, output, answer)
    except OSError as error:
        _answer(answer, -(error.errno or 1))
    finally:
        os._exit(0)


def _live(message: dict[str, Any], control: int, output: int, answer: int) -> NoReturn:
    """The child's life."""
    code = 1
    try:
        os.setpgid(0, 0)
        for number in NOT_OURS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _keep(control, answer)
        if os.getppid() != message["parent"]:
            # The server is gone, or has given up waiting.
            os._exit(0)
        _take_variables(message)
        if "numpy.random" in sys.modules:
            # Python's own generator is seeded anew by itself, and OpenSSL's as well.
            sys.modules["numpy.random"].seed()
        module = message["module"]
        setproctitle(title(module))
        sys.argv = [module, str(control)]
        sys.orig_argv = [*child.command(module), str(control)]
        _answer(answer, os.getpid())
        os.close(answer)
        code = _exit_code(import_module(module).main)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _handle_signals() -> None:
    """As an interpreter does that has just started, but for Ctrl-C."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        signal.signal(number, signal.SIG_DFL)


def _exit_code(main: Any) -> int:
    """As ``sys.exit(main())`` ends the process."""
    try:
        code = main()
    except SystemExit as error:
        code = error.code
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


def _take_variables(message: dict[str, Any]) -> None:
    for name in message["unset"]:
        os.environ.pop(name, None)
    os.environ.update(message["set"])


def _keep(*fds: int) -> None:
    """Close all descriptors but these and the standard ones; the first of those reads nothing."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    low = 3
    for fd in sorted(fds):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


def _answer(fd: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.write(fd, b"%d\n" % number)


def main() -> None:
    """Entry point of the process that is started from the beginning."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    warm_up(sys.argv[2:])
    serve(sock)


if __name__ == "__main__":
    main()
