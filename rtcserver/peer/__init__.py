"""One listener: SDP offer → answer, its state machine, MontageTrack, and the two transports behind one seam."""
