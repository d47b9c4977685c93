"""All targets: importing this package registers them in `tests.fuzz.target.TARGETS`."""

from tests.fuzz.targets import channel, config, files, listening, midi, port, processes, sdp, transport, web

__all__ = ["channel", "config", "files", "listening", "midi", "port", "processes", "sdp", "transport", "web"]
