"""The reference path: one stock aiortc RTCPeerConnection a listener, over a MontageTrack of its own."""
