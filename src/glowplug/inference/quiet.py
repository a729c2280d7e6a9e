"""transformers without its bars, reports and advice: what matters of them becomes an error of ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import ERROR

from transformers.utils import logging


@contextmanager
def quiet() -> Iterator[None]:
    """For the time of a load. Settings are the process's, so they are put back."""
    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(ERROR)
    _bars(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        _bars(had_bars)


def _bars(shown: bool) -> None:
    switch: Callable[[], None] = logging.enable_progress_bar if shown else logging.disable_progress_bar
    switch()
