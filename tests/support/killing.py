"""A consumer as a process of its own on topics of one partition, to be killed at each step of a batch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from glowplug.settings import TopicNames
from glowplug.stream.killpoints import POINTS
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
STEPS = [point for point in POINTS if point != "after_writes"]  # for those that write to no store


class Killed:
    """module: what `python -m` runs. folder: of its logs. more: settings, without GLOWPLUG_."""

    def __init__(
        self, module: str, consumer: str, kafka: str, topics: TopicNames, prefix: str, folder: Path, **more: str
    ) -> None:
        names = {f"KAFKA__TOPICS__{name.upper()}": topic for name, topic in topics.model_dump().items()}
        settings = names | more | {
            "KAFKA__BOOTSTRAP_SERVERS": kafka,
            "KAFKA__APPLICATION": prefix,
            "KAFKA__INSTANCE": "0",  # the same transactional id again, so that nobody waits for its timeout
            "KAFKA__PARTITIONS": "1",
        }  # fmt: skip
        self._module = module
        self._consumer = consumer
        self._folder = folder
        self._environment: Mapping[str, str] = {
            **os.environ,
            **{f"GLOWPLUG_{name}": value for name, value in settings.items()},
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        }

    @contextmanager
    def started(self, name: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        with self._log(name).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                env={**self._environment, **more}, stdout=output, stderr=output, cwd=ROOT,
            )  # fmt: skip
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def dies(self, point: str, passing: int, within_s: float) -> None:
        """It runs until it passes the point for that time."""
        with self.started(point, GLOWPLUG_KILL_AT=f"{self._consumer}:{point}:{passing}") as dying:
            code = wait_until(
                dying.poll, within_s, lambda: f"{self._consumer} never passes {point}: {self.words(point)}"
            )
        assert code == -signal.SIGKILL, f"{point}: ended with {code}: {self.words(point)}"

    def stops(self, process: subprocess.Popen[bytes], name: str) -> None:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, self.words(name)

    def words(self, name: str) -> str:
        return self._log(name).read_text()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"
