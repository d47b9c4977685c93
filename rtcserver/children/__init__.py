"""Child processes: how one is started, told things, watched and replaced."""
