"""Whether an answer names the header extension that says when sound was captured, and by which id. Pure.

RFC 8285, section 7, has only extensions in an answer that were offered. Chromium never offers this one, and takes it
from an answer all the same: measured, `RTCRtpReceiver.getSynchronizationSources` then has ``captureTimestamp`` and
``senderCaptureTimeOffset``. So an offer that says by its other lines whose it is gets an answer that goes beyond it;
everybody else gets what was offered, and no more.
"""

from __future__ import annotations

from rtcserver.sdp.offer import OPUS, OfferSummary

MAX_ID = 14
"""Of the one-byte form (RFC 8285, section 4.2), in which it is sent (`rtcserver.broadcast.capture_time`)."""
CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
CHROMIUMS = frozenset(
    (
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    )
)
"""What Chromium offers for audio, together with RED and ``a=extmap-allow-mixed``, and nobody else that is known."""


def capture_time_id(offer: OfferSummary) -> int:
    """The id under which the answer names it, 0 if it does not."""
    if offer.codec != OPUS:
        return 0
    for offered in offer.extmap:
        if offered.uri == CAPTURE_TIME and offered.direction in ("", "recvonly", "sendrecv"):
            # The one-byte form has no larger ids.
            return offered.id if 1 <= offered.id <= MAX_ID else 0
    uris = {offered.uri for offered in offer.extmap}
    if not uris >= CHROMIUMS or offer.red_payload_type is None or not offer.extmap_allow_mixed:
        return 0
    # An id means the same in all m-lines of a BUNDLE group (RFC 9143).
    taken = {offered.id for line in offer.media for offered in line.extmap}
    return next((number for number in range(MAX_ID, 0, -1) if number not in taken), 0)
