"""Follows the folder of promoted heads while the recommender works: loads and projects beside it, never in its
way."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from glowplug.errors import BadInputFile, BadSettings, shown
from glowplug.heads.folder import POINTER, place_of, read_pointer
from glowplug.observe import metrics
from glowplug.ranking.catalogue import PLACED_AT_ONCE, Blocks, Catalogue, Item
from glowplug.vectors import Half

if TYPE_CHECKING:
    from glowplug.heads.head import Head  # it brings the packages of training

log = logging.getLogger(__name__)
LOOK_S = 1.0  # a promoted head is noticed within this time
Stamp = tuple[int, int, int]  # of the pointer's file; replaced files differ in it


class Switch(NamedTuple):
    """What is to serve from now on. blocks: its columns, of items as they were when it was placed."""

    head: Head | None
    blocks: Blocks


class Following:
    """The recommender's thread calls everything but `refusal`, which any thread may read.

    looks_at: monotonic time of the next look; None where no folder is set. refusal: why the head that was promoted
    does not serve; empty where it does, or none was.
    """

    def __init__(self, folder: Path | None, *, is_threaded: bool = True) -> None:
        """is_threaded: False loads and projects within the call, for tests."""
        self._folder = folder
        self._is_threaded = is_threaded
        self._judged: tuple[Stamp | None, str] | None = None  # what was judged last: the pointer, and the encoder
        self._loaded: Head | None = None
        self._is_working = False
        self._ready: Switch | None = None
        self.looks_at: float | None = None if folder is None else 0.0
        self.refusal = ""

    def open(self) -> None:
        """Raises BadSettings where the packages that read heads are not installed."""
        if self._folder is None:
            return
        metrics.head.labels("none").set(1)
        try:
            importlib.import_module("glowplug.heads.head")
        except ModuleNotFoundError as error:
            if error.name not in ("scipy", "sklearn"):
                raise
            raise BadSettings(
                f"ranking.heads needs the package {error.name}: pip install 'glowplug[train]'"
            ) from error

    @property
    def is_ready(self) -> bool:
        """`take` has something."""
        return self._ready is not None

    def take(self) -> Switch | None:
        """What is to serve from now on, once."""
        switch, self._ready = self._ready, None
        return switch

    def tend(self, now: float, catalogue: Catalogue) -> None:
        """Look at the folder, if it is time. now: monotonic."""
        if self.looks_at is None or now < self.looks_at:
            return
        self.looks_at = now + LOOK_S
        if not self._is_working:
            self._judge(catalogue, self._start)

    def catch_up(self, catalogue: Catalogue) -> None:
        """Look at once, and be ready on return: before there are lists, nobody waits."""
        if self.looks_at is not None:
            self._judge(catalogue, lambda work: work())

    def _judge(self, catalogue: Catalogue, run: Callable[[Callable[[], None]], None]) -> None:
        judging = (self._stamp(), catalogue.fingerprint)
        if judging == self._judged:
            return
        self._judged = judging
        items = tuple(catalogue)  # each a value: the thread may read them while the catalogue goes on
        self._is_working = True
        run(lambda: self._work(catalogue, items, catalogue.head))

    def _start(self, work: Callable[[], None]) -> None:
        if self._is_threaded:
            threading.Thread(target=work, name="glowplug-head", daemon=True).start()
        else:
            work()

    def _work(self, catalogue: Catalogue, items: tuple[Item, ...], serving: Head | None) -> None:
        try:
            head = self._promoted()
            if head is not None and not catalogue.fits(head):
                raise BadInputFile(
                    f"{head.fingerprint} was trained on vectors of encoder {head.encoder}, and "
                    f"{catalogue.fingerprint} serves: train it with the encoder that serves"
                )
            self.refusal = ""
            if (head and head.fingerprint) != (serving and serving.fingerprint):
                self._ready = Switch(head, _blocks(head, items, catalogue) if head is not None else {})
        except BadInputFile as error:
            self._refuse(str(error), serving)
        except Exception as error:  # whatever is wrong with it: what serves goes on
            log.exception("the promoted head cannot be used")
            self._refuse(f"the promoted head cannot be used: {type(error).__name__}: {error}", serving)
        finally:
            self._is_working = False

    def _promoted(self) -> Head | None:
        """The head that the folder says; read once. Raises BadInputFile."""
        if self._folder is None:
            return None
        fingerprint = read_pointer(self._folder).serving
        if fingerprint is None:
            return None
        if self._loaded is None or self._loaded.fingerprint != fingerprint:
            from glowplug.heads.head import read_head

            found = read_head(place_of(self._folder, fingerprint))
            if found.fingerprint != fingerprint:
                raise BadInputFile(
                    f"{shown(str(place_of(self._folder, fingerprint)))} holds {found.fingerprint}: its files were "
                    "changed since it was promoted; promote it anew"
                )
            self._loaded = found
        return self._loaded

    def _refuse(self, why: str, serving: Head | None) -> None:
        goes_on = f"{serving.fingerprint} goes on serving" if serving is not None else "lists go on without a head"
        self.refusal = f"ranking.heads: {why}; {goes_on}"
        metrics.heads_refused.inc()
        log.error("%s", self.refusal)

    def _stamp(self) -> Stamp | None:
        if self._folder is None:
            return None
        try:
            found = (self._folder / POINTER).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _blocks(head: Head, items: tuple[Item, ...], catalogue: Catalogue) -> Blocks:
    found: dict[str, tuple[Item, Half]] = {}
    for at in range(0, len(items), PLACED_AT_ONCE):
        part = items[at : at + PLACED_AT_ONCE]
        rows = head.items([catalogue.described(item) for item in part])
        found |= {item.item_id: (item, row) for item, row in zip(part, rows, strict=True)}
    return found
