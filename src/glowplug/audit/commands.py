"""`glowplug verify` and `glowplug why`: take a snapshot, judge it, print what was found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from glowplug.audit.reading import take
from glowplug.audit.snapshot import Progress
from glowplug.audit.verify import verify
from glowplug.audit.views import print_report, print_story
from glowplug.audit.why import why
from glowplug.audit.world import World
from glowplug.errors import BadSettings, shown
from glowplug.settings import Settings


def run_verify(settings: Settings, *, strict: bool = False, json_file: Path | None = None) -> bool:
    """True where nothing differs. Raises Fatal and Recoverable as `take`; BadSettings for an unfit `json_file`."""
    with _shown("reading the topics and Redis") as progress:
        snapshot = take(settings, progress=progress)
    with _shown("comparing lists") as progress:
        report = verify(snapshot, settings.ranking, progress)
    print_report(report, strict=strict)
    is_good = report.is_good(strict=strict)
    if json_file is not None:
        body = {"agree": is_good, "strict": strict} | report.as_json()
        try:
            json_file.write_text(json.dumps(body, ensure_ascii=False, indent=2) + "\n", "utf-8")
        except OSError as error:
            raise BadSettings(f"--json: {shown(str(json_file))} cannot be written: {error.strerror}") from error
    return is_good


def run_why(settings: Settings, user_id: str) -> bool:
    """False where the log does not know the user. Raises as `take`."""
    with _shown("reading the topics") as progress:
        snapshot = take(settings, with_redis=False, progress=progress)
    story = why(World(snapshot, settings.ranking), user_id)
    if story is not None:
        print_story(story)
    return story is not None


@contextmanager
def _shown(what: str) -> Iterator[Progress]:
    """A line on stderr, for whoever sits at a terminal."""
    console = Console(stderr=True, highlight=False)
    with console.status(what) as status:
        yield lambda done, of: status.update(f"{what}: {done:,} of {of:,}")
