"""PCM blocks → packets on the room's timeline: resampling, framing, codecs, Studio payloads, and the feed to readers."""
