"""The secrets of TURN servers, out of the configuration or its files."""

from __future__ import annotations

from pathlib import Path

from rtcserver.config.ice_servers import check_secret
from rtcserver.config.model import ServerConfig
from rtcserver.errors import ConfigError

MAX_SECRET_BYTES = 4096


def secret_of(config: ServerConfig) -> str:
    """`turn_secret`, or what `turn_secret_file` holds; "" if neither is configured. Raises ConfigError."""
    return config.turn_secret or _in_file("turn_secret_file", config.turn_secret_file)


def password_of(config: ServerConfig) -> str:
    """`turn_password`, or what `turn_password_file` holds; "" if neither is configured. Raises ConfigError."""
    password = config.turn_password or _in_file("turn_password_file", config.turn_password_file)
    check_secret("turn_password_file", password)
    return password


def _in_file(key: str, name: str) -> str:
    """The file's one line. Raises ConfigError, which names the file and shows nothing of it."""
    if not name:
        return ""
    try:
        with Path(name).open("rb") as file:
            text = file.read(MAX_SECRET_BYTES + 1).decode("utf-8-sig").strip()
    except OSError as error:
        raise ConfigError(f'{key} = "{name}": cannot be read: {error.strerror}') from error
    except ValueError:
        raise ConfigError(f'{key} = "{name}": the file holds no UTF-8 text') from None
    if not text:
        raise ConfigError(f'{key} = "{name}": the file is empty; it holds the secret on one line')
    if len(text.splitlines()) > 1 or len(text) > MAX_SECRET_BYTES:
        raise ConfigError(f'{key} = "{name}": the file holds more than one line; it holds the secret alone')
    return text
