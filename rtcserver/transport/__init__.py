"""One UDP port: STUN, ICE-lite, DTLS and SCTP; the only place that touches aiortc's internals."""
