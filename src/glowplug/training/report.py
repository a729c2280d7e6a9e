"""An evaluation as one table for people, and as JSON for programs and for the page (pages.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from glowplug import __version__
from glowplug.training.evaluation import Results
from glowplug.training.intervals import Interval
from glowplug.training.learned import OURS
from glowplug.training.lines import Line
from glowplug.training.whole import whole

FIGURES = "figures.json"
DIGITS = 8  # far below any interval, and a third of the file
WIDTH = 200  # columns where nobody looks at a terminal, so that each row stays on one line


def print_lines(found: Sequence[Line], k: int, console: Console) -> None:
    """Grouped by task; the best recall and NDCG of each are bold, the lead is over the best baseline by NDCG."""
    table = Table(box=None, pad_edge=False)
    names = (
        "task",
        "model",
        f"recall@{k}",
        f"NDCG@{k}",
        "hit",
        "MRR",
        "coverage",
        "novelty",
        "bias",
        "same",
        "lead",
    )
    for name in names:
        table.add_column(name, justify="left" if name in ("task", "model") else "right", no_wrap=True)
    last = ""
    for line in found:
        if last and line.task != last:
            table.add_section()
            table.add_row()
        rivals = [other for other in found if other.task == line.task]
        table.add_row(
            "" if line.task == last else line.task,
            line.model,
            _cell(line, "recall", rivals),
            _cell(line, "ndcg", rivals),
            f"{line.means['hit'].mean:.3f}",
            f"{line.means['mrr'].mean:.3f}",
            f"{line.shape['coverage']:.2f}",
            f"{line.shape['novelty']:.1f}",
            f"{line.shape['popularity_bias']:.1f}",
            "" if line.overlap is None else f"{line.overlap.mean:.2f}",
            _lead(line, rivals),
        )
        last = line.task
    console.print(table)


def write_json(path: Path, results: Results, found: Sequence[Line], encoder: str) -> None:
    data = results.data
    """Through a draft beside it, so that a file by this name is always whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "data": {
            "name": data.name,
            "users": len(data.users),
            "items": len(data.items),
            "interactions": len(data.user),
            "positives": int(data.positive.sum()),
            "threshold": data.threshold,
        },
        "encoder": encoder,
        "glowplug": __version__,
        "k": results.k,
        "lines": [_rounded(asdict(line)) for line in found],
        "choices": [
            {"protocol": protocol, "seed": seed, "model": model, "choice": choice}
            for (protocol, seed), models in results.choices.items()
            for model, choice in models.items()
        ],
        "curves": [
            {"protocol": protocol, "seed": seed, "model": model, "values": _rounded(values)}
            for (protocol, seed), models in results.curves.items()
            for model, values in models.items()
        ],
    }
    with whole(path) as draft:
        draft.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def _cell(line: Line, metric: str, rivals: Sequence[Line]) -> str:
    found = line.means[metric]
    text = f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
    best = max(other.means[metric].mean for other in rivals)
    return f"[bold]{_plain(text)}[/bold]" if found.mean == best else _plain(text)


def _lead(line: Line, rivals: Sequence[Line]) -> str:
    if not line.leads:
        return ""
    best = max((other for other in rivals if not other.model.startswith(OURS)), key=lambda o: o.means["ndcg"].mean)
    return f"{_signed(line.leads[best.model])} over {best.model}"


def _signed(found: Interval) -> str:
    return _plain(f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
