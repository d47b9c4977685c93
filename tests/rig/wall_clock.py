"""A wall clock that steps while a program runs, as when NTP or a person sets it right.

A preloaded shim adds an offset to ``CLOCK_REALTIME`` (and to ``time`` and ``gettimeofday``), which the program and its
children read from a shared file at each reading; the monotonic clock goes on as it does.
"""

from __future__ import annotations

import struct
from pathlib import Path

from tests.rig.drift import shim

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long long *offset_s;
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RIG_WALL_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(0, sizeof *offset_s, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED) offset_s = page;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && offset_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset_s;
    return result;
}
time_t time(time_t *now) {
    struct timespec read;
    clock_gettime(CLOCK_REALTIME, &read);
    if (now) *now = read.tv_sec;
    return read.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec read;
    clock_gettime(CLOCK_REALTIME, &read);
    now->tv_sec = read.tv_sec;
    now->tv_usec = read.tv_nsec / 1000;
    return 0;
}
"""


class WallClock:
    """The wall clock of the programs that are started with `variables`. Needs a C compiler."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "wall-clock"
        self._file.write_bytes(struct.pack("q", 0))
        self._library = shim(directory, "wall", _SOURCE)

    @property
    def variables(self) -> dict[str, str]:
        """The environment that shows it to a program."""
        return {"LD_PRELOAD": str(self._library), "RIG_WALL_CLOCK": str(self._file)}

    def set(self, offset_s: int) -> None:
        """It is so many seconds ahead of this machine's from now on (negative: behind)."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", offset_s))
