"""`glowplug evaluate`, `train`, `search` and `report`: from a folder of atomic files to a table and a page."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from glowplug.errors import BadSettings, shown
from glowplug.settings import Settings
from glowplug.training.choices import read_choices
from glowplug.training.dataset import Dataset, read_folder
from glowplug.training.evaluation import evaluate
from glowplug.training.features import features
from glowplug.training.lines import lines
from glowplug.training.per_user import write_per_user
from glowplug.training.progress import Shown
from glowplug.training.report import FIGURES, WIDTH, print_lines, write_json
from glowplug.training.split_files import read_split, write_split
from glowplug.training.splits import FOLDS, PROTOCOLS, SMALL, split
from glowplug.training.tasks import Split
from glowplug.training.train import train

DRAWN_ONCE = "by-time"  # nothing in it is drawn


def run_evaluate(
    settings: Settings,
    folder: Path,
    *,
    protocols: Sequence[str],
    seeds: int | None,
    k: int,
    threshold: float | None,
    published: Path | None,
    json_file: Path | None,
    out: Path | None,
) -> None:
    """Prints the table, and where the page with its plots is; progress goes to stderr.

    Raises BadInputFile, BadSettings, ModelMissing.
    """
    unknown = next((name for name in protocols if name not in PROTOCOLS), None)
    if unknown is not None:
        raise BadSettings(f"--protocol {shown(unknown)}: there are {', '.join(PROTOCOLS)}")
    with Shown() as say:
        data = read_folder(folder, settings.domain("default"), threshold)
        say(
            f"{data.name}: {len(data.users):,} users, {len(data.items):,} items, {len(data.user):,} interactions, "
            f"{data.positive.sum():,} positive"
        )
        read = features(data, settings.encoder, say)
        splits = (
            iter([read_split(published, data)])
            if published
            else _drawn(data, protocols or PROTOCOLS, seeds or _draws(data))
        )
        results = evaluate(data, _kept(splits, data, out), read, k, say, tracker=say)
    found = lines(results)
    print_lines(found, k, _console())
    if out is not None:
        write_per_user(out / "per_user.parquet", results)
        write_json(out / FIGURES, results, found, read.encoder)
        run_report(out, None)
    if json_file is not None:
        write_json(json_file, results, found, read.encoder)


def run_train(
    settings: Settings,
    folder: Path,
    out: Path,
    *,
    seed: int,
    k: int,
    threshold: float | None,
    choices: Path | None,
) -> None:
    """Writes the head and its card, and prints how it did. Raises BadInputFile, ModelMissing."""
    given = read_choices(choices) if choices is not None else None
    with Shown() as say:
        found = train(settings, folder, out, seed=seed, k=k, threshold=threshold, say=say, given=given, tracker=say)
    print_lines(found, k, _console())


def run_search(
    settings: Settings, folder: Path, out: Path, *, seed: int, k: int, threshold: float | None, trials: int
) -> None:
    """Prints what was found and writes it for `train --choices`. Raises BadInputFile, ModelMissing."""
    from glowplug.training.study import search_folder

    with Shown() as say:
        for line in search_folder(
            settings, folder, out, seed=seed, k=k, threshold=threshold, trials=trials, say=say
        ):
            sys.stdout.write(f"{line}\n")


def run_report(folder: Path, out: Path | None) -> None:
    """Writes the page and prints where it is. Raises BadInputFile."""
    from glowplug.training.pages import write_page

    sys.stdout.write(f"{write_page(folder, out)}\n")


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _drawn(data: Dataset, protocols: Sequence[str], seeds: int) -> Iterator[Split]:
    for protocol in protocols:
        for seed in range(1 if protocol == DRAWN_ONCE else seeds):
            yield split(data, protocol, seed)


def _kept(splits: Iterator[Split], data: Dataset, out: Path | None) -> Iterator[Split]:
    for one in splits:
        if out is not None:
            write_split(out / "splits" / f"{one.protocol}-{one.seed}", data, one)
        yield one


def _draws(data: Dataset) -> int:
    """On a large set, two draws hardly differ, and each takes long."""
    return FOLDS if len(data.user) <= SMALL else 1
