"""A child process that runs, with what the server holds of it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable

from rtcserver.children import child, forking
from rtcserver.children.output import ErrorOutput


class ChildProcess:
    """A child that has been started, our end of its control socket, which does not block, and of what it prints."""

    def __init__(self, process: forking.Process, sock: socket.socket, output: ErrorOutput) -> None:
        sock.setblocking(False)
        self.process = process
        self.sock = sock
        self.output = output

    @classmethod
    async def start(cls, module: str, socket_buffer: int | None, say: Callable[[str], None]) -> ChildProcess:
        """Fork one that runs ``main()`` of `module`, or start it from the beginning. Raises OSError.

        socket_buffer: bytes that each direction of its control socket holds; None for the system's default. say: called
        with each line that it prints, on the running event loop.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        output: ErrorOutput | None = None
        try:
            output = ErrorOutput(say)
            if socket_buffer is not None:
                for end in (ours, theirs):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, socket_buffer)
            process = await _forked(module, theirs, output.fd) or _from_the_beginning(
                module, theirs, output.fd
            )
        except BaseException:
            ours.close()
            if output is not None:
                output.close()
            raise
        finally:
            theirs.close()
            if output is not None:
                output.given()
        return cls(process, ours, output)

    def discard(self) -> None:
        """End it without a word. Waits for the kernel only."""
        self.process.kill()
        self.sock.close()
        self.process.wait()
        self.output.close()


async def _forked(module: str, control: socket.socket, output_fd: int) -> forking.Process | None:
    forks = forking.of_this_process()
    return None if forks is None else await forks.fork(module, control, output_fd)


def _from_the_beginning(module: str, control: socket.socket, output_fd: int) -> forking.Process:
    return subprocess.Popen(
        child.command(module, str(control.fileno())),
        env=child.environment(),
        pass_fds=(control.fileno(),),
        stdin=subprocess.DEVNULL,
        stdout=output_fd,
        stderr=output_fd,
        # A terminal's Ctrl-C is for the server; it tells its children itself.
        process_group=0,
    )
