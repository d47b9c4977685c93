"""Device → PCM blocks: the instruments, their ring, and the supervisor of the instrument process."""
