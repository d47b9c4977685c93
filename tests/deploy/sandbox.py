"""Runs a command under the restrictions of a systemd unit that need no systemd:

    python -m tests.deploy.sandbox UNIT COMMAND...

No new privileges, no capabilities, no new namespaces, the unit's system calls and its address families (seccomp, as
`systemd.exec(5)` describes); no memory that is both writable and executable, if the unit says so (Linux 6.3 or newer).
On x86-64; the groups of calls are those of the ``systemd-analyze`` that is installed.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

PR_CAPBSET_DROP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 22, 38, 65
SECCOMP_MODE_FILTER = 2
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, EQUAL, HAS_ANY, RETURN = 0x20, 0x15, 0x45, 0x06
AUDIT_ARCH_X86_64 = 0xC000003E
CLONE_NEW = 0x7E020080
"""The flags of `clone(2)` that make a namespace: time, mount, cgroup, UTS, IPC, user, process numbers, network."""
NUMBERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


def words(unit: str, key: str) -> list[list[str]]:
    """The words of each line that sets `key`, in the unit's order."""
    return [line.split() for line in re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)]


@functools.cache
def calls(group: str) -> frozenset[str]:
    """The system calls of a group such as ``@system-service``, those of its groups included."""
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True
    )
    names = [line.strip() for line in said.stdout.splitlines()[1:]]
    found: set[str] = set()
    for name in names:
        if name.startswith("@"):
            found |= calls(name)
        elif name and not name.startswith("#"):
            found.add(name)
    return frozenset(found)


def allowed_calls(unit: str) -> set[str]:
    """What ``SystemCallFilter=`` leaves: the lines in order, those with ``~`` take away."""
    allowed: set[str] = set()
    for line in words(unit, "SystemCallFilter"):
        away, names = line[0].startswith("~"), [name.removeprefix("~") for name in line]
        for name in names:
            group = calls(name) if name.startswith("@") else {name}
            allowed = allowed - group if away else allowed | group
    return allowed


def program(unit: str) -> bytes:
    """The filter in the kernel's form: ``struct sock_filter``, eight bytes an instruction."""
    numbers = {name: int(n) for name, n in re.findall(r"#define __NR_(\w+)\s+(\d+)", NUMBERS.read_text())}
    code = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, AUDIT_ARCH_X86_64), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    families = [getattr(socket, name) for name in words(unit, "RestrictAddressFamilies")[0]]
    code.append((EQUAL, 0, 2 + 2 * len(families), numbers["socket"]))
    code.append((LOAD, 0, 0, 16))  # the first argument's low half
    for family in families:
        code += [(EQUAL, 0, 1, family), (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, ERRNO | errno.EAFNOSUPPORT))
    allowed = allowed_calls(unit)
    if words(unit, "RestrictNamespaces") == [["yes"]]:
        # Flags of clone3 lie in memory, where no filter can look: as if the kernel had none, so that clone is used.
        code += [(EQUAL, 0, 1, numbers["clone3"]), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
        code += [(EQUAL, 0, 4, numbers["clone"]), (LOAD, 0, 0, 16), (HAS_ANY, 0, 1, CLONE_NEW)]
        code += [(RETURN, 0, 0, ERRNO | errno.EPERM), (LOAD, 0, 0, 0)]
        allowed -= {"unshare", "setns"}
    for name in sorted(allowed & set(numbers)):
        code += [(EQUAL, 0, 1, numbers[name]), (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, ERRNO | errno.EPERM))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def enter(unit: str) -> None:
    """Put these restrictions on this process and its descendants. Raises OSError where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prctl(option: int, *values: object) -> None:
        if libc.prctl(option, *values, *[ctypes.c_ulong(0)] * (4 - len(values))) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl {option}: {os.strerror(number)}")

    code = program(unit)
    held = ctypes.create_string_buffer(code)
    # struct sock_fprog: a count, and the address at the pointer's alignment.
    filter_ = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
        if os.geteuid() == 0:
            prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability))
    prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1))
    if words(unit, "MemoryDenyWriteExecute") == [["yes"]]:
        prctl(PR_SET_MDWE, ctypes.c_ulong(1))
    prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), filter_)


if __name__ == "__main__":
    enter(Path(sys.argv[1]).read_text())
    os.execvp(sys.argv[2], sys.argv[2:])
