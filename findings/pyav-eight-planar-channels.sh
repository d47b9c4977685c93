#!/usr/bin/env bash
# PyAV 18.1.0: `to_ndarray` of a planar audio frame with exactly eight channels ends the process (SIGSEGV); with
# six channels it returns (6, 64), and the interleaved format "flt" works with any number.
# Seen 2026-11-30 with the wheel for CPython 3.11 on x86-64, on an ordinary 7.1 file that was resampled to "fltp".
# What we do: `rtcserver/capture/decode.py` asks the resampler for "flt".
set -u
cd "$(dirname "$0")/.."
for layout in 5.1 7.1; do
  .venv/bin/python - "$layout" <<'PY' 2>/dev/null
import sys
import av
frame = av.AudioFrame(format="fltp", layout=sys.argv[1], samples=64)
print(sys.argv[1], frame.to_ndarray().shape)
PY
  code=$?
  [ "$code" = 0 ] || echo "$layout: ended with $code (139: SIGSEGV)"
done
