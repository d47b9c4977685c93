#!/usr/bin/env bash
# FluidSynth that loads samples when they are chosen (synth.dynamic-sample-loading) plays those without a loop past their ends.
#
# SoundFont 2.04, section 7.10: at least 46 zeros lie behind each sample in the file, so that a player may read a little
# past its end. Read by itself, a sample has none behind it, which is the likely reason: where the bird of program 123 has
# fallen silent, for one, there is a burst of 16 frames that is as loud as a fifth of it. Looped sounds, nearly all of them, are the same in both ways.
#
# Seen with FluidSynth 2.3.1 and TimGM6mb (Debian 12), one note each: samples of both sides that differ, and by how much (of 32767):
#   program 0: 0 samples, by 0 (a piano)
#   program 115: 102 samples, by 430 (a wood block)
#   program 120: 54 samples, by 212 (fret noise)
#   program 123: 32 samples, by 350 (a bird)
# Fails if the piano differs, or the others do not. Needs fluidsynth, timgm6mb-soundfont and python3.
set -euo pipefail
font=/usr/share/sounds/sf2/TimGM6mb.sf2
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >tool.py <<'PY'
import array
import struct
import sys
from pathlib import Path

if sys.argv[1] == "write":
    events = bytes([0, 0xC0, int(sys.argv[2]), 0, 0x90, 60, 100, 0x83, 0x60, 0x80, 60, 0, 0, 0xFF, 0x2F, 0])
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480)
    Path("one.mid").write_bytes(header + b"MTrk" + struct.pack(">I", len(events)) + events)
else:
    whole, chosen = (array.array("h", Path(f"{way}.raw").read_bytes()) for way in "01")
    # The 16 bits are dithered.
    apart = [abs(one - other) for one, other in zip(whole, chosen) if abs(one - other) > 3]
    print(f"{len(apart)} samples, by {max(apart, default=0)}")
PY
failed=0
for program in 0 115 120 123; do
  python3 tool.py write "$program"
  for way in 0 1; do
    fluidsynth -ni -q -T raw -O s16 -r 48000 -R 0 -C 0 -o synth.dynamic-sample-loading=$way -F $way.raw "$font" one.mid >log 2>&1 || { cat log >&2; exit 1; }
  done
  said="$(python3 tool.py compare)"
  echo "program $program: $said"
  if [ "$program" = 0 ]; then [ "$said" = "0 samples, by 0" ] || failed=1; else [ "$said" != "0 samples, by 0" ] || failed=1; fi
done
[ "$failed" = 0 ] || { echo "FluidSynth behaves differently" >&2; exit 1; }
