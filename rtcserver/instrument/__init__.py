"""The instrument process (capture and encode in one), and its supervisor in the server process."""
