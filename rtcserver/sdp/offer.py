"""A WHEP client's SDP offer: checked once, then handed on as values. Pure.

`check_offer` is strict about what could hurt (sizes, control characters, numbers, missing ICE or
DTLS parameters) and tolerant about what it does not need: unknown attributes, codecs and m-lines
pass. Its result is everything that an answer is made of; nobody downstream reads the text again.

What an offer must bring (RFC 8829, section 5.8; RFC 9429; draft-ietf-wish-whep, section 4.2):

- an audio m-line over DTLS-SRTP that receives (``recvonly`` or ``sendrecv``) and has one of the codecs that are served
  (`CODECS`): Opus before all others, G.722 before G.711;
- ``ice-ufrag``, ``ice-pwd``, a SHA-2 ``fingerprint`` and ``rtcp-mux`` for it;
- ``setup`` of ``actpass`` or ``active``: the server answers ``passive`` and waits for the handshake;
- if it also has a data channel, one BUNDLE group around both, as there is one transport.

Other m-lines (video, more audio) are kept in `OfferSummary.media`, so that an answer can reject
them in order with port 0 (RFC 3264, section 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rtcserver.errors import PeerError
from rtcserver.sdp import lines as sdp_lines
from rtcserver.sdp.lines import LIMITS, RemoteCandidate, SdpLimits, malformed
from rtcserver.sdp.media import (
    RTP_PROTOCOLS,
    SCTP_PROTOCOLS,
    ExtMap,
    Lines,
    MediaLine,
    RtpMap,
    SessionPart,
    Setup,
    parse_media,
)

OPUS = "opus/48000/2"
CODECS = (OPUS, "G722/8000", "PCMU/8000", "PCMA/8000")
"""What can be sent, in the order of the ``a=rtpmap`` (RFC 7587; RFC 3551, sections 4.5.2 and 4.5.14)."""
_TELEPHONY = {name.lower(): name for name in CODECS[1:]}


@dataclass(frozen=True, slots=True)
class OfferSummary:
    """An acceptable offer. Everything that an answer needs, nothing that needs checking again.

    media: all m-lines in order. audio_index: the one to answer with sound.
    data_index: the data channel's m-line in the same BUNDLE group, or None.
    bundle: mids of the BUNDLE group, () if the offer has none (then it has one usable m-line).
    codec: which of `CODECS` the listener gets. payload_type: of the first of its kind in the audio m-line's order; per
    listener.
    red_payload_type: of RED (RFC 2198) around this Opus, or None if the offer has none.
    ice_ufrag, ice_pwd, fingerprints, setup, candidates, end_of_candidates: of the one transport.
    ice_lite: the offerer is ICE-lite too; a lite server cannot reach it (RFC 8445, section 6.1.1).
    trickle: ``ice-options:trickle``; candidates may follow by PATCH.
    sctp_port, max_message_size: of the data channel; 0 bytes means unlimited (RFC 8841, section 6.1).
    """

    media: tuple[MediaLine, ...]
    audio_index: int
    data_index: int | None
    bundle: tuple[str, ...]
    codec: str
    payload_type: int
    red_payload_type: int | None
    ice_ufrag: str
    ice_pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: Setup
    candidates: tuple[RemoteCandidate, ...]
    end_of_candidates: bool
    ice_lite: bool
    trickle: bool
    extmap_allow_mixed: bool
    sctp_port: int
    max_message_size: int

    @property
    def audio(self) -> MediaLine:
        """The m-line that gets the sound."""
        return self.media[self.audio_index]

    @property
    def data(self) -> MediaLine | None:
        """The m-line of the data channel."""
        return None if self.data_index is None else self.media[self.data_index]

    @property
    def has_datachannel(self) -> bool:
        """Whether a data channel is offered on the same transport."""
        return self.data_index is not None

    @property
    def extmap(self) -> tuple[ExtMap, ...]:
        """Header extensions of the audio m-line."""
        return self.audio.extmap

    @property
    def rtcp_fb(self) -> tuple[str, ...]:
        """Feedback kinds that the offer allows for the codec."""
        codec = self.audio.codec(self.payload_type)
        return codec.rtcp_fb if codec is not None else ()


def check_offer(text: str, limits: SdpLimits = LIMITS, codecs: Sequence[str] = CODECS) -> OfferSummary:
    """Check an SDP offer and return what it says; of its candidates the first ones only, as `limits` has it.

    codecs: those of `CODECS` that are served.

    Raises PeerError 400 (``malformed_sdp``: not SDP, or incomplete) or 422 (``no_audio``,
    ``no_codec``, or ``no_opus`` where only that is served, ``wrong_direction``, ``wrong_setup``, ``no_fingerprint``,
    ``no_rtcp_mux``, ``not_bundled``: SDP that this server cannot serve). Never raises anything else.
    """
    session_lines, sections = _split_sections(sdp_lines.split_lines(text), limits.media_lines)
    session = SessionPart(session_lines)
    media = tuple(parse_media(i, m, lines, session, limits) for i, (m, lines) in enumerate(sections))
    mids = [line.mid for line in media if line.mid]
    if len(set(mids)) != len(mids):
        raise malformed("Two m-lines have the same a=mid.")
    bundle = _bundle(session, media)
    audio, name, codec = _choose_audio(media, codecs)
    if not audio.mid and bundle:
        raise malformed("The audio m-line has no a=mid, yet the offer has a BUNDLE group.")
    data = _choose_data(media, audio, bundle)
    transport = _choose_transport(media, audio, data, bundle)
    setup = _check_transport(transport)
    shared = _transport_lines(media, transport, bundle)
    candidates = dict.fromkeys(replace(c, mid="") for line in shared for c in line.candidates)
    return OfferSummary(
        media=media,
        audio_index=audio.index,
        data_index=None if data is None else data.index,
        bundle=bundle,
        codec=name,
        payload_type=codec.payload_type,
        red_payload_type=_red(audio, codec) if name == OPUS else None,
        ice_ufrag=transport.ice_ufrag,
        ice_pwd=transport.ice_pwd,
        fingerprints=transport.fingerprints,
        setup=setup,
        candidates=tuple(candidates)[: limits.candidates],
        end_of_candidates=any(line.end_of_candidates for line in shared),
        ice_lite=session.has("ice-lite"),
        trickle=transport.trickle,
        extmap_allow_mixed=audio.extmap_allow_mixed,
        sctp_port=0 if data is None else data.sctp_port,
        max_message_size=0 if data is None else data.max_message_size,
    )


def _split_sections(lines: Lines, most: int) -> tuple[Lines, list[tuple[str, Lines]]]:
    if lines[0] != ("v", "0"):
        raise malformed('The SDP does not begin with "v=0".')
    session: Lines = []
    sections: list[tuple[str, Lines]] = []
    for kind, value in lines:
        if kind == "m":
            sections.append((value, []))
            if len(sections) > most:
                raise malformed(f"The offer has more than {most} m-lines.")
        elif sections:
            sections[-1][1].append((kind, value))
        else:
            session.append((kind, value))
    return session, sections


def _bundle(session: SessionPart, media: tuple[MediaLine, ...]) -> tuple[str, ...]:
    """The mids of the BUNDLE group (RFC 9143, section 5): those of them that exist."""
    groups = [value.split()[1:] for value in session.all("group") if value.split()[:1] == ["BUNDLE"]]
    if len(groups) > 1:
        raise PeerError(
            422, "not_bundled", "The offer has more than one BUNDLE group; this server has one transport."
        )
    known = {line.mid for line in media if line.mid}
    if not groups:
        return ()
    # Pages that cut an m-line out of an offer often leave its mid in the group.
    return tuple(mid for mid in dict.fromkeys(groups[0]) if mid in known)


def _choose_audio(media: tuple[MediaLine, ...], codecs: Sequence[str]) -> tuple[MediaLine, str, RtpMap]:
    """The first audio m-line with the best codec, of those that can be served; else the first one's reason why not."""
    reason = PeerError(422, "no_audio", "The offer has no audio m-line, and this server sends only audio.")
    found = False
    best: tuple[MediaLine, str, RtpMap] | None = None
    for line in media:
        if line.kind != "audio" or not line.enabled:
            continue
        choice = _choose_codec(line, codecs)
        problem: PeerError | None = None
        if line.protocol not in RTP_PROTOCOLS:
            problem = PeerError(422, "no_audio", "The offer's audio is not DTLS-SRTP (UDP/TLS/RTP/SAVPF).")
        elif choice is None:
            problem = _no_codec(codecs)
        elif line.direction in ("sendonly", "inactive"):
            problem = PeerError(
                422,
                "wrong_direction",
                f"The offer's audio is {line.direction}; it must be recvonly or sendrecv.",
            )
        if problem is None and choice is not None:
            if choice[0] == OPUS:
                return line, *choice
            if best is None or _rank(choice[0]) < _rank(best[1]):
                best = (line, *choice)
        if problem is not None and not found:
            reason, found = problem, True
    if best is None:
        raise reason
    return best


def _choose_codec(line: MediaLine, codecs: Sequence[str]) -> tuple[str, RtpMap] | None:
    """Opus if there is any, else G.722, else what the client prefers of the two kinds of G.711."""
    if OPUS in codecs:
        # RFC 7587, section 7 wants "/2" in every rtpmap of Opus; GStreamer's users write caps without it.
        for channels in (2, 1):
            for codec in line.codecs:
                if _is(codec, "opus", channels):
                    return OPUS, codec
    best: tuple[str, RtpMap] | None = None
    for codec in line.codecs:
        name = _TELEPHONY.get(f"{codec.name}/{codec.clock_hz}".lower(), "")
        if name not in codecs or codec.channels != 1 or not _is_rtp(codec):
            continue
        if best is None or _rank(name) < _rank(best[0]):
            best = name, codec
    return best


def _no_codec(codecs: Sequence[str]) -> PeerError:
    if len(codecs) == 1:
        sentence = f"The offer's audio has no {codecs[0]}, the only codec that can be had here."
        return PeerError(422, "no_opus" if codecs[0] == OPUS else "no_codec", sentence)
    names = f"{', '.join(codecs[:-1])} and {codecs[-1]}"
    return PeerError(422, "no_codec", f"The offer's audio has none of {names}, the codecs of this server.")


def _rank(name: str) -> int:
    """Better codecs first; the client's order decides between those of the same rank."""
    return min(CODECS.index(name), 2)


def _red(audio: MediaLine, opus: RtpMap) -> int | None:
    """The payload type whose blocks are all this Opus (RFC 2198, section 5: ``a=fmtp:63 111/111``)."""
    blocks = {str(opus.payload_type)}
    return next(
        (
            codec.payload_type
            for codec in audio.codecs
            if _is(codec, "red", opus.channels) and any(set(key.split("/")) == blocks for key in codec.fmtp)
        ),
        None,
    )


def _is(codec: RtpMap, name: str, channels: int) -> bool:
    return (
        codec.name.lower() == name
        and codec.clock_hz == 48_000
        and codec.channels == channels
        and _is_rtp(codec)
    )


def _is_rtp(codec: RtpMap) -> bool:
    """Payload types 64 to 95 would be taken for RTCP (RFC 5761, section 4) and do not count."""
    return not 64 <= codec.payload_type <= 95


def _choose_transport(
    media: tuple[MediaLine, ...], audio: MediaLine, data: MediaLine | None, bundle: tuple[str, ...]
) -> MediaLine:
    """The m-line whose ICE and DTLS parameters count.

    That is the first of the BUNDLE group that the answer accepts (RFC 9143, section 7.3.1); an m-line
    with ``bundle-only`` has none of its own and takes those of the group's first.
    """
    by_mid = {line.mid: line for line in media if line.mid}
    used = [line for line in (audio, data) if line is not None]
    used.sort(key=lambda line: bundle.index(line.mid) if line.mid in bundle else -1)
    if audio.mid in bundle:
        used.append(by_mid[bundle[0]])
    return next((line for line in used if line.ice_ufrag), audio)


def _check_transport(line: MediaLine) -> Setup:
    if not line.ice_ufrag or not line.ice_pwd:
        raise malformed("The offer has no a=ice-ufrag and a=ice-pwd for its audio.")
    if not line.setup:
        raise malformed("The offer has no a=setup for its audio.")
    if not line.fingerprints:
        raise PeerError(
            422,
            "no_fingerprint",
            "The offer has no a=fingerprint of SHA-256, SHA-384 or SHA-512 for its audio.",
        )
    if line.protocol in RTP_PROTOCOLS and not line.rtcp_mux:
        raise PeerError(
            422, "no_rtcp_mux", "The offer has no a=rtcp-mux; this server has one port for RTP and RTCP."
        )
    if line.setup not in ("actpass", "active"):
        raise PeerError(
            422,
            "wrong_setup",
            f"The offer says a=setup:{line.setup}, but the client must be able to begin DTLS (actpass).",
        )
    return line.setup


def _choose_data(media: tuple[MediaLine, ...], audio: MediaLine, bundle: tuple[str, ...]) -> MediaLine | None:
    for line in media:
        if line.kind != "application" or not line.enabled or line.protocol not in SCTP_PROTOCOLS:
            continue
        if line.protocol == "UDP/DTLS/SCTP" and "webrtc-datachannel" not in line.formats:
            continue
        if line.mid and line.mid in bundle and audio.mid in bundle:
            return line
        raise PeerError(
            422,
            "not_bundled",
            "The data channel is not in one BUNDLE group with the audio; this server has one transport.",
        )
    return None


def _transport_lines(
    media: tuple[MediaLine, ...], transport: MediaLine, bundle: tuple[str, ...]
) -> list[MediaLine]:
    """The m-lines that share the transport: clients write candidates under one of them or under all."""
    return [
        line
        for line in media
        if line is transport
        or (transport.mid in bundle and line.mid in bundle and line.ice_ufrag == transport.ice_ufrag)
    ]
