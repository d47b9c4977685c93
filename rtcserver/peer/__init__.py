"""One listener: the seam to both transports, its states, and its session on the one port."""
