"""`glowplug train`: what an evaluation chose, fitted on everything and written down with what it is worth."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from glowplug import __version__
from glowplug.heads.head import read_head
from glowplug.settings import RankingSettings, Settings
from glowplug.training.artifact import write_artifact
from glowplug.training.dataset import Dataset, read_folder
from glowplug.training.evaluation import OURS, evaluate, suited
from glowplug.training.features import Features, features
from glowplug.training.fitting import fitted
from glowplug.training.lines import Line, lines
from glowplug.training.per_user import write_per_user
from glowplug.training.popularity import Popularity
from glowplug.training.prequential import before_the_latest, played
from glowplug.training.splits import cold_item, cold_user
from glowplug.training.texts import Progress
from glowplug.training.tracking import Tracker, nobody, tracked
from glowplug.training.trending import Found, chosen, trending
from glowplug.training.tuning import Choice

CARD, FIGURES, PER_USER = "model_card.md", "card.json", "per_user.parquet"
LEAST_PAST = 0.8  # of the interactions: a head of much fewer is another one
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "transformers")


def train(
    settings: Settings,
    folder: Path,
    out: Path,
    *,
    seed: int,
    k: int,
    threshold: float | None,
    say: Progress,
    given: Mapping[str, Choice] | None = None,
    tracker: Tracker = nobody,
) -> list[Line]:
    """Judges the blocks on one draw of cold items and one of cold users, fits them on all interactions with the
    hyperparameters chosen there, or given, and writes head, card, figures and curves into `out`. Returns what it
    judged.

    Raises BadInputFile, ModelMissing.
    """
    data = read_folder(folder, settings.domain("default"), threshold)
    read = features(data, settings.encoder, say)
    splits = (maker(data, seed) for maker in (cold_item, cold_user))
    with tracked(out, {"data": data.name, "seed": seed, "k": k}, tracker) as tracker:
        results = evaluate(data, splits, read, k, say, tracker=tracker, given=given, brief=True)
    of_items = results.choices["cold-item", seed][OURS]
    of_users = results.choices["cold-user", seed][OURS]
    everything = np.ones(len(data.user), bool)
    with suited(data):
        steps = _trending(data, read, of_items, of_users, k, settings.ranking, say)
        head = fitted(data, everything, read, of_items, of_users)
        day = trending(steps, Popularity(data, settings.ranking).last())
        fingerprint = write_artifact(out, replace(head, trending=day))
    write_per_user(out / PER_USER, results)
    say(f"{fingerprint} is in {out}")
    found = lines(results)
    card: dict[str, Any] = {
        "head": fingerprint,
        "data": {
            "name": data.name,
            "sha256": _data_hash(data),
            "users": len(data.users),
            "items": len(data.items),
            "interactions": len(data.user),
            "positives": int(data.positive.sum()),
            "threshold": data.threshold,
            "until": float(data.time.max()) if data.is_timed else None,
        },
        "encoder": read.encoder,
        "split": {"protocols": ["cold-item", "cold-user"], "seed": seed, "k": k},
        "choices": {"items": of_items, "users": of_users},
        "trending": [asdict(step) for step in steps],
        "priors": settings.ranking.model_dump(include={"popularity_days", "popularity_full", "history"}),
        "revision": _revision(),
        "versions": {"glowplug": __version__} | {name: _version(name) for name in LIBRARIES},
        "lines": [asdict(line) for line in found],
    }
    (out / FIGURES).write_bytes(orjson.dumps(card, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    (out / CARD).write_text(_card(card, found), encoding="utf-8")
    return found


def _trending(
    data: Dataset,
    read: Features,
    of_items: Choice,
    of_users: Choice,
    k: int,
    ranking: RankingSettings,
    say: Progress,
) -> tuple[Found, ...]:
    """What the popularity of the day is worth beside a head of all but the latest interactions."""
    past = before_the_latest(data)
    if not data.is_timed or past.mean() < LEAST_PAST or not (past & data.positive).any():
        say("the data's times do not tell what the popularity of a day is worth: it counts nothing beside the head")
        return ()
    with tempfile.TemporaryDirectory() as scratch:
        head = fitted(data, past, read, of_items, of_users)
        write_artifact(Path(scratch), head)
        return chosen(played(read_head(Path(scratch)), data, read, ranking, k, head.weak))


def _data_hash(data: Dataset) -> str:
    digest = hashlib.sha256()
    for side in (data.users, data.items):
        digest.update(orjson.dumps(side.ids))
        for field in side.fields:
            digest.update(orjson.dumps([field.name, field.kind, field.values]))
    for array in (data.user, data.item, data.positive, data.time):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _revision() -> str | None:
    """The git revision of this code, with + where it was changed; None outside a checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    command = ("git", *words)
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _card(card: dict[str, Any], found: Sequence[Line]) -> str:
    data, split = card["data"], card["split"]
    rows = [f"| {line.task} | {line.model} | {_shown(line, 'recall')} | {_shown(line, 'ndcg')} |" for line in found]
    return "\n".join(
        [
            f"# {card['head']}",
            "",
            "A learned block for items that nobody has met and users of whom little is known: one inner product.",
            "",
            f"- Data: {data['name']}, {data['users']:,} users, {data['items']:,} items, {data['interactions']:,} "
            f"interactions, {data['positives']:,} positive (SHA-256 {data['sha256']})",
            f"- Texts read by: {card['encoder']}",
            f"- Judged on: cold items and cold users, seed {split['seed']}; then fitted on all interactions",
            f"- Code: glowplug {__version__}, revision {card['revision']}",
            "",
            f"| task | model | recall@{split['k']} | NDCG@{split['k']} |",
            "|---|---|---|---|",
            *rows,
            "",
            *_trends(card["trending"]),
            "Means over users with 95% bootstrap intervals. All figures and hyperparameters: `card.json`.",
            "",
        ]
    )


def _trends(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    if not steps:
        return []
    rows = [
        f"| {one['known']} | {one['weight']:g} | {one['likes']:,} | {one['without']:.3f} | {one['beside']:.3f} |"
        for one in steps
    ]
    return [
        "Weight of the day's popularity beside the head, chosen on the latest tenth of the interactions, and how "
        "often the list held the next like there.",
        "",
        "| things known | weight | likes | hit rate without | with it |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _shown(line: Line, metric: str) -> str:
    found = line.means[metric]
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
