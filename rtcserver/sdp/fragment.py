"""Trickle-ICE and ICE-restart fragments, ``application/trickle-ice-sdpfrag`` (RFC 8840, section 9). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rtcserver.sdp import lines as sdp_lines
from rtcserver.sdp.lines import LIMITS, RemoteCandidate, SdpLimits, malformed


@dataclass(frozen=True, slots=True)
class SdpFragment:
    """What a PATCH body says.

    ice_ufrag, ice_pwd: "" if the fragment names none. Values that differ from the session's current
    ones ask for an ICE restart (RFC 9725, section 4.3.3).
    candidates: the first ones only (`SdpLimits.candidates`); ones of unknown form are left out.
    complete: whether ``a=end-of-candidates`` is there.
    """

    ice_ufrag: str
    ice_pwd: str
    candidates: tuple[RemoteCandidate, ...]
    complete: bool


def parse_sdpfrag(text: str, limits: SdpLimits = LIMITS) -> SdpFragment:
    """Parse a fragment. Raises PeerError(400) for text that is none."""
    ufrag = pwd = mid = ""
    complete = False
    media = 0
    candidates: list[RemoteCandidate] = []
    for kind, value in sdp_lines.split_lines(text):
        if kind == "m":
            media += 1
            mid = ""
            if media > limits.media_lines:
                raise malformed(f"The fragment has more than {limits.media_lines} m-lines.")
        if kind != "a":
            continue
        name, rest = sdp_lines.attribute(value)
        if name == "ice-ufrag":
            ufrag = _same("a=ice-ufrag", ufrag, sdp_lines.ice_ufrag(rest))
        elif name == "ice-pwd":
            pwd = _same("a=ice-pwd", pwd, sdp_lines.ice_pwd(rest))
        elif name == "mid":
            mid = sdp_lines.token(rest, "a=mid", 64)
        elif name == "end-of-candidates":
            complete = True
        elif name == "candidate" and len(candidates) < limits.candidates:
            parsed = sdp_lines.candidate(rest, mid)
            if parsed is not None:
                candidates.append(parsed)
    return SdpFragment(ufrag, pwd, tuple(candidates), complete)


def _same(what: str, old: str, new: str) -> str:
    if old and old != new:
        raise malformed(f"The fragment has two different values of {what}.")
    return new
