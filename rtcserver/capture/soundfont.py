"""What is wrong with a SoundFont file, as far as its first bytes tell. FluidSynth says it on stderr, in words of its own.

Source: *SoundFont Technical Specification 2.04*, section 3: a RIFF file of the form ``sfbk``. ``.sf3`` files are the same
with compressed samples; FluidSynth also takes DLS files.
"""

from __future__ import annotations

from pathlib import Path

_FORMS = (b"sfbk", b"DLS ")


def fault(path: Path) -> str:
    """What is wrong with the file, as the end of a sentence about it; "" if nothing is to be seen. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(12)
    size = path.stat().st_size
    if not size:
        return "is empty"
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] not in _FORMS:
        return "is no SoundFont (.sf2, .sf3)"
    claimed = 8 + int.from_bytes(head[4:8], "little")
    # A padding byte may be missing.
    if size < claimed - 1:
        return f"is cut short: {size:,} of its {claimed:,} bytes are there"
    return ""
