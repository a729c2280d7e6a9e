"""Figures of an evaluation as SVG, for the page. Each takes the figures' JSON and gives None where there is nothing
to draw. Matplotlib, because its SVG needs no script: a page stays small, prints, and opens in ten years."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Document = Mapping[str, Any]
Lines = Sequence[Mapping[str, Any]]
OURS, TEXT_ONLY, POPULARITY = "learned", "learned, text only", "popularity"
ACCENT, ACCENT_LIGHT, INK, FAINT = "#c2410c", "#f0a06b", "#1c1917", "#d6d3d1"
COLOURS = {
    OURS: ACCENT,
    TEXT_ONLY: ACCENT_LIGHT,
    "EASE": "#1d4ed8",
    "itemKNN": "#0891b2",
    "TF-IDF profile": "#15803d",
    "raw embedding": "#7c3aed",
    POPULARITY: "#57534e",
    "popularity in group": "#a8a29e",
    "random": "#d6d3d1",
}
DASHED = frozenset({TEXT_ONLY, "popularity in group", "random"})
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small, searchable, and in scripts that no bundled font has
    "svg.hashsalt": "glowplug",  # the same figures give the same bytes
    "text.parse_math": False,  # a $ in a name is a $
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#a8a29e",
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": "#57534e",
    "ytick.color": "#57534e",
    "grid.color": "#e7e5e4",
    "legend.frameon": False,
    "legend.fontsize": 8,
}
WIDTH_IN = 4.8
LONGEST_LABEL = 26  # characters


@contextmanager
def drawing() -> Iterator[None]:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has the font that Matplotlib has not
        yield


def svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.05
    )
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def leads(document: Document) -> Figure | None:
    """Of each task, our lead in NDCG over the best simple method, with its interval."""
    rows = [(task, *found) for task, lines in by_task(document).items() if (found := lead(lines)) is not None]
    if not rows:
        return None
    figure, axes = _figure(0.9 + 0.34 * len(rows))
    for at, (_, rival, one) in enumerate(rows):
        clear = one["low"] > 0
        axes.plot(
            [one["low"], one["high"]],
            [at, at],
            color=ACCENT if clear else "#78716c",
            lw=2.2,
            solid_capstyle="round",
        )
        axes.plot([one["mean"]], [at], "o", color=ACCENT if clear else "#78716c", ms=6)
        axes.annotate(
            f"over {rival}", (max(one["high"], 0), at), (6, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_yticks(range(len(rows)), [short(task) for task, _, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.32)
    axes.grid(axis="x")
    axes.set_xlabel(f"lead in NDCG@{document['k']}, with 95% interval")
    return figure


def means(document: Document, task: str, metric: str = "ndcg") -> Figure | None:
    """All models on one task: means with intervals."""
    lines = by_task(document)[task]
    figure, axes = _figure(0.75 + 0.25 * len(lines))
    for at, line in enumerate(lines):
        one, colour = line["means"][metric], COLOURS.get(line["model"], INK)
        axes.plot([one["low"], one["high"]], [at, at], color=colour, lw=2.2, solid_capstyle="round")
        axes.plot([one["mean"]], [at], "o", color=colour, ms=6)
        axes.annotate(
            f"{one['mean']:.3f}", (one["high"], at), (6, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_yticks(range(len(lines)), [line["model"] for line in lines])
    for label, line in zip(axes.get_yticklabels(), lines, strict=True):
        if line["model"].startswith(OURS):
            label.set_fontweight("bold")
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.margins(x=0.12)
    axes.grid(axis="x")
    axes.set_xlabel(named(metric, document))
    return figure


def by_known(document: Document, metric: str) -> Figure | None:
    """Cold users: how lists gain with each thing that is known of them."""
    tasks = {
        int(task.rpartition("=")[2]): lines
        for task, lines in by_task(document).items()
        if task.startswith("cold users, k=")
    }
    if len(tasks) < 2:
        return None
    figure, axes = _figure(3.1)
    supports = sorted(tasks)
    for model in models([line for lines in tasks.values() for line in lines]):
        found = [(k, line["means"][metric]) for k in supports for line in tasks[k] if line["model"] == model]
        _curve(axes, [k for k, _ in found], [one["mean"] for _, one in found], model, marker="o")
        if model == OURS:
            low, high = [one["low"] for _, one in found], [one["high"] for _, one in found]
            axes.fill_between([k for k, _ in found], low, high, color=ACCENT, alpha=0.15, lw=0)
    axes.set_xticks(supports)
    return _finished(figure, axes, "likes known of the user", named(metric, document))


def by_length(document: Document, task: str) -> Figure | None:
    """How much of what is right a list of 1, 2, … k items holds."""
    lines = by_task(document)[task]
    if not all(line.get("at") for line in lines):
        return None
    figure, axes = _figure(3.1)
    for line in lines:
        values = line["at"]["recall"]
        _curve(axes, range(1, len(values) + 1), values, line["model"])
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _finished(figure, axes, "length of the list", "recall")


def by_age(document: Document, task: str) -> Figure | None:
    """How well items are found by how old they were when somebody liked them."""
    shown = [line for line in by_task(document)[task] if line.get("ages")]
    if not shown:
        return None
    bands = [part["name"] for part in shown[0]["ages"]]
    figure, axes = _figure(3.1)
    for line in shown:
        places = [bands.index(part["name"]) for part in line["ages"]]
        _curve(axes, places, [part["value"]["mean"] for part in line["ages"]], line["model"], marker="o")
        if line["model"] == OURS:
            low, high = ([part["value"][end] for part in line["ages"]] for end in ("low", "high"))
            axes.fill_between(places, low, high, color=ACCENT, alpha=0.15, lw=0)
    axes.set_xticks(
        range(len(bands)),
        [band.replace(" to ", "\nto ").replace("not met ", "not met\n") for band in bands],
        fontsize=8,
    )
    axes.set_ylim(bottom=0)
    return _finished(figure, axes, "age of the item when it was liked", f"recall@{document['k']}")


def coverage(document: Document, task: str) -> Figure | None:
    """Accuracy against how much of the catalogue is on somebody's list."""
    lines = by_task(document)[task]
    figure, axes = _figure(3.1)
    for line in lines:
        x, y = 100 * line["shape"]["coverage"], line["means"]["ndcg"]["mean"]
        is_ours = line["model"].startswith(OURS)
        axes.plot([x], [y], "o", color=COLOURS.get(line["model"], INK), ms=9 if is_ours else 6, label=line["model"])
    axes.set_xlim(-4, 104)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.12)
    return _finished(figure, axes, "coverage: % of candidates on some list", f"NDCG@{document['k']}")


def tuning(document: Document, protocol: str) -> Figure | None:
    """The best found so far on validation, by options tried; one line for each draw."""
    curves = [one for one in document.get("curves", ()) if one["protocol"] == protocol and one["values"]]
    if not curves:
        return None
    figure, axes = _figure(2.7)
    for one in curves:
        best = [max(one["values"][: at + 1]) for at in range(len(one["values"]))]
        label = one["model"] if one is next(other for other in curves if other["model"] == one["model"]) else None
        axes.plot(
            range(1, len(best) + 1), best, color=COLOURS.get(one["model"], INK), lw=1.6, alpha=0.75, label=label
        )
    return _finished(figure, axes, "options tried", f"validation: recall + NDCG@{document['k']}")


def groups(document: Document, task: str, attribute: str) -> Figure | None:
    """NDCG of each group of users, ours and popularity's."""
    found = {
        line["model"]: {part["name"]: part for part in line["groups"][attribute]}
        for line in by_task(document)[task]
        if attribute in line.get("groups", {})
    }
    if OURS not in found or len(found[OURS]) < 2:
        return None
    names = sorted(found[OURS], key=lambda name: -found[OURS][name]["value"]["mean"])
    figure, axes = _figure(0.85 + 0.23 * len(names))
    for model, colour in ((POPULARITY, COLOURS[POPULARITY]), (OURS, ACCENT)):
        for at, name in enumerate(names):
            if (part := found.get(model, {}).get(name)) is None:
                continue
            one, shift = part["value"], 0.14 if model == OURS else -0.14
            axes.plot(
                [one["low"], one["high"]], [at - shift, at - shift], color=colour, lw=1.8, solid_capstyle="round"
            )
            axes.plot([one["mean"]], [at - shift], "o", color=colour, ms=4.5, label=model if at == 0 else None)
    axes.set_yticks(
        range(len(names)), [f"{short(name)} ({found[OURS][name]['users']:,})" for name in names], fontsize=8
    )
    axes.set_ylim(len(names) - 0.5, -0.5)
    return _finished(figure, axes, f"NDCG@{document['k']}; users in brackets", "", grid="x")


def overlaps(document: Document) -> Figure | None:
    """How much of a list stays when the same items are worded otherwise."""
    lines = [line for line in document["lines"] if line.get("overlap")]
    if not lines:
        return None
    figure, axes = _figure(0.75 + 0.3 * len(lines))
    for at, line in enumerate(lines):
        one = line["overlap"]
        axes.barh(at, 100 * one["mean"], height=0.55, color=COLOURS.get(line["model"], INK))
        axes.annotate(
            f"{100 * one['mean']:.0f}%",
            (100 * one["mean"], at),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(lines)), [line["model"] for line in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(0, 108)
    axes.set_xlabel(f"% of the first {document['k']} that stay")
    return figure


def by_task(document: Document) -> dict[str, Lines]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for line in document["lines"]:
        found.setdefault(line["task"], []).append(line)
    return dict(found)


def lead(lines: Lines) -> tuple[str, Mapping[str, float]] | None:
    """The best simple method by NDCG, and our lead over it."""
    ours = next((line for line in lines if line["model"] == OURS), None)
    rivals = [line for line in lines if not line["model"].startswith(OURS)]
    if ours is None or not rivals:
        return None
    best = max(rivals, key=lambda line: line["means"]["ndcg"]["mean"])["model"]
    return (best, ours["leads"][best]) if best in ours["leads"] else None


def models(lines: Lines) -> list[str]:
    return list(dict.fromkeys(line["model"] for line in lines))


def named(metric: str, document: Document) -> str:
    return f"{'NDCG' if metric == 'ndcg' else metric}@{document['k']}"


def short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _figure(height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH_IN, height_in))
    return figure, figure.add_subplot()


def _curve(axes: Axes, x: Sequence[float], y: Sequence[float], model: str, **options: Any) -> None:
    is_ours = model == OURS
    axes.plot(
        x,
        y,
        color=COLOURS.get(model, INK),
        lw=2.4 if is_ours else 1.4,
        ls="--" if model in DASHED else "-",
        ms=5 if is_ours else 3.5,
        zorder=3 if is_ours else 2,
        label=model,
        **options,
    )


def _finished(figure: Figure, axes: Axes, x: str, y: str, grid: Literal["both", "x", "y"] = "both") -> Figure:
    axes.grid(axis=grid)
    axes.set_axisbelow(True)
    axes.set_xlabel(x)
    if y:
        axes.set_ylabel(y)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=3,
            columnspacing=1.2,
            handlelength=1.6,
            borderpad=0.2,
        )
    return figure


Draw = Callable[[Document, str], Figure | None]
