"""The tests mirror the source tree; `tests.rig` holds what they play and listen with."""
