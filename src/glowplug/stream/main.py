"""One consumer alone in a process: `python -m consumers.X`."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from glowplug.errors import Fatal
from glowplug.serving.store import Store
from glowplug.settings import Settings, load
from glowplug.stream.admin import ensure_topics
from glowplug.stream.step import Step
from glowplug.stream.worker import Worker

Made = Step[Any] | tuple[Step[Any], Store]
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run_alone(make: Callable[[Settings], Made]) -> NoReturn:
    """Run what `make` builds from the settings until SIGTERM or SIGINT; then exit, 0 if all went well.

    make: the step, with the store where it writes to one. Raises Fatal, as all here: told in one sentence.
    """
    try:
        serve(load(), make)
    except Fatal as error:
        print(error, file=sys.stderr)  # noqa: T201  the one sentence that a person at a terminal sees
        sys.exit(error.exit_code)
    sys.exit(0)


def serve(settings: Settings, make: Callable[[Settings], Made]) -> None:
    """Topics first: what is wrong there shows before a model has taken its seconds to load. Raises Fatal."""
    logging.basicConfig(level=settings.observe.log_level.upper(), format=LINE)
    topics = ensure_topics(settings)
    made = make(settings)
    step, store = made if isinstance(made, tuple) else (made, None)
    worker = Worker(step, settings, context=topics.context, store=store, builtin=topics.is_builtin)

    def stop(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    worker.run()
