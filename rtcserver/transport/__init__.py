"""One UDP port: STUN, ICE-lite, and aiortc's DTLS and SCTP on top; the only place that touches aiortc's internals."""
