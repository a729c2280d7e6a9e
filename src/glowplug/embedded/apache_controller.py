"""A Kafka controller in a process of its own, which lives on while its one broker is killed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from glowplug.embedded.apache_node import run_node
from glowplug.embedded.places import free_port
from glowplug.embedded.process import Process
from glowplug.embedded.started import Started

NODE_ID = 2  # the broker is 1
HEAP = "256m"
LOOK_S = 0.05
# Several sessions of a broker: one that had just been fenced when it was killed is not fenced again.
FENCED_WITHIN_S = 15.0
FENCED = b"Fencing broker"  # in the controller's log, when it takes a dead broker's partitions away


class ApacheController(Started):
    """voter: what `controller.quorum.voters` of the broker says. properties: as those of the broker."""

    def __init__(self, folder: Path, cluster: str, properties: Mapping[str, str]) -> None:
        port = free_port()
        self.voter = f"{NODE_ID}@127.0.0.1:{port}"
        self._folder = folder
        self._cluster = cluster
        self._properties = {
            **properties,
            "process.roles": "controller",
            "node.id": str(NODE_ID),
            "listeners": f"CONTROLLER://127.0.0.1:{port}",
            "controller.quorum.voters": self.voter,
        }
        self._process: Process | None = None

    def start(self) -> None:
        if self._process is None:
            self._process = run_node(
                self._folder, self._properties, cluster=self._cluster, heap=HEAP, output=self._log
            )

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    def fencings(self) -> int:
        """How often it has found the broker dead."""
        with contextlib.suppress(OSError):
            return self._log.read_bytes().count(FENCED)
        return 0

    def wait_fenced(self, before: int) -> None:
        """Until it has found the broker dead more often than `before`."""
        deadline = time.monotonic() + FENCED_WITHIN_S
        while self.fencings() <= before and time.monotonic() < deadline:
            time.sleep(LOOK_S)

    @property
    def _log(self) -> Path:
        return self._folder / "controller.log"
