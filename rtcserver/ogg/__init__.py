"""A room's sound as an Ogg Opus stream by HTTP, for players that know no WebRTC."""
