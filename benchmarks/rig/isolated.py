"""A network namespace of the benchmark's own: nothing that it sends can leave the machine.

All servers under test are reached at `ADDRESS`, an address of an interface in there, as Janus and aiortc do
not offer loopback addresses. The kernel delivers what is sent to it over ``lo`` all the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

ADDRESS = "10.77.0.1"
_MARK = "BENCH_ISOLATED"
_LINKS = (
    "link set lo up",
    "link add bench0 type veth peer name bench1",
    f"addr add {ADDRESS}/24 dev bench0",
    "link set bench1 up",
    "link set bench0 up",
)


def reachable() -> bool:
    """Whether the machine's own network is there: outside of such a namespace."""
    return os.environ.get(_MARK) != "1"


def isolate(module: str) -> None:
    """Run this benchmark anew inside such a namespace, unless it is there already.

    Raises RuntimeError where the machine has no unshare (util-linux) or ip (iproute2), or does not allow it.
    """
    if os.environ.get(_MARK) == "1":
        for link in _LINKS:
            subprocess.run(["ip", *link.split()], check=True)
        return
    for tool in ("unshare", "ip"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{tool} is missing: install util-linux and iproute2")
    # An ordinary user becomes root of a user namespace; then there is no real-time scheduling.
    flags = ["-n"] if os.geteuid() == 0 else ["-rn"]
    command = ["unshare", *flags, sys.executable, "-m", module, *sys.argv[1:]]
    os.execvpe("unshare", command, {**os.environ, _MARK: "1"})
