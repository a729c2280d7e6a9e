"""Makes what the encoder's profile model knows of its encoder, beyond words and rules:

- anchors: the labels' first words as vectors (anchors.safetensors);
- tagger: which tokens name something, and what is made of it (tagger.safetensors, an adapter of the encoder);
- linker: which label a stretch is about that no word names (linker.safetensors);
- judge:  how probable each claim is that all of this gives rise to (judge.json). It comes last, and learns from
  texts that the other two have never read, nor (but for `tune`) others by their authors: what they know by heart
  they would read better than the rest.

The texts are the bios to tune with, those of development, and bench/profiles/marked.tsv. On two cores the tagger
takes half an hour, the others a minute or two.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from bench import profile_tagger
from bench.profile_lessons import Lesson, Lessons
from bench.profile_linker import linker
from bench.profiles.labelled import load as load_labels
from bench.profiles.marked import ids_of
from glowplug.errors import BadInputFile
from glowplug.inference.adapter import Adapter, read_adapter, write_adapter
from glowplug.inference.encoder import TextEncoder
from glowplug.inference.encoder import load as load_encoder
from glowplug.inference.shared import token_classifier
from glowplug.profiles.anchors import FILE as ANCHORS_FILE
from glowplug.profiles.anchors import Anchors, anchors, write_shipped
from glowplug.profiles.candidates import FEATURES, SOURCES, Candidate
from glowplug.profiles.judge import MEANINGS
from glowplug.profiles.learned import Prose, found_in
from glowplug.profiles.linker import FILE as LINKER_FILE
from glowplug.profiles.linker import Linker, lifted, read_linker, write_linker
from glowplug.profiles.tagger import FILE as TAGGER_FILE
from glowplug.profiles.tagger import tagged
from glowplug.profiles.taxonomy import Taxonomy, built_in
from glowplug.settings import load as load_settings

HERE = Path(str(files("glowplug.profiles")))
# Whose texts the judge learns from, and how much each counts: of two authors who write what is hard, of two who
# write as people sign up, and bios. Words and rules were made in view of `tune`, and are nearly always right there.
HEARD = {"author 1": 1.0, "author 6": 1.0, "author 13": 1.0, "author 14": 1.0, "dev3": 1.0, "tune": 0.3}
STRENGTH = 0.3  # inverse strength of regularisation
DIGITS = 4


class Judging:
    def __init__(self, encoder: TextEncoder, taxonomy: Taxonomy, lessons: Lessons) -> None:
        self._encoder, self._taxonomy, self._lessons = encoder, taxonomy, lessons
        self._anchors: Anchors = anchors(taxonomy, encoder, load_settings().encoder.cache_dir)

    def found(self, some: Sequence[Lesson], adapter: Adapter, link: Linker) -> list[list[Candidate]]:
        """As the profile model finds them, of each lesson."""
        classifier = token_classifier(self._encoder, adapter)
        assert classifier is not None  # noqa: S101  it was trained on this encoder
        tags = tagged(classifier, [lesson.field for lesson in some])
        prose = [Prose.of(one.field, own, self._taxonomy) for one, own in zip(some, tags, strict=True)]
        texts = sorted({text for one in prose for text in one.texts}, key=len)
        vectors = self._encoder.encode(texts, "user")
        linked = lifted(self._anchors.likeness(vectors), vectors, self._taxonomy, link)
        by_text = dict(zip(texts, linked, strict=True))
        return [found_in(one, by_text, self._taxonomy) for one in prose]

    def meanings(self, lesson: Lesson, found: Sequence[Candidate]) -> list[int]:
        """-1: what is broader than a wish is neither right nor wrong."""
        wanted, avoided = ids_of(lesson.marks, "wanted"), ids_of(lesson.marks, "avoided")
        neutral = self._lessons.above(wanted) - avoided
        ids = [self._taxonomy.labels[one.row].id for one in found]
        return [0 if id_ in wanted else 1 if id_ in avoided else -1 if id_ in neutral else 2 for id_ in ids]


def fitted(examples: Sequence[tuple[Candidate, int, int, float]]) -> dict[str, list[list[float]]]:
    """examples: candidates with their meaning, the number of their text and its weight. Prints what it is worth on
    others."""
    out: dict[str, list[list[float]]] = {}
    for source in SOURCES:
        own = [one for one in examples if one[0].place.source == source and one[1] >= 0]
        rows = np.array([one.features for one, _, _, _ in own], np.float64)
        meanings, texts, counts = (np.array([one[at] for one in own]) for at in (1, 2, 3))
        middle, spread = rows.mean(axis=0), rows.std(axis=0)
        spread[spread == 0] = np.inf  # what never changes here says nothing
        scaled = (rows - middle) / spread
        told = np.zeros((len(MEANINGS), len(MEANINGS)), int)
        for learned, rest in GroupKFold(5).split(scaled, meanings, texts):
            model = LogisticRegression(C=STRENGTH, max_iter=3_000).fit(
                scaled[learned], meanings[learned], counts[learned]
            )
            np.add.at(told, (meanings[rest], model.predict(scaled[rest])), 1)
        print(f"{source}: rows {', '.join(MEANINGS)}; columns what they were taken for\n{told}")
        model = LogisticRegression(C=STRENGTH, max_iter=3_000).fit(scaled, meanings, counts)
        weights = model.coef_ / spread
        constant = model.intercept_ - weights @ middle
        out[source] = np.round(np.hstack([weights, constant[:, None]]), DIGITS).tolist()
    return out


def judge(encoder: TextEncoder, taxonomy: Taxonomy, lessons: Lessons) -> None:
    judging = Judging(encoder, taxonomy, lessons)
    heard = [lesson for lesson in lessons.all() if lesson.author in HEARD]
    if missing := HEARD.keys() - {lesson.author for lesson in heard}:
        raise BadInputFile(f"nothing in bench/profiles is by {', '.join(sorted(missing))}")
    adapter, link = read_adapter(HERE / TAGGER_FILE), read_linker(HERE / LINKER_FILE)
    if {adapter.encoder, link.encoder} != {encoder.fingerprint}:
        raise BadInputFile(f"tagger or linker is not of {encoder.fingerprint}: train them first")
    found = judging.found(heard, adapter, link)
    examples = [
        (one, meaning, number, HEARD[lesson.author])
        for number, (lesson, own) in enumerate(zip(heard, found, strict=True))
        for one, meaning in zip(own, judging.meanings(lesson, own), strict=True)
    ]
    weights = fitted(examples)
    parts = []
    for source, rows in weights.items():
        lines = ",\n".join(json.dumps(row) for row in rows)
        parts.append(f'"{source}": [\n{lines}\n]')
    body = ",\n".join(parts)
    knows = {"encoder": encoder.fingerprint, "tagger": adapter.hash, "linker": link.hash, "features": FEATURES}
    told = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in knows.items())
    (HERE / "judge.json").write_text(f'{{{told},\n"weights": {{\n{body}\n}}}}\n', "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("anchors", "tagger", "linker", "judge"))
    given = parser.parse_args()
    encoder, taxonomy = load_encoder(load_settings().encoder), built_in()
    lessons = Lessons(load_labels(), taxonomy)
    if given.part == "anchors":
        write_shipped(encoder, HERE / ANCHORS_FILE)
        return
    read = [lesson for lesson in lessons.all() if lesson.author not in HEARD]
    if given.part == "tagger":
        write_adapter(profile_tagger.trained(read, encoder.fingerprint), HERE / TAGGER_FILE)
    elif given.part == "linker":
        write_linker(linker(encoder, taxonomy, read), HERE / LINKER_FILE)
    else:
        judge(encoder, taxonomy, lessons)


if __name__ == "__main__":
    main()
