"""The table of docs/guides/evaluate.md from the figures that `python -m bench.offline DATA --json FILE` wrote."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODELS = ("popularity", "TF-IDF profile", "itemKNN", "EASE", "learned, text only", "learned")


def table(figures: Mapping[str, Any]) -> str:
    """Markdown: recall and NDCG by task and model."""
    cells: dict[str, dict[str, str]] = {}
    for line in figures["lines"]:
        recall, ndcg = (f"{line['means'][name]['mean']:.3f}".removeprefix("0") for name in ("recall", "ndcg"))
        cells.setdefault(line["task"], {})[line["model"]] = f"{recall} / {ndcg}"
    rows = [f"| {task} | {' | '.join(found.get(model, '') for model in MODELS)} |" for task, found in cells.items()]
    return "\n".join([f"| | {' | '.join(MODELS)} |", f"|{'---|' * (len(MODELS) + 1)}", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=Path)
    print(table(json.loads(parser.parse_args().figures.read_text("utf-8"))))


if __name__ == "__main__":
    main()
