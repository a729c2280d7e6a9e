"""One consumer alone in a process: `python -m consumers.X`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from types import FrameType
from typing import Any, NoReturn

from glowplug.errors import Fatal, PortInUse
from glowplug.inference.threads import wait_passively
from glowplug.observe import logs, server
from glowplug.observe.health import Health
from glowplug.serving.store import Store
from glowplug.settings import ObserveSettings, Settings, load
from glowplug.stream import clients
from glowplug.stream.admin import ensure_topics
from glowplug.stream.step import Step
from glowplug.stream.worker import Worker

Made = Step[Any] | tuple[Step[Any], Store]
log = logging.getLogger("glowplug.main")


def run_alone(make: Callable[[Settings], Made]) -> NoReturn:
    """Run what `make` builds from the settings until SIGTERM or SIGINT; then exit, 0 if all went well.

    The command line takes nothing but --help, which tells what the consumer does.
    make: the step, with the store where it writes to one. Raises Fatal, as all here: told in one sentence.
    """
    argparse.ArgumentParser(
        description=sys.modules[make.__module__].__doc__,
        epilog="Configured by glowplug.toml and GLOWPLUG_* variables: `glowplug settings` lists them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = load()
        logs.configure(settings.observe)
        serve(settings, make)
    except Fatal as error:
        print(error, file=sys.stderr)  # noqa: T201  the one sentence that a person at a terminal sees
        sys.exit(error.exit_code)
    sys.exit(0)


def serve(settings: Settings, make: Callable[[Settings], Made]) -> None:
    """Topics first: what is wrong there shows before a model has taken its seconds to load. Raises Fatal."""
    wait_passively()
    health = Health()
    with closing(_page(settings.observe, health)):
        with logs.quieted(clients.log, logging.CRITICAL):  # its sentence says what there is to say
            topics = ensure_topics(settings)
        made = make(settings)
        step, store = made if isinstance(made, tuple) else (made, None)
        worker = Worker(step, settings, context=topics.context, store=store, builtin=topics.is_builtin)

        def stop(_number: int, _frame: FrameType | None) -> None:
            worker.stop()

        def report() -> None:
            worker.ready.wait()
            health.started(step.name, step)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        threading.Thread(target=report, name="health", daemon=True).start()
        worker.run()


def _page(observe: ObserveSettings, health: Health) -> server.Server:
    """/metrics and /health; on any free port where the default is taken: several consumers may share a machine."""
    try:
        return server.serve(observe, health)
    except PortInUse:
        if "port" in observe.model_fields_set:
            raise
        page = server.serve(observe.model_copy(update={"port": 0}), health)
        log.warning("observe.port %d is in use: /metrics is on %s:%d", observe.port, page.host, page.port)
        return page
