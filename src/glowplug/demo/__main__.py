"""`python -m glowplug.demo [--keep]`: starts everything, plays, stops everything; exit 0 if all went well."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from glowplug.demo import keep, pages
from glowplug.demo.loading import load_catalogue
from glowplug.demo.outside import Outside
from glowplug.demo.script import Play
from glowplug.embedded.kafka_builtin import LIMITS
from glowplug.errors import Fatal, GlowplugError
from glowplug.observe.logs import configure
from glowplug.serving.view import RedisView
from glowplug.settings import Settings, load
from glowplug.up import Stack

PLAIN_WIDTH = 100  # of a file or a pipe, where rich would take 80 columns and fold the tables
INTERRUPTED = 130  # 128 + SIGINT, as shells say it
TERMINATED = 143


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m glowplug.demo", description="Glowplug, from nothing, in a minute"
    )
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, until Ctrl-C")
    options = parser.parse_args(arguments)
    console = _console()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        play(console, is_kept=options.keep)
    except GlowplugError as error:
        console.print(Text.assemble(("demo:", "bold red"), f" {error}"), soft_wrap=True)
        return error.exit_code if isinstance(error, Fatal) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def play(console: Console, *, is_kept: bool) -> None:
    settings = own_settings()
    configure(settings.observe)
    console.print(pages.opening())
    with contextlib.ExitStack() as until_the_end:
        stack = Stack(settings)
        with console.status("starting a broker, Redis, the models and the consumers (longer the first time) …"):
            until_the_end.enter_context(stack)
        outside = until_the_end.enter_context(Outside(stack.settings))
        view = until_the_end.enter_context(RedisView(stack.settings.redis.url))
        console.print(pages.running(stack.settings, stack.fingerprint, stack.profiles, stack.consumers, LIMITS))
        loaded = load_catalogue(stack, outside, console)
        console.print(pages.loaded(len(loaded.items), len(loaded.users), loaded.interactions, loaded.seconds))
        Play(stack, outside, view, loaded, console).run()
        stack.check()
        if is_kept:
            with contextlib.suppress(KeyboardInterrupt):
                keep.stay(stack, outside, console)
    console.print(pages.closing(was_kept=is_kept))


def own_settings() -> Settings:
    """Those in force, on servers of our own: a demo has no business on anybody's broker. Profiles of users only:
    what items are, the catalogue says itself."""
    return load(
        profile_writer={"items": False},
        kafka={"bootstrap_servers": "", "properties": {}},
        redis={"url": "", "key_prefix": ""},
        observe={"host": "127.0.0.1", "port": 0, "log_level": "warning"},
    )


def _console() -> Console:
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(width=width, highlight=False)


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    """SystemExit, so that everything is stopped on the way out."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
