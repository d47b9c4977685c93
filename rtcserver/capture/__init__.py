"""Device → PCM blocks: the kinds of instruments, the ring behind a device, lost frames, the stereo mix, levels."""
