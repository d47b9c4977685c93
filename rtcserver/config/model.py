"""What can be configured: frozen dataclasses with units in the names.

The classes are plain standard-library dataclasses, so that the child processes import no
validation library. `rtcserver.config.load` reads flags, environment and TOML into them and
checks every constraint that is written here as an annotation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MaxLen

from rtcserver.access.rules import DEFAULT, AccessRule
from rtcserver.access.users import User
from rtcserver.config.limits import LIMIT_KEYS, LimitConfig

SampleFormat = Literal["auto", "int16", "int24", "float32"]


@dataclass(frozen=True, slots=True)
class OneOf:
    """An annotation: the value is one of these numbers. Checked by `rtcserver.config.load`."""

    values: tuple[float, ...]


StudioBits = Annotated[int, OneOf((0, 16, 24))]
FrameMs = Annotated[float, OneOf((2.5, 5, 10, 20))]
Port = Annotated[int, Ge(0), Le(65535)]


@dataclass(frozen=True, slots=True)
class InstrumentConfig:
    """One room's instrument and its encoding. Everything here reaches the instrument process."""

    instrument: Annotated[str, MaxLen(64)] = "fluidsynth"
    """Where the sound comes from: portaudio (a sound card), fluidsynth (embedded), file, tone, or a plug-in's name."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of a plug-in instrument: { decay_s = 4.0 }. `python -m rtcserver devices` lists them."""
    device: str = ""
    """PortAudio device: its index or a part of its name that matches only one. Empty: the default input."""
    channels: str = "1,2"
    """The stereo pair to capture, by the channel numbers printed on the device: "left,right"."""
    mix: str = ""
    """Instead of a pair, a mix: "channel:side:gain_db" items, e.g. "1:L:0, 2:R:0, 3:LR:-6"."""
    monitor: str = ""
    """PortAudio output at the server that plays the room, too: an index, a name or a part of one; default: that one."""
    samplerate: Annotated[int, Ge(0), Le(192_000)] = 0
    """Sampling rate in Hz; 0 takes the device's own (44100 to 192000)."""
    blocksize: Annotated[int, Ge(32), Le(4096)] = 128
    """Frames in a capture block."""
    sample_format: SampleFormat = "auto"
    """Sample format asked from the device; auto is float32, which holds 16 and 24 bits without loss."""
    soundfont: str = ""
    """SoundFont file (.sf2) of the embedded instrument; empty looks in the usual Debian folders."""
    gain: Annotated[float, Gt(0), Le(5)] = 1.0
    """Linear output gain of the embedded instrument; at 1 a full piano chord, struck hardest, peaks at -6 dBFS."""
    demo: bool = True
    """Play the demo piece on the embedded instrument while nobody plays."""
    file: str = ""
    """Sound file for instrument = "file"; looped."""
    tone_left_hz: Annotated[float, Gt(0), Le(20_000)] = 440.0
    """Frequency of the left tone in Hz."""
    tone_right_hz: Annotated[float, Gt(0), Le(20_000)] = 660.0
    """Frequency of the right tone in Hz."""
    tone_dbfs: Annotated[float, Ge(-90), Le(0)] = -18.0
    """Level of the tones, dB relative to a full-scale sine."""
    frame_ms: FrameMs = 10
    """Duration of one Opus frame in ms: 2.5, 5, 10 or 20."""
    bitrate_bps: Annotated[int, Ge(64_000), Le(510_000)] = 160_000
    """Opus bitrate in bit/s; can be changed while running."""
    studio_light_frame_ms: Annotated[float, OneOf((2.5, 5, 10))] = 5
    """Duration of one Opus frame of Studio light in ms: 2.5, 5 or 10."""
    studio_light_bitrate_bps: Annotated[int, Ge(64_000), Le(510_000)] = 192_000
    """Opus bitrate of Studio light in bit/s; short frames need more for the same sound."""
    midi: Literal["auto", "off"] = "auto"
    """auto: performers may play the instrument, if it has a MIDI port. off: nobody may."""
    midi_profile: str = "auto"
    """What the instrument understands: montage, gm, a .toml file; auto goes by the device's name."""
    midi_output: str = ""
    """MIDI port that plays the instrument: a name or a part of one; empty: the profile's rules choose."""
    midi_input: str = ""
    """MIDI port that the instrument's own keys come in on; empty: the profile's rules choose."""
    midi_api: Literal["auto", "alsa", "jack", "coremidi", "winmm"] = "auto"
    """MIDI system to use."""
    studio_bits: StudioBits = 0
    """Bits a sample in Studio: 0 takes the device's own (16, or 24 for float), 16 halves the traffic."""

    @property
    def frame_samples(self) -> int:
        """Samples at 48 kHz in one Opus frame: 120, 240, 480 or 960."""
        return int(self.frame_ms * 48)

    @property
    def light_frame_samples(self) -> int:
        """Samples at 48 kHz in one frame of Studio light: 120, 240 or 480."""
        return int(self.studio_light_frame_ms * 48)


@dataclass(frozen=True, slots=True)
class ServerConfig(LimitConfig):
    """The server as a whole, its limits, and its rooms."""

    host: str = ""
    """The one address that HTTP and media are open on, and that browsers are offered; empty means all, IPv4 and IPv6."""
    port: Port = 8080
    """TCP port of HTTP; 0 takes a free one."""
    media_port: Port = 0
    """UDP port of all media; 0 takes the same number as `port`."""
    media_tcp: bool = True
    """Whether listeners that no UDP reaches get their sound by TCP (ICE-TCP), which is offered to all."""
    media_tcp_port: Port = 0
    """TCP port of such media; 0 takes the number of `media_port`, which HTTP may have, too: both are served there."""
    public_host: str = ""
    """Address or name offered to browsers for media, too (NAT, port forwarding); several with commas."""
    public_media_port: Port = 0
    """UDP port that is forwarded to `media_port`, and the only one offered then; 0: the same number."""
    public_media_tcp_port: Port = 0
    """TCP port that is forwarded to `media_tcp_port`; 0: `public_media_port`, or else the same number."""
    offer_bridges: bool = False
    """Offer the addresses of container bridges (docker0, br-…) to browsers, too."""
    ice_servers: str = ""
    """STUN and TURN servers for listeners, with commas: stun:HOST, turn:HOST:PORT?transport=udp or tcp, turns:HOST."""
    turn_secret: str = field(default="", repr=False)
    """The TURN servers' shared secret (coturn's static-auth-secret); better in a file: flags can be read by others."""
    turn_secret_file: str = ""
    """File that holds that secret, on one line."""
    turn_lifetime_s: Annotated[int, Ge(60), Le(604_800)] = 43_200
    """Seconds for which credentials made with that secret let a listener begin to use a TURN server."""
    turn_username: str = ""
    """User at TURN servers that have no shared secret; with `turn_password`. Every listener gets to know both."""
    turn_password: str = field(default="", repr=False)
    """The user's password."""
    turn_password_file: str = ""
    """File that holds that password, on one line."""
    trusted_proxies: str = ""
    """Addresses or networks, with commas, of reverse proxies whose X-Forwarded-For and -Host are believed."""
    allowed_hosts: str = ""
    """Names of this server, with commas, besides addresses, localhost, .local and its own: a proxy's public name."""
    allowed_origins: str = ""
    """Other sites whose pages may open sessions: https://studio.example, with commas; "*" for all."""
    auth_url: str = ""
    """URL that is asked by HTTP who may do what (docs/security.md); it is for access rules with external = true."""
    print_links: Literal["auto", "always", "never"] = "auto"
    """Whether performers' links are printed at start; auto: on a terminal only, so that no log keeps them."""
    dev: bool = False
    """Whether the page's files are served as they lie in static/, for whoever works on them; else linked and compressed."""
    frame_ancestors: str = "'self'"
    """Origins whose pages may show ours in a frame, as https://home.local:8123; 'self' is ours, 'none', * is all."""
    embed_ancestors: str = ""
    """The same for the small player at /r/ROOM/embed only; empty: those of frame_ancestors (docs/embedding.md)."""
    tls: Literal["off", "auto"] = "off"
    """auto: HTTPS with a certificate from a local authority, made for this machine (see /trust)."""
    tls_cert: str = ""
    """PEM file of a certificate (with its chain) for HTTPS; with `tls_key`."""
    tls_key: str = ""
    """PEM file of the certificate's key."""
    state_dir: str = ""
    """Folder of what is kept between starts; empty: the user's data folder (~/.local/share/rtcserver)."""
    health_file: str = ""
    """File that is written anew every 3 s while the server serves, for health checks; empty: none."""
    watchdog_s: Annotated[float, Ge(0), Le(3600)] = 30
    """Seconds that the event loop may stand still until the server ends, to be started again; 0: never."""
    transport: Literal["one-port", "aiortc"] = "one-port"
    """one-port: all listeners on one UDP port. aiortc: one stock RTCPeerConnection each (reference)."""
    srtp: Literal["auto", "libsrtp"] = "auto"
    """What encrypts listeners' packets: auto takes libipsec-mb, many at once, where it is installed; libsrtp: one by one."""
    redundancy: bool = True
    """Whether listeners that lose packets get earlier frames again in each (RED), or each twice where nothing else helps."""
    redundancy_frames: Annotated[int, Ge(0), Le(2)] = 2
    """How often each frame is sent again at most, each at the bitrate once more. 1: in the next packet (RED); 2: also every
    second packet twice; 0: not by RED."""
    tiers: bool = True
    """Whether listeners get more or less than bitrate_bps, as their network carries it, or as they choose in the page."""
    live: bool = True
    """Whether players that know no WebRTC get a room's sound as Ogg Opus by HTTP, at /r/ROOM/live.opus."""
    room: Annotated[str, MaxLen(64)] = "main"
    """Name of the room when no [rooms.NAME] table is given; letters, digits, - and _."""
    title: Annotated[str, MaxLen(200)] = ""
    """What the page calls the room; empty: the instrument's name."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe messages that are logged to stderr."""
    log_format: Literal["text", "json"] = "text"
    """How: text for people, or json, an object a line."""
    access: tuple[AccessRule, ...] = DEFAULT
    """Who may do what. Built from [[access]] tables."""
    users: tuple[User, ...] = ()
    """Who has a password, for Basic authentication. Built from [[users]] tables."""
    rooms: dict[str, RoomConfig] = field(default_factory=dict)
    """Rooms by name. Built from [rooms.NAME] tables, or the one room that the top-level keys describe."""


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """One room: a name, a title, an instrument."""

    name: str
    title: str
    instrument: InstrumentConfig


TABLES = ("rooms", "access", "users")
"""What a configuration file has as tables, and flags and variables do not have."""
_OWN = (f.name for f in fields(ServerConfig) if f.name not in (*TABLES, *LIMIT_KEYS))
SERVER_KEYS = (*_OWN, *LIMIT_KEYS)
INSTRUMENT_KEYS = tuple(f.name for f in fields(InstrumentConfig))


def to_dict(config: InstrumentConfig) -> dict[str, Any]:
    """The instrument's configuration as JSON-serialisable values, for its process."""
    return {key: getattr(config, key) for key in INSTRUMENT_KEYS}
