"""What listeners do on their DataChannels: telemetry, Studio, MIDI. Never on the audio path."""
