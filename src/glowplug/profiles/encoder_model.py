"""The profile model that needs no language model: labels of a taxonomy, by their words and by sentence vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glowplug.errors import ModelRejected
from glowplug.inference.bisect import encode_each
from glowplug.inference.encoder import Kind, TextEncoder, fingerprint
from glowplug.profiles.anchors import Anchors, anchors
from glowplug.profiles.hearing import Heard, heard
from glowplug.profiles.languages import languages
from glowplug.profiles.lexicon import Lexicon
from glowplug.profiles.model import Claimed, Inferred, Subject
from glowplug.profiles.pieces import Read, encoded, read
from glowplug.profiles.stance_model import judged, stance_model
from glowplug.profiles.taxonomy import LabelKind, Taxonomy
from glowplug.profiles.weighing import Weighed, weigh

VERSION = 4  # raise it when the same text, taxonomy and encoder come to give another profile
INTERESTS: frozenset[LabelKind] = frozenset({"interest"})
PREFERENCES: frozenset[LabelKind] = frozenset({"preference"})
ATTRIBUTES: frozenset[LabelKind] = frozenset({"audience", "tone", "theme"})
MOST_CLAIMS = 20  # of each kind; the longest list of interests that was labelled has six
MOST_CATEGORIES = 5  # an item that is everything is nothing
SURE = 1.5  # summed weights at which a profile is trusted to .63: two things named outright
NAMES = 4  # in each part of a summary
PLAIN = ("interests.", "title", "attributes.")  # fields that are no prose, and take no stance


class EncoderProfileModel:
    """Deterministic: the same subject gives the same claims, up to what the encoder's rounding does to a weight in
    another batch (about .001)."""

    def __init__(self, encoder: TextEncoder, taxonomy: Taxonomy, cache_dir: Path | None = None) -> None:
        """Computes and keeps the labels' vectors at the first start with this encoder and taxonomy."""
        self._encoder = encoder
        self._taxonomy = taxonomy
        self._lexicon = Lexicon(taxonomy.labels)
        self._topics = frozenset(row for row, label in enumerate(taxonomy.labels) if label.kind == "interest")
        self._anchors: Anchors = anchors(taxonomy, encoder, cache_dir)
        self._stances = stance_model(encoder.fingerprint)
        self.fingerprint = fingerprint(
            "encoder-profiles",
            {
                "encoder": encoder.fingerprint,
                "taxonomy": taxonomy.hash,
                "stances": self._stances.hash if self._stances else "",
                "version": VERSION,
            },
        )

    def infer(self, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
        ruled = [[self._read(subject, name, text) for name, text in subject.fields] for subject in subjects]
        reads = self._judged(subjects, ruled)
        likeness = self._likeness(subjects, reads)
        return [
            self._described(subject, fields, alike)
            for subject, fields, alike in zip(subjects, reads, likeness, strict=True)
        ]

    def _read(self, subject: Subject, name: str, text: str) -> Read:
        return read(name, text, self._lexicon, self._topics, is_plain=_is_plain(subject, name))

    def _judged(self, subjects: Sequence[Subject], ruled: Sequence[Sequence[Read]]) -> list[list[Read]]:
        """Stances as learned, where there is a model for this encoder; the rules' where a text has no vector."""
        out = [list(fields) for fields in ruled]
        if self._stances is None:
            return out
        places: list[tuple[int, int, tuple[Heard, ...]]] = [
            (number, at, found)
            for number, subject in enumerate(subjects)
            for at, field in enumerate(ruled[number])
            if not _is_plain(subject, field.field) and (found := heard(field, self._topics))
        ]
        told = [one for _, _, found in places for one in found]
        texts = list(dict.fromkeys(text for one in told for text in (one.sentence, one.clause)))
        vectors = dict(zip(texts, encode_each(self._encoder, texts, "user"), strict=True))
        for number, at, found in places:
            sentences = [vectors[one.sentence] for one in found]
            clauses = [vectors[one.clause] for one in found]
            if not any(isinstance(vector, ModelRejected) for vector in (*sentences, *clauses)):
                shares = self._stances.shares(np.array(sentences), np.array(clauses), found)
                out[number][at] = judged(out[number][at], found, shares)
        return out

    def _likeness(
        self, subjects: Sequence[Subject], reads: Sequence[Sequence[Read]]
    ) -> list[list[NDArray[np.float32]]]:
        """For each field of each subject float32 (pieces, labels). All texts of a kind are encoded at once."""
        labels = len(self._taxonomy.labels)
        out = [[np.zeros((len(one.pieces), labels), np.float32) for one in fields] for fields in reads]
        kinds: tuple[Kind, ...] = ("user", "item")
        for kind in kinds:
            places = [
                (number, at, piece)
                for number, (subject, fields) in enumerate(zip(subjects, reads, strict=True))
                if subject.kind == kind
                for at, one in enumerate(fields)
                for piece in encoded(one)
            ]
            texts = [reads[number][at].words(reads[number][at].pieces[piece]) for number, at, piece in places]
            vectors = encode_each(self._encoder, texts, kind)
            good = [
                (place, vector)
                for place, vector in zip(places, vectors, strict=True)
                if not isinstance(vector, ModelRejected)
            ]
            alike = self._anchors.likeness(np.array([vector for _, vector in good], np.float32))
            for ((number, at, piece), _), row in zip(good, alike, strict=True):
                out[number][at][piece] = row
        return out

    def _described(
        self, subject: Subject, reads: Sequence[Read], likeness: Sequence[NDArray[np.float32]]
    ) -> Inferred:
        found = weigh(reads, likeness, self._taxonomy, INTERESTS)
        wanted = [one for one in found if one.is_wanted]
        codes = languages([line for one in reads for line in _lines(one)])
        if subject.kind == "item":
            others = weigh(reads, likeness, self._taxonomy, ATTRIBUTES)
            claims = (
                *self._claims(reads, wanted[:MOST_CATEGORIES], prefix="category:"),
                *self._claims(reads, [one for one in others if one.is_wanted][:MOST_CLAIMS]),
            )
            ranked = tuple(sorted(claims, key=lambda claim: -claim.weight))
            return Inferred(
                attributes=ranked,
                summary=self._summary("About", wanted),
                languages=codes,
                confidence=_confidence(wanted),
            )
        avoided = [one for one in found if not one.is_wanted]
        preferred = [one for one in weigh(reads, likeness, self._taxonomy, PREFERENCES) if one.is_wanted]
        parts = (
            self._summary("Likes", wanted),
            self._summary("Prefers", preferred),
            self._summary("Avoids", avoided),
        )
        return Inferred(
            interests=self._claims(reads, wanted[:MOST_CLAIMS]),
            preferences=self._claims(reads, preferred[:MOST_CLAIMS]),
            avoid=self._claims(reads, avoided[:MOST_CLAIMS]),
            summary=" ".join(part for part in parts if part),
            languages=codes,
            confidence=_confidence(found),
        )

    def _claims(self, reads: Sequence[Read], found: Sequence[Weighed], prefix: str = "") -> tuple[Claimed, ...]:
        claims = []
        for one in found:
            label = self._taxonomy.labels[one.row]
            start, end = reads[one.at].text.original(one.start, one.end)
            claims.append(Claimed(f"{prefix}{label.id}", one.weight, reads[one.at].field, start, end))
        return tuple(claims)

    def _summary(self, verb: str, found: Sequence[Weighed]) -> str:
        names = [self._taxonomy.labels[one.row].name for one in found[:NAMES]]
        return f"{verb} {', '.join(names)}." if names else ""


def _is_plain(subject: Subject, name: str) -> bool:
    return subject.kind == "item" or name.startswith(PLAIN)


def _lines(one: Read) -> list[str]:
    return [line for piece in one.pieces if (line := one.words(piece).strip())]


def _confidence(found: Sequence[Weighed]) -> float:
    """1 - exp(-sum of weights / SURE): 0 for nothing, and never quite 1."""
    return round(1.0 - math.exp(-sum(one.weight for one in found) / SURE), 3)
