"""The source side of an instrument process: one instrument, opened, watched, closed, and tried again."""

from __future__ import annotations

from rtcserver.capture import kinds
from rtcserver.capture.block import StreamFormat
from rtcserver.capture.frames import FrameCounter
from rtcserver.capture.mix import StereoMix, stereo_mix
from rtcserver.capture.ring import BlockRing
from rtcserver.capture.source import Source
from rtcserver.children.child import within
from rtcserver.clock import NS, monotonic_ns
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import ConfigError, InstrumentError
from rtcserver.instrument.control import EXIT_STALLED

RETRY_NS = 800_000_000
"""Time between two attempts to open a missing device."""
MAX_FAULT_WAIT_NS = 30 * NS
"""An instrument that fails again and again, or whose file is wrong, is opened ever more rarely, up to this wait."""
POLL_S = 0.1
IDLE_POLL_S = 0.5
RESCAN_NS = NS
"""A look for devices that takes longer than this, and than `RESCAN_TIMES` times as long as any before, hangs. PortAudio's
does where it asks a JACK server that is just starting; the next process asks one that has started."""
RESCAN_TIMES = 4
HEALTHY_NS = 10 * NS
"""An instrument that ran for so long is tried again at once after its next fault."""


class Device:
    """The instrument of one configuration. Between `open` and `close` it has a ring, a counter and a mix."""

    def __init__(self, config: InstrumentConfig) -> None:
        self._config = config
        self._source: Source | None = None
        self._opened_ns = 0
        self._loading_ns = 0
        self._last_block_ns: int | None = None
        self._fault_wait_ns = RETRY_NS
        self._may_rest = False
        self._longest_rescan_ns: int | None = None
        self.ring: BlockRing | None = None
        self.counter: FrameCounter | None = None
        self.mix: StereoMix | None = None
        self.retry_ns = RETRY_NS
        """How long to wait before the next `open`."""
        self.name = ""
        """What the instrument calls itself, as far as that is known."""

    @property
    def source(self) -> Source | None:
        """The source, for its notes and timings; None before the first attempt to open it."""
        return self._source

    @property
    def note(self) -> str | None:
        """What is left out of what the source plays, in one line; None if nothing is."""
        return self._source.note if self._source is not None else None

    @property
    def demo_ns(self) -> int:
        """Monotonic ns at which the demo piece began that the source plays; 0 while it plays none, or is not open."""
        return self._source.demo_ns if self._source is not None and self.ring is not None else 0

    def make(self) -> None:
        """Make the closed instrument, unless it is there already. Raises InstrumentError, ConfigError, DependencyError."""
        self.retry_ns = RETRY_NS
        if self._source is None:
            try:
                self._source = kinds.make_source(self._config)
            except InstrumentError as error:
                if error.code == "format":
                    # It costs time to load a file that is wrong, and the next time it is wrong, too.
                    self.retry_ns = self._fault_wait_ns = min(self._fault_wait_ns * 2, MAX_FAULT_WAIT_NS)
                raise
        self.name = self._source.name

    def open(self, now_ns: int) -> tuple[StreamFormat, StereoMix]:
        """Start the instrument that `make` has made. Raises InstrumentError, ConfigError."""
        source = self._source
        assert source is not None
        try:
            stream, ring = source.open()
        except InstrumentError:
            # PortAudio's list of devices is frozen: let it look again before the next try.
            self._rescan(source)
            raise
        try:
            mix = stereo_mix(self._config.channels, self._config.mix, stream.channels)
        except ConfigError:
            source.close()
            ring.close()
            self._source = None
            raise
        self.name, self.ring, self.mix = source.name, ring, mix
        source.rest(self._may_rest)
        self.counter = FrameCounter(stream.rate)
        self._opened_ns, self._last_block_ns = now_ns, None
        return stream, mix

    def _rescan(self, source: Source) -> None:
        """Let the instrument look for devices again; this process ends if that hangs, and the next one finds them."""
        longest, began_ns = self._longest_rescan_ns, monotonic_ns()
        if longest is None:
            # How long it takes where nothing hangs is not known yet.
            source.rescan()
        else:
            with within(max(RESCAN_NS, RESCAN_TIMES * longest) / NS, EXIT_STALLED):
                source.rescan()
        self._longest_rescan_ns = max(longest or 0, monotonic_ns() - began_ns)

    def rest(self, allowed: bool) -> None:
        """See `Source.rest`; kept for the next instrument that is opened."""
        self._may_rest = allowed
        if self._source is not None:
            self._source.rest(allowed)

    def patience_s(self, *, idle: bool) -> float:
        """How long the main thread may sleep while no block comes. idle: nobody reads."""
        return IDLE_POLL_S if idle and (self._source is None or not self._source.watched) else POLL_S

    def loads(self, now_ns: int) -> None:
        """The instrument gets on with loading: its first block may come later by so much. Any thread."""
        self._loading_ns = now_ns

    def heard(self, arrived_ns: int) -> None:
        """A block has arrived."""
        self._last_block_ns = arrived_ns

    def fault(self, now_ns: int) -> InstrumentError | None:
        """Why the open instrument has failed by itself, and is to be closed; None while it goes on."""
        source = self._source
        if source is None:
            return None
        source.watch(now_ns)
        if source.fault is not None:
            healthy = self._last_block_ns is not None and now_ns - self._opened_ns > HEALTHY_NS
            self._fault_wait_ns = RETRY_NS if healthy else min(self._fault_wait_ns * 2, MAX_FAULT_WAIT_NS)
            self.retry_ns = self._fault_wait_ns
        return source.fault

    def stalled(self, now_ns: int) -> str | None:
        """What is wrong when the open instrument delivers nothing for too long; None while it does."""
        source = self._source
        if source is None:
            return None
        if source.resting:
            self._last_block_ns = now_ns
        last_ns = self._last_block_ns
        dead = (
            now_ns - max(self._opened_ns, self._loading_ns) > source.first_block_ns
            if last_ns is None
            else now_ns - last_ns > source.next_block_ns
        )
        return source.stalled() if dead else None

    def close(self) -> None:
        """Close the instrument and forget it. May hang in its driver."""
        source, self._source = self._source, None
        if source is not None:
            source.close()
        if self.ring is not None:
            self.ring.close()
            self.ring = None
