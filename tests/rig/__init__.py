"""The test rig: real processes that stand in for a studio on a machine without sound hardware."""
