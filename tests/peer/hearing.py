"""A stock aiortc client of a one-port backend, by UDP or TCP, that keeps the RTP and RTCP that it decrypts."""

from __future__ import annotations

import asyncio
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, rtp

from rtcserver.client.tcp import TcpPath
from rtcserver.peer.base import PeerRequest
from rtcserver.peer.oneport import OnePortBackend, OnePortSession
from rtcserver.peer.state import State
from tests.transport.stock import WAIT_S, until

REQUEST = PeerRequest("127.0.0.1", "127.0.0.1")


class Listener:
    """A stock client that keeps the RTP and RTCP that it decrypts."""

    def __init__(self, *, data: bool = False, tcp: bool = False) -> None:
        self._path = TcpPath() if tcp else None
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTransceiver("audio", direction="recvonly")
        self.channel = self.pc.createDataChannel("midi") if data else None
        self.rtp: list[rtp.RtpPacket] = []
        self.rtcp: list[bytes] = []

    @property
    def dtls(self) -> Any:
        return self.pc.getTransceivers()[0].receiver.transport

    async def join(self, backend: OnePortBackend) -> OnePortSession:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        offer = self.pc.localDescription.sdp
        if self._path is not None:
            offer = self._path.offer(offer)
        session = await backend.open("main", offer, REQUEST)
        assert isinstance(session, OnePortSession)

        async def take_rtp(data: bytes, arrival_time_ms: int) -> None:
            self.rtp.append(rtp.RtpPacket.parse(data))

        async def take_rtcp(data: bytes) -> None:
            self.rtcp.append(data)

        self.dtls._handle_rtp_data, self.dtls._handle_rtcp_data = take_rtp, take_rtcp
        answer = session.answer if self._path is None else self._path.answer(session.answer)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: session.state is State.PLAYING and self.dtls.state == "connected")
        return session

    async def close(self) -> None:
        await asyncio.wait_for(self.pc.close(), WAIT_S)
        if self._path is not None:
            self._path.close()
