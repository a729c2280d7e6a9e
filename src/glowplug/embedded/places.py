"""Where this machine keeps what we download or convert once, and which ports are free."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from glowplug.errors import PortInUse


def cache_folder() -> Path:
    """The user's cache folder for Glowplug, outside any checkout. Not created."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "glowplug"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "glowplug" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "glowplug"


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def claim_port(port: int, what: str, setting: str) -> int:
    """`port`, or any free one for 0. Raises PortInUse, naming the `setting` that chooses another."""
    if port == 0:
        return free_port()
    with socket.socket() as probe:
        # As servers do: a port that only waits out its last connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortInUse(
                f"{what} cannot listen on 127.0.0.1:{port} ({error.strerror}); choose another port with {setting}, "
                f"or 0 for any free one"
            ) from error
    return port
