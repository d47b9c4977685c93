"""The reference path: one stock aiortc RTCPeerConnection a listener, over MontageTrack."""
