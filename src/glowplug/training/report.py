"""An evaluation as one table for people, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from glowplug.training.dataset import Dataset
from glowplug.training.evaluation import OURS, Line
from glowplug.training.intervals import Interval
from glowplug.training.whole import whole

WIDTH = 200  # columns where nobody looks at a terminal, so that each row stays on one line


def print_lines(found: Sequence[Line], k: int, console: Console) -> None:
    """Grouped by task; the best recall and NDCG of each are bold, the lead is over the best baseline by NDCG."""
    table = Table(box=None, pad_edge=False)
    for name in ("task", "model", f"recall@{k}", f"NDCG@{k}", "hit", "MRR", "coverage", "novelty", "bias", "lead"):
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
            _lead(line, rivals),
        )
        last = line.task
    console.print(table)


def write_json(path: Path, data: Dataset, found: Sequence[Line], k: int, encoder: str) -> None:
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
        "k": k,
        "lines": [asdict(line) for line in found],
    }
    with whole(path) as draft:
        draft.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))


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
