"""What a browser reads before it installs a page as an app (W3C, Web Application Manifest). Pure.

All addresses are relative to the manifest's own, so that they hold at whatever prefix a proxy publishes the server. Those of
the icons name the version of the page, as of all that a browser keeps. There is no service worker: browsers install without
one, and what is not there serves no old page.
"""

from __future__ import annotations

import json
from typing import Any

KIND = "application/manifest+json"
GROUND = "#0d1014"
"""The page's dark ground, behind the icon while the app starts."""

_ICONS = (
    ("192", 192, "any"),
    ("512", 512, "any"),
    ("maskable-192", 192, "maskable"),
    ("maskable-512", 512, "maskable"),
)
"""Name, width in pixels and purpose of each file of ``static/icon/`` that an app may have."""


def manifest(name: str, start: str, root: str, version: str | None) -> bytes:
    """A manifest in JSON.

    name: of the app. start: address of the page that it begins with, root: the server's, both relative to the manifest's.
    version: of the page's files; None where they have none.
    """
    icons = f"{root}static/" + (f"@{version}/" if version else "")
    # `id` is left out: it would be resolved against the origin, and forget a proxy's prefix. It is start_url then.
    said: dict[str, Any] = {
        "name": name,
        "short_name": name,
        "description": "A live instrument, as it is played.",
        "start_url": start,
        "scope": root,
        "display": "standalone",
        # Who opens it again while it plays wants what plays, not a second one.
        "launch_handler": {"client_mode": ["focus-existing", "auto"]},
        "background_color": GROUND,
        "theme_color": GROUND,
        "categories": ["music"],
        "icons": [
            {"src": f"{icons}icon/{file}.png", "sizes": f"{px}x{px}", "type": "image/png", "purpose": purpose}
            for file, px, purpose in _ICONS
        ],
    }
    return json.dumps(said, ensure_ascii=False).encode()
