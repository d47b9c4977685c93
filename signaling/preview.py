"""What a pasted link looks like: Open Graph tags, and where a site asks how to show the room itself (oEmbed). Pure.

Every text from the configuration or from the request is escaped here, at the one place where it becomes HTML.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import quote

WIDTH, HEIGHT = 420, 132
"""The player's size in CSS pixels, where nobody asks for less."""
CARD_WIDTH, CARD_HEIGHT = 1200, 630
"""The picture's size, static/share/card.png, in pixels."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A room as others see it. root: the server's URL without a slash at its end. name: the room's, in its address.
    title: what the page calls it, or its name where who asks may not know more."""

    root: str
    name: str
    title: str

    @property
    def page(self) -> str:
        """The room's page, for listeners: never with a token."""
        return f"{self.root}/r/{quote(self.name, safe='')}"

    @property
    def embed(self) -> str:
        """The small player's page."""
        return f"{self.page}/embed"

    @property
    def card(self) -> str:
        """The picture."""
        return f"{self.root}/card.png"

    @property
    def oembed(self) -> str:
        """Where a site asks about the page."""
        return f"{self.root}/oembed?url={quote(self.page, safe='')}&format=json"


def frame(room: Shown, width: int = WIDTH, height: int = HEIGHT) -> str:
    """The small player in a frame, as HTML for another site."""
    return (
        f'<iframe src="{escape(room.embed)}" width="{width}" height="{height}" style="border:0" '
        f'allow="autoplay" loading="lazy" title="{escape(room.title)}"></iframe>'
    )


def head(room: Shown) -> str:
    """A page's title, its Open Graph tags (https://ogp.me), and a link to its oEmbed answer (oembed.com, section 4)."""
    tags = {
        "og:type": "website",
        "og:site_name": "rtcserver",
        "og:title": room.title,
        "og:description": "A live instrument, as it is played.",
        "og:url": room.page,
        "og:image": room.card,
        "og:image:type": "image/png",
        "og:image:width": str(CARD_WIDTH),
        "og:image:height": str(CARD_HEIGHT),
        "og:image:alt": "A ring of light around a button to listen",
    }
    lines = [
        f"<title>{escape(room.title)} · rtcserver</title>",
        *(f'<meta property="{name}" content="{escape(text)}">' for name, text in tags.items()),
        '<meta name="twitter:card" content="summary_large_image">',
        f'<link rel="alternate" type="application/json+oembed" href="{escape(room.oembed)}" title="{escape(room.title)}">',
    ]
    return "\n    ".join(lines)
