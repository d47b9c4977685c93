#!/usr/bin/env bash
# opuslib 3.0.1 (PyPI), Python 3.11 on x86-64 with libopus 1.3.1, seen 2026-11-30: `packet_get_samples_per_frame` gives
# the number of frames of a packet instead of the samples of one.
#
# Its body calls libopus's `opus_packet_get_nb_frames`, with the sample rate in the place of the packet's length. The
# ctypes function of the right name lies beside it and works.
# What we do: the headless client reads a packet's duration itself (RFC 6716, section 3.1); the test that compares it with
# libopus calls the ctypes function.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opuslib==3.0.1
"$folder/venv/bin/python" - <<'PY'
import opuslib.api.decoder as decoder

PACKET = b"\xf4\xff\xfe"  # one CELT frame of 10 ms: 480 samples at 48 kHz
wrapped = decoder.packet_get_samples_per_frame(PACKET, 48_000)
direct = decoder.libopus_packet_get_samples_per_frame(PACKET, 48_000)
print(f"the wrapper says {wrapped}, libopus {direct}")
assert (wrapped, direct) == (1, 480), "this has changed"
PY
echo "as described"
