"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """The place to write `path` at; it gets its name when all of it is written."""
    draft = path.with_suffix(".part")
    yield draft
    draft.replace(path)
