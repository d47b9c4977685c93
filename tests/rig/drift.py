"""A clock that runs fast or slow for one program: the crystal of a device that is off by some ppm.

The dummy driver of JACK paces itself by ``CLOCK_MONOTONIC``. A preloaded shim shows it a clock that
runs ``1 + ppm/10⁶`` times as fast from the first reading on; the program's idea of its own rate stays.

The server's embedded sources are paced by the machine's clock as well, and `source_drift` gives them one that is
off. They never lose a block, even on a machine on which JACK does.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.rig.process import REPOSITORY, RigError, program

_SOURCE = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static double ppm;
static long long origin;
__attribute__((constructor)) static void begin(void) {
    struct timespec now;
    const char *text = getenv("RIG_CLOCK_PPM");
    ppm = text ? atof(text) : 0;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    origin = now.tv_sec * 1000000000LL + now.tv_nsec;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW)) {
        long long real = now->tv_sec * 1000000000LL + now->tv_nsec;
        long long shown = real + (long long)((double)(real - origin) * ppm * 1e-6);
        now->tv_sec = shown / 1000000000LL;
        now->tv_nsec = shown % 1000000000LL;
    }
    return result;
}
"""


def clock_shim(directory: Path, ppm: float) -> dict[str, str]:
    """Build the shim in `directory`; returns the environment that loads it. Needs a C compiler."""
    library = shim(directory, "clock", _SOURCE)
    return {"LD_PRELOAD": str(library), "RIG_CLOCK_PPM": repr(ppm)}


def shim(directory: Path, name: str, source: str) -> Path:
    """Build a library to preload from C source, in `directory`. Needs a C compiler."""
    library = directory / f"{name}.so"
    if not library.exists():
        compiler = program("cc", "gcc libc6-dev")
        build = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", str(library)],
            input=source.encode(),
            capture_output=True,
        )
        if build.returncode:
            raise RigError(f"the {name} shim does not compile:\n{build.stderr.decode()}")
    return library


_SITE = """
import os
from rtcserver.capture import source
source.NS = round(source.NS * (1 - float(os.environ["RIG_SOURCE_PPM"]) * 1e-6))
"""


def source_drift(directory: Path, ppm: float) -> dict[str, str]:
    """The environment for an `RtcServer` whose file or tone instrument runs this many ppm fast (negative: slow)."""
    (directory / "sitecustomize.py").write_text(_SITE)
    return {"PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(directory))), "RIG_SOURCE_PPM": repr(ppm)}
