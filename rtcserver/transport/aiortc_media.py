"""What the one port never uses of aiortc, which imports it with all else: see `NOT_OF_THE_ONE_PORT`."""

from __future__ import annotations

NOT_OF_THE_ONE_PORT = (
    "aioice",
    "aiortc.codecs",
    "aiortc.mediastreams",
    "aiortc.rtcicetransport",
    "aiortc.rtcpeerconnection",
    "aiortc.rtcrtpreceiver",
    "aiortc.rtcrtpsender",
    "aiortc.rtcrtptransceiver",
    "av",
)
"""Its peer connections and media, PyAV, with which it codes and decodes, and its ICE with that of aioice, which needs
dnspython for ``.local`` names. DTLS, SCTP and DataChannels are what is left."""
