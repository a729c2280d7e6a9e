"""Trains the stance of what is named (src/glowplug/profiles/stance.json), and says by cross-validation over texts
what it is worth beside the rules alone.

The texts are the bios to tune with, those of development, and bench/profiles/stance.txt: sentences that can be
said of anything, and short bios, with what is named marked {+wanted}, {-avoided} or {0neither}.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from bench.profiles.labelled import HERE, Bio, Labels
from bench.profiles.labelled import load as load_labels
from glowplug.inference.encoder import TextEncoder
from glowplug.inference.encoder import load as load_encoder
from glowplug.profiles.hearing import Heard, heard
from glowplug.profiles.lexicon import Lexicon
from glowplug.profiles.pieces import read
from glowplug.profiles.stance_model import STANCES
from glowplug.profiles.taxonomy import built_in
from glowplug.settings import load as load_settings

Floats = NDArray[np.float64]

WEIGHTS = Path(str(files("glowplug.profiles").joinpath("stance.json")))
MARKED = HERE / "stance.txt"
MARK = re.compile(r"\{([+0-])([^}]+)\}")
BY_MARK = {"+": "wanted", "-": "avoided", "0": "neither"}
BY_VECTORS, BY_ALL = 0.3, 0.05  # inverse strengths of regularisation
# Rules and cues were tuned by these bios and are nearly always right there: trust in them comes from the others.
TUNED, FRESH, WRITTEN = 0.3, 1.0, 0.5
FRESH_FROM = "dev3-"
FOLDS = 5
CHUNK = 256
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Example:
    """`text` numbers texts, so that none is on both sides of a fold."""

    heard: Heard
    stance: int
    text: int
    weight: float
    ruled: int


def examples(labels: Labels) -> list[Example]:
    taxonomy = built_in()
    lexicon = Lexicon(taxonomy.labels)
    topics = frozenset(row for row, label in enumerate(taxonomy.labels) if label.kind == "interest")
    out: list[Example] = []
    bios = (*labels.half("tune"), *labels.half("development"))
    for number, bio in enumerate(bios):
        weight = FRESH if bio.id.startswith(FRESH_FROM) else TUNED
        field = read("text", bio.text, lexicon, topics)
        known = _of_bio(bio, labels)
        for one in heard(field, topics):
            stance = known.get(taxonomy.labels[one.mention.row].id, "neither")
            if stance:
                out.append(_example(one, stance, number, weight, field.pieces[one.piece].stance))
    for number, (text, marks) in enumerate(marked(), len(bios)):
        field = read("text", text, lexicon, topics)
        for one in heard(field, topics):
            found = (how for how, start, end in marks if one.mention.start < end and start < one.mention.end)
            stance = next(found, "neither")
            out.append(_example(one, stance, number, WRITTEN, field.pieces[one.piece].stance))
    return out


def _example(one: Heard, stance: str, text: int, weight: float, ruled: str) -> Example:
    names: tuple[str, ...] = STANCES
    return Example(one, names.index(stance), text, weight, names.index(ruled))


def _of_bio(bio: Bio, labels: Labels) -> dict[str, str]:
    """By label; empty where it is neither right nor wrong."""
    return {
        **dict.fromkeys(labels.neutral(bio), ""),
        **{claim.id: "wanted" for claim in bio.interests},
        **{claim.id: "avoided" for claim in bio.avoid},
    }


def marked() -> Iterator[tuple[str, list[tuple[str, int, int]]]]:
    """Each text of stance.txt with its marks taken out, and what they mark."""
    for line in MARKED.read_text("utf-8").splitlines():
        if not line or line.startswith("["):
            continue
        text, at = "", 0
        marks = []
        for mark in MARK.finditer(line):
            text += line[at : mark.start()]
            marks.append((BY_MARK[mark[1]], len(text), len(text) + len(mark[2])))
            text += mark[2]
            at = mark.end()
        yield text + line[at:], marks


def encoded(encoder: TextEncoder, found: Sequence[Example]) -> Floats:
    """float64 (examples, 2 * dim): of the sentence and of the clause."""
    texts = sorted({text for one in found for text in (one.heard.sentence, one.heard.clause)}, key=len)
    rows: dict[str, NDArray[np.float32]] = {}
    for at in range(0, len(texts), CHUNK):
        chunk = texts[at : at + CHUNK]
        rows.update(zip(chunk, encoder.encode(chunk, "user"), strict=True))
    return np.array(
        [np.concatenate([rows[one.heard.sentence], rows[one.heard.clause]]) for one in found], np.float64
    )


def trained(vectors: Floats, found: Sequence[Example]) -> Floats:
    """Weights (stances, features + 1). Vectors first, all texts alike; then what their verdict, on texts that they
    were not learned from, and the cues are worth beside each other. Both are linear, and so is the whole."""
    stances = np.array([one.stance for one in found])
    texts = np.array([one.text for one in found])
    weights = np.array([one.weight for one in found])
    cues = np.array([one.heard.cues for one in found], float)
    verdicts = np.zeros((len(found), len(STANCES)))
    for learned, rest in GroupKFold(FOLDS).split(vectors, stances, texts):
        verdicts[rest] = _by_vectors(vectors[learned], stances[learned]).decision_function(vectors[rest])
    first = _by_vectors(vectors, stances)
    second = LogisticRegression(C=BY_ALL, max_iter=2_000).fit(np.hstack([verdicts, cues]), stances, weights)
    of_verdicts, of_cues = np.split(second.coef_, [len(STANCES)], axis=1)
    constant = of_verdicts @ first.intercept_ + second.intercept_
    return np.hstack([of_verdicts @ first.coef_, of_cues, constant[:, None]])


def _by_vectors(vectors: Floats, stances: NDArray[np.int64]) -> LogisticRegression:
    return LogisticRegression(C=BY_VECTORS, max_iter=2_000, class_weight="balanced").fit(vectors, stances)


def validated(vectors: Floats, found: Sequence[Example]) -> dict[str, NDArray[np.int64]]:
    """Confusions (true, told) over fresh texts, each by weights that were learned without it."""
    texts = np.array([one.text for one in found])
    fresh = np.array([one.weight == FRESH for one in found])
    told = np.zeros(len(found), int)
    for learned, rest in GroupKFold(FOLDS).split(vectors, None, texts):
        weights = trained(vectors[learned], [found[at] for at in learned.tolist()])
        cues = np.array([found[at].heard.cues for at in rest.tolist()], float)
        told[rest] = np.argmax(np.hstack([vectors[rest], cues, np.ones((len(rest), 1))]) @ weights.T, axis=1)
    out = {name: np.zeros((len(STANCES), len(STANCES)), int) for name in ("rules", "learned")}
    for at in np.flatnonzero(fresh).tolist():
        out["rules"][found[at].stance, found[at].ruled] += 1
        out["learned"][found[at].stance, told[at]] += 1
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="also validate, which takes six times as long")
    given = parser.parse_args()
    encoder = load_encoder(load_settings().encoder)
    found = examples(load_labels())
    vectors = encoded(encoder, found)
    if given.check:
        for name, confusion in validated(vectors, found).items():
            print(f"{name} (rows: {', '.join(STANCES)}; columns: what they were taken for)\n{confusion}")
    weights = np.round(trained(vectors, found), DIGITS)
    rows = [json.dumps(row) for row in weights.tolist()]
    lines = ",\n".join(rows)
    WEIGHTS.write_text(f'{{"encoder": "{encoder.fingerprint}",\n"weights": [\n{lines}\n]}}\n', "utf-8")
    print(f"{len(found)} examples of {len({one.text for one in found})} texts: {WEIGHTS}")


if __name__ == "__main__":
    main()
