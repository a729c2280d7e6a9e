"""One consumer as a process: started, killed, frozen, thawed, stopped; and what it holds of the system."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

from glowplug.embedded.places import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
READY_S = 60.0  # model loaded, a dead predecessor's session over and its transaction aborted, on two busy cores
STOP_S = 30.0
ANSWER_S = 2.0
LOG_CHARS = 2_000  # of a process that ended by itself: the last lines


class Held(NamedTuple):
    """What a process holds. children: processes that it started."""

    threads: int
    files: int
    children: int


NOTHING = Held(0, 0, 0)


class ConsumerProcess:
    """`python -m consumers.NAME`, not yet started. instance: its declared id, the same after every restart."""

    def __init__(self, name: str, instance: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.instance = instance
        self.log = folder / f"{name}-{instance}.log"
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __str__(self) -> str:
        return f"{self.name} {self.instance}"

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self} was never started"
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit status; None while it runs, frozen or not."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, kill_at: str | None = None) -> None:
        """kill_at: see glowplug.stream.killpoints."""
        assert not self.is_running, f"{self} runs already"
        self._port = free_port()
        variables = {
            "GLOWPLUG_KAFKA__INSTANCE": self.instance,
            "GLOWPLUG_OBSERVE__PORT": str(self._port),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            **({"GLOWPLUG_KILL_AT": kill_at} if kill_at else {}),
        }
        # A run that is killed leaves nothing behind (util-linux).
        leash = ["setpriv", "--pdeathsig", "KILL"] if which("setpriv") else []
        command = [*leash, sys.executable, "-m", f"consumers.{self.name}"]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env={**self._environment, **variables}, cwd=ROOT, stdout=output, stderr=output
            )

    def wait_ready(self) -> None:
        """Until its first partitions are restored, or it knows that it gets none."""
        wait_until(
            lambda: not self.is_running or bool(self.health()),
            READY_S,
            lambda: f"{self} is not ready: {self.last_words()}",
        )
        assert self.is_running, f"{self} ended with {self.code}: {self.last_words()}"

    def kill(self) -> None:
        """SIGKILL, whatever state it is in."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self._process is not None, f"{self} was never started"
        self._process.terminate()
        return self._process.wait(STOP_S)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @property
    def is_frozen(self) -> bool:
        return self.is_running and _stat(self.pid).startswith("T")

    def health(self) -> dict[str, Any] | None:
        """What /health says once it is ready; None before, and where nothing answers."""
        body = self._page("health")
        answer: dict[str, Any] = json.loads(body) if body else {}
        return answer if answer.get("components") else None

    def metric(self, name: str) -> float:
        """The sum over all labels; 0 where nothing answers."""
        lines = [line for line in self._page("metrics").splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def held(self) -> Held:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()
        return Held(
            threads=len([*Path(f"/proc/{self.pid}/task").iterdir()]),
            files=len([*Path(f"/proc/{self.pid}/fd").iterdir()]),
            children=len(children),
        )

    def threads(self) -> Counter[str]:
        """By the name that each has in /proc; librdkafka's are rdk:main, rdk:brokerN and the like."""
        names: Counter[str] = Counter()
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
                names[(task / "comm").read_text("ascii", errors="replace").strip()] += 1
        return names

    def last_words(self) -> str:
        return self.log.read_text("utf-8", errors="replace")[-LOG_CHARS:] if self.log.exists() else "no log"

    def _page(self, name: str) -> str:
        """Whatever status it has; empty where nothing answers, as while modules are imported."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        try:
            connection.request("GET", f"/{name}")
            return str(connection.getresponse().read(), "utf-8")
        except (OSError, HTTPException):
            return ""
        finally:
            connection.close()


def _stat(pid: int) -> str:
    """From the state on, of /proc/PID/stat: R, S, D, T, Z."""
    return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].strip()
