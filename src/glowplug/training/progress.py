"""What a long command is doing, on stderr: lines that stay, and on a terminal what is being tried just now."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console


class Shown:
    """A Progress, and a Tracker: curves are shown by their last point."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._status = self._console.status("") if self._console.is_terminal else None
        self._started = time.perf_counter()

    def __enter__(self) -> Shown:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, text: str) -> None:
        self._console.print(
            f"{time.perf_counter() - self._started:6.0f} s  {text}", markup=False, highlight=False, soft_wrap=True
        )

    def scalar(self, name: str, value: float, step: int) -> None:
        if self._status is not None:
            self._status.update(f"{name.replace('[', '(')}: {value:.4f} ({step})")
