"""PCM blocks → Opus packets on the room's media timeline: mixing, resampling, framing, encoding."""
