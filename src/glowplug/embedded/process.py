"""A server program of this machine, started for us alone: it ends when we do, even when we are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from glowplug.embedded import leash

STOP_S = 20.0  # a broker with much to flush takes a few seconds; beyond this it hangs
LOG_LINES = 3  # the last words of a program that died, in an error message
LOG_BYTES = 4_096  # more than three lines of any log


class Process:
    """`command`, running. Its output goes to the end of the file `log`.

    Raises FileNotFoundError where the program does not exist.
    """

    def __init__(self, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            # -I -S: the leash needs no site-packages, and starts in 20 ms without them.
            self._leash = subprocess.Popen(
                [sys.executable, "-I", "-S", leash.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C in a terminal is ours to handle: we stop what we started
            )
        assert self._leash.stdout is not None  # noqa: S101  it is a pipe, by the line above
        with self._leash.stdout as pipe:
            line = pipe.readline()
        if not line:
            self._leash.wait()
            self._close()
            raise FileNotFoundError(f"{command[0]} cannot be started: {self.last_words()}")
        self.pid = int(line)

    def is_alive(self) -> bool:
        return self._leash.poll() is None

    def stop(self) -> None:
        """Ask it to end; kill it when it does not within STOP_S."""
        with contextlib.suppress(OSError):
            assert self._leash.stdin is not None  # noqa: S101  a pipe
            self._leash.stdin.write(b"t")
            self._leash.stdin.flush()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._leash.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._close()
        self._leash.wait()

    def last_words(self) -> str:
        """The last lines of the log, as one."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LOG_BYTES))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
            return " | ".join(line.strip() for line in lines[-LOG_LINES:])
        return "no log"

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            assert self._leash.stdin is not None  # noqa: S101  a pipe
            self._leash.stdin.close()
