"""A sound card, through PortAudio (sounddevice), input only.

PortAudio's callback runs on its own real-time thread. It copies the block, stamps it, counts
flags and wakes the encoder; it takes the interpreter lock, and nothing else.
"""

from __future__ import annotations

from typing import Any

from rtcserver.capture.block import DeviceFormat, StreamFormat
from rtcserver.capture.devices import InputDevice, choose, list_devices, load_portaudio
from rtcserver.capture.durations import Durations
from rtcserver.capture.ring import FLAG_OVERFLOW, BlockRing
from rtcserver.capture.source import Source
from rtcserver.clock import NS, monotonic_ns
from rtcserver.config.mix import parse_mix
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import InstrumentError
from rtcserver.heap import let_code_go, trim

MIN_RATE, MAX_RATE = 44_100, 192_000
MAX_CHANNELS = 32

# PortAudio's error codes (portaudio.h, PaErrorCode).
_INVALID_CHANNELS = -9998
_INVALID_RATE = -9997
_DEVICE_UNAVAILABLE = -9985
_UNANTICIPATED_HOST_ERROR = -9999


class PortAudioSource(Source):
    """One PortAudio input stream. A new process opens it anew: the device list is frozen in each."""

    def __init__(self, config: InstrumentConfig) -> None:
        super().__init__(config.device or "default input")
        self._config = config
        self._sd: Any = load_portaudio()
        self._stream: Any = None
        self._called: Any = None
        """Kept as long as PortAudio may call it."""
        self._callback_ns = Durations()
        self._interval_ns = Durations()
        self._timed = False

    def rescan(self) -> None:
        """Make PortAudio look for devices again. No stream may be open."""
        self._sd._terminate()
        self._sd._initialize()

    def open(self) -> tuple[StreamFormat, BlockRing]:
        """Open and start the device. Raises InstrumentError, ConfigError."""
        device = choose(list_devices(self._sd), self._config.device)
        self.name = device.name
        stream = self._negotiate(device)
        ring = BlockRing(stream)
        self._called = self._callback(stream, ring)
        # To find the devices, ALSA loads each of its plug-ins, and what these need: FFmpeg, for one.
        let_code_go()
        trim()
        try:
            # As RawInputStream, without the objects that it makes for each call of a callback.
            self._stream = self._sd._StreamBase(
                kind="input",
                samplerate=stream.rate,
                blocksize=stream.blocksize,
                device=device.index,
                channels=stream.channels,
                dtype=stream.sample_format,
                latency="low",
                dither_off=True,
                clip_off=True,
                callback=self._called,
            )
            self._stream.start()
        except self._sd.PortAudioError as error:
            self.close()
            ring.close()
            raise _explain(error, device, stream) from error
        return stream, ring

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)

    def timings(self) -> dict[str, list[int]]:
        return {
            "callback": self._callback_ns.values(),
            # The first one began before the measurement.
            "interval": self._interval_ns.values()[1:],
        }

    def forget_timings(self) -> None:
        # Nothing is measured before: two more readings of the clock in each callback.
        self._timed = True
        for durations in (self._callback_ns, self._interval_ns):
            durations.clear()

    def _negotiate(self, device: InputDevice) -> StreamFormat:
        config = self._config
        highest = max(channel for channel, _, _ in parse_mix(config.channels, config.mix, device.channels))
        if highest > device.channels:
            raise InstrumentError(
                f"channels: channel {highest} does not exist on {device.name}; it has 1 to {device.channels}",
                code="channels",
            )
        rate = config.samplerate or device.default_rate
        if not MIN_RATE <= rate <= MAX_RATE:
            raise InstrumentError(
                f"samplerate: {device.name} runs at {rate} Hz; allowed are {MIN_RATE} to {MAX_RATE}",
                code="rate",
            )
        sample_format: DeviceFormat = "float32" if config.sample_format == "auto" else config.sample_format
        # All channels up to 32 are opened, not just the pair: some drivers deliver only whole frames.
        channels = min(device.channels, MAX_CHANNELS)
        stream = StreamFormat(rate, max(channels, highest), config.blocksize, sample_format)
        try:
            self._sd.check_input_settings(device.index, stream.channels, sample_format, samplerate=rate)
        except self._sd.PortAudioError as error:
            raise _explain(error, device, stream) from error
        return stream

    def _callback(self, stream: StreamFormat, ring: BlockRing) -> Any:
        """A ``PaStreamCallback``. What it times does not hold the waking of the encoder, which comes last."""
        put, wake, rate, clock = ring.put, ring.wake, stream.rate, monotonic_ns
        callback_ns, interval_ns = self._callback_ns.add, self._interval_ns.add
        memmove, overflow, go_on = (
            self._sd._ffi.memmove,
            self._sd._lib.paInputOverflow,
            self._sd._lib.paContinue,
        )
        before = monotonic_ns()

        def callback(data: Any, output: Any, frames: int, time: Any, status: int, user: Any) -> Any:
            nonlocal before
            now = clock()
            # PortAudio's clock is mapped by reading both at once, never assumed to be ours.
            age_s = time.currentTime - time.inputBufferAdcTime
            adc = now - int(age_s * 1e9) if 0.0 < age_s < 1.0 else now - frames * NS // rate
            wanted = put(memmove, data, frames, now, adc, FLAG_OVERFLOW if status & overflow else 0)
            if self._timed:
                interval_ns(now - before)
                before = now
                callback_ns(clock() - now)
            if wanted:
                wake()
            return go_on

        return self._sd._ffi.callback("PaStreamCallback", callback, error=self._sd._lib.paAbort)


def _explain(error: Any, device: InputDevice, stream: StreamFormat) -> InstrumentError:
    """PortAudio's error as a sentence that says what is wrong and what to do."""
    code = error.args[1] if len(error.args) > 1 else None
    if code == _INVALID_RATE:
        return InstrumentError(
            f"samplerate: {device.name} does not run at {stream.rate} Hz; its own rate is "
            f"{device.default_rate} Hz (samplerate = 0 takes it)",
            code="rate",
        )
    if code == _INVALID_CHANNELS:
        return InstrumentError(
            f"channels: {device.name} does not give {stream.channels} channels; it has {device.channels}",
            code="channels",
        )
    if code in (_DEVICE_UNAVAILABLE, _UNANTICIPATED_HOST_ERROR):
        return InstrumentError(
            f"{device.name} cannot be opened: another program probably holds it (PipeWire, PulseAudio, JACK "
            f"or a DAW; see: fuser -v /dev/snd/*). PortAudio says: {error.args[0]}",
            code="busy",
        )
    return InstrumentError(f"{device.name} cannot be opened: {error.args[0]}", code="device")
