#!/usr/bin/env bash
# python-samplerate 0.2.4 (PyPI), Python 3.11 on x86-64, seen 2026-11-30: a stream that is resampled block by block
# never gets its end back.
#
# One second of 44.1 kHz in one call with `end_of_input=True` gives 48,000 frames at 48 kHz, as it should. The same
# second in blocks of 10 ms gives 47,949 with "sinc_medium" and 47,844 with "sinc_best", and what is held back cannot be
# asked for: the flag on the last block brings one frame of it, the flag on an empty block none. A block of silence behind
# the end, with the flag, brings it out (and its own length besides).
# What we do: a room's sound never ends, so what is held back comes with the next block.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check samplerate==0.2.4 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import samplerate

RATIO, BLOCK = 48_000 / 44_100, 441
second = np.ones(44_100, np.float32)


def blocks(converter, *, flag_last):
    """Frames that come out of the second in blocks, and the converter as it is then."""
    stream = samplerate.Resampler(converter, channels=1)
    out = 0
    for at in range(0, len(second), BLOCK):
        last = at + BLOCK >= len(second)
        out += len(stream.process(second[at : at + BLOCK], RATIO, end_of_input=flag_last and last))
    return out, stream


seen = {}
for converter in ("sinc_medium", "sinc_best"):
    at_once = len(samplerate.Resampler(converter, channels=1).process(second, RATIO, end_of_input=True))
    flagged, _ = blocks(converter, flag_last=True)
    plain, stream = blocks(converter, flag_last=False)
    empty = len(stream.process(np.zeros(0, np.float32), RATIO, end_of_input=True))
    plain, stream = blocks(converter, flag_last=False)
    silence = len(stream.process(np.zeros(BLOCK, np.float32), RATIO, end_of_input=True))
    seen[converter] = (at_once, plain, flagged, empty, plain + silence >= 48_000)
    print(f"{converter}: at once {at_once}; in blocks {plain}, flag on the last {flagged}, on an empty one {empty} more")
expected = {"sinc_medium": (48_000, 47_949, 47_950, 0, True), "sinc_best": (48_000, 47_844, 47_845, 0, True)}
assert seen == expected, f"this has changed: {seen}"
PY
echo "as described"
