"""One listener: SDP offer → answer, its states, MontageTrack, and the two transports behind one seam."""
