"""A WebRTC media server for a live instrument.

The sub-packages are named after the stages that audio passes: capture, encode, broadcast,
transport, peer. ``server`` wires them together.
"""

__version__ = "0.1.0"
