"""`glowplug report`: one page of an evaluation, that needs nothing but a browser; data in it is text."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from glowplug.errors import BadInputFile, shown
from glowplug.training import plots
from glowplug.training.plots import OURS, Document
from glowplug.training.report import FIGURES
from glowplug.training.whole import whole

PAGE, TEMPLATE = "report.html", "page.html"
LENGTHS_OF = ("cold items", "cold users, k=3", "warm")  # tasks whose recall is drawn by length of the list
SKIPPED = ("cold users, k=1", "cold users, k=3")  # where a plot for each task would say little more
GROUPS_OF = ("cold items", "cold users, k=0", "overall")
MOST_ATTRIBUTES = 4  # of users, in plots of groups


@dataclass(frozen=True, slots=True)
class Plot:
    """image: a data: address. words: what it shows, for who cannot see it."""

    title: str
    words: str
    image: str


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    note: str
    plots: Sequence[Plot]


def write_page(folder: Path, out: Path | None = None) -> Path:
    """The page of what `glowplug evaluate --out FOLDER` wrote. Raises BadInputFile."""
    document = _read(folder / FIGURES)
    path = out or folder / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        text = page(document)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadInputFile(
            f"{shown(str(folder / FIGURES))} holds no figures that this version can draw ({type(error).__name__}: "
            f"{shown(str(error))}): write them with `glowplug evaluate --out`"
        ) from error
    with whole(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path


def page(document: Document) -> str:
    environment = Environment(
        loader=PackageLoader("glowplug.training", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    with plots.drawing():
        sections = [section for section in _sections(document) if section.plots]
    return environment.get_template(TEMPLATE).render(
        data=document["data"],
        encoder=document["encoder"],
        version=document["glowplug"],
        k=document["k"],
        findings=_findings(document),
        sections=sections,
        tasks=_table(document),
    )


def _sections(document: Document) -> Iterator[Section]:
    tasks, k = plots.by_task(document), document["k"]

    def each(draw: plots.Draw, names: Sequence[str], words: str) -> list[Plot]:
        found = ((name, draw(document, name)) for name in names)
        return [_plot(figure, name, f"{words}: {name}") for name, figure in found if figure is not None]

    yield Section(
        "The lead, task by task",
        "User by user against the simple method that does best there. Right of 0 throughout: no luck.",
        [_plot(figure, "Lead over the best simple method", "our lead in NDCG by task")]
        if (figure := plots.leads(document)) is not None
        else [],
    )
    yield Section(
        "Cold users: what each like brings",
        "From nothing known but what a sign-up form says, to five likes.",
        [
            _plot(figure, plots.named(metric, document), f"{metric} by likes known")
            for metric in ("recall", "ndcg")
            if (figure := plots.by_known(document, metric)) is not None
        ],
    )
    yield Section(
        "All methods, with intervals",
        "Means over users and draws; lines are 95% bootstrap intervals.",
        each(plots.means, list(tasks), "all methods"),
    )
    yield Section(
        "How long a list must be",
        f"Recall of lists of 1 to {k} items.",
        each(
            plots.by_length, [name for name in LENGTHS_OF if name in tasks] or list(tasks)[:3], "recall by length"
        ),
    )
    yield Section(
        "New items and old ones",
        "Recall by the time between an item's first interaction and the like that is asked for.",
        each(plots.by_age, [name for name in tasks if not name.startswith("cold users")], "recall by item age"),
    )
    yield Section(
        "Accuracy and breadth",
        "Up is better for the user who asks, right for the catalogue: the top right corner is the place to be.",
        each(plots.coverage, [name for name in tasks if name not in SKIPPED], "coverage against accuracy"),
    )
    attributes = list(dict.fromkeys(name for line in document["lines"] for name in line.get("groups", {})))
    yield Section(
        "Who is served how well",
        "NDCG of groups of users, best served first; small groups have wide intervals.",
        [
            _plot(figure, f"{task}, by {attribute}", f"NDCG by {attribute}: {task}")
            for attribute in attributes[:MOST_ATTRIBUTES]
            for task in tasks
            if task in GROUPS_OF
            if (figure := plots.groups(document, task, attribute)) is not None
        ],
    )
    yield Section(
        "The same items in other words",
        "Each cold item's text changed in one way: typing mistakes, sentences in another order, half of it gone, "
        "or other labels. What stays of the lists:",
        [_plot(figure, "Lists that stay", "overlap under other wordings")]
        if (figure := plots.overlaps(document)) is not None
        else [],
    )
    protocols = list(dict.fromkeys(one["protocol"] for one in document.get("curves", ())))
    yield Section(
        "How hyperparameters were chosen",
        "The best value on validation after each option tried; a line for each draw.",
        each(plots.tuning, protocols, "best on validation by options tried"),
    )


def _findings(document: Document) -> list[str]:
    """One sentence a task: how ours compares with the best simple method, and whether that is certain."""
    found = []
    for task, lines in plots.by_task(document).items():
        if (one := plots.lead(lines)) is None:
            continue
        rival, gain = one
        ours, theirs = (
            next(line["means"]["ndcg"]["mean"] for line in lines if line["model"] == name) for name in (OURS, rival)
        )
        if gain["low"] > 0:
            verdict = "clearly better"
        else:
            verdict = "clearly worse" if gain["high"] < 0 else "not clearly different"
        found.append(f"{task}: {ours:.3f} against {theirs:.3f} of {rival}, {verdict}")
    return found


def _table(document: Document) -> dict[str, list[Mapping[str, Any]]]:
    return {
        task: [
            {
                "model": line["model"],
                "is_ours": line["model"].startswith(OURS),
                "cells": [
                    *(_cell(line["means"][metric]) for metric in ("recall", "ndcg", "hit", "mrr")),
                    f"{line['shape']['coverage']:.2f}",
                    f"{line['shape']['novelty']:.1f}",
                    f"{line['shape']['popularity_bias']:.1f}",
                ],
            }
            for line in lines
        ]
        for task, lines in plots.by_task(document).items()
    }


def _cell(one: Mapping[str, float]) -> str:
    return f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"


def _plot(figure: Figure, title: str, words: str) -> Plot:
    """As an image, so that nothing within it can run or reach out, whatever a label says."""
    data = base64.b64encode(plots.svg(figure).encode()).decode()
    return Plot(title, words, f"data:image/svg+xml;base64,{data}")


def _read(path: Path) -> Document:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BadInputFile(
            f"{shown(str(path))} cannot be read ({error}): write it with `glowplug evaluate --out {path.parent}`"
        ) from error
    if not isinstance(found, dict) or not found.get("lines"):
        raise BadInputFile(f"{shown(str(path))} holds no evaluation: write one with `glowplug evaluate --out`")
    return found
