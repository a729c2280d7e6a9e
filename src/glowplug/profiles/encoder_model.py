"""The profile model that needs no language model: labels of a taxonomy, by their words and by sentence vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glowplug.errors import ModelRejected
from glowplug.inference.bisect import encode_each
from glowplug.inference.encoder import KINDS, Kind, TextEncoder, fingerprint
from glowplug.profiles.anchors import Anchors, anchors
from glowplug.profiles.languages import languages
from glowplug.profiles.learned import Prose, learned
from glowplug.profiles.lexicon import Lexicon
from glowplug.profiles.model import Claimed, Inferred, Subject
from glowplug.profiles.pieces import Read, encoded, read
from glowplug.profiles.taxonomy import LabelKind, Taxonomy
from glowplug.profiles.weighing import Weighed, strongest, weigh

VERSION = 6  # raise it when the same text, taxonomy and encoder come to give another profile
INTERESTS: frozenset[LabelKind] = frozenset({"interest"})
PREFERENCES: frozenset[LabelKind] = frozenset({"preference"})
ATTRIBUTES: frozenset[LabelKind] = frozenset({"audience", "tone", "theme"})
MOST_CLAIMS = 20  # of each kind; the longest list of interests that was labelled has six
MOST_CATEGORIES = 5  # an item that is everything is nothing
SURE = 1.5  # summed weights at which a profile is trusted to .63: two things named outright
NAMES = 4  # in each part of a summary
PLAIN = ("interests.", "title", "attributes.")  # fields that are no prose, and take no stance


@dataclass(frozen=True, slots=True)
class _Compared:
    """Of each text that could be encoded its cosine to each label (labels,), and, where something was learned, what
    the linker makes of it."""

    likeness: Mapping[str, NDArray[np.float32]]
    linked: Mapping[str, NDArray[np.float32]]


class EncoderProfileModel:
    """Deterministic: the same subject gives the same claims, up to what the encoder's rounding does to a weight in
    another batch (about .001)."""

    def __init__(self, encoder: TextEncoder, taxonomy: Taxonomy, cache_dir: Path | None = None) -> None:
        """Computes and keeps those of the labels' vectors that do not come with the package."""
        self._encoder = encoder
        self._taxonomy = taxonomy
        self._lexicon = Lexicon(taxonomy.labels)
        self._anchors: Anchors = anchors(taxonomy, encoder, cache_dir)
        self._learned, learned_hash = learned(encoder, taxonomy)
        self.fingerprint = fingerprint(
            "encoder-profiles",
            {
                "encoder": encoder.fingerprint,
                "taxonomy": taxonomy.hash,
                "learned": learned_hash,
                "version": VERSION,
            },
        )

    def infer(self, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
        reads = [[self._read(subject, name, text) for name, text in subject.fields] for subject in subjects]
        prose = self._prose(subjects, reads)
        vectors = {kind: self._vectors(kind, subjects, reads, prose) for kind in KINDS}
        return [
            self._described(subject, reads[number], prose[number], vectors[subject.kind])
            for number, subject in enumerate(subjects)
        ]

    def _read(self, subject: Subject, name: str, text: str) -> Read:
        return read(name, text, self._lexicon, self._taxonomy.topics, is_plain=_is_plain(subject, name))

    def _prose(self, subjects: Sequence[Subject], reads: Sequence[Sequence[Read]]) -> list[dict[int, Prose]]:
        """Of each subject, by the number of the field: what is judged as it was learned, and not by the rules."""
        out: list[dict[int, Prose]] = [{} for _ in subjects]
        if self._learned:
            fields = [
                (number, at)
                for number, subject in enumerate(subjects)
                for at, field in enumerate(reads[number])
                if not _is_plain(subject, field.field)
            ]
            found = self._learned.read([reads[number][at] for number, at in fields])
            for (number, at), one in zip(fields, found, strict=True):
                if one:
                    out[number][at] = one
        return out

    def _vectors(
        self,
        kind: Kind,
        subjects: Sequence[Subject],
        reads: Sequence[Sequence[Read]],
        prose: Sequence[Mapping[int, Prose]],
    ) -> _Compared:
        """Of all that is compared with labels in the texts of one kind of subject, encoded at once."""
        own = [number for number, subject in enumerate(subjects) if subject.kind == kind]
        pieces = [one.words(one.pieces[at]) for number in own for one in reads[number] for at in encoded(one)]
        marked = [text for number in own for one in prose[number].values() for text in one.texts]
        texts = list(dict.fromkeys((*pieces, *marked)))
        found = {
            text: vector
            for text, vector in zip(texts, encode_each(self._encoder, texts, kind), strict=True)
            if not isinstance(vector, ModelRejected)
        }
        rows = np.array(list(found.values()), np.float32).reshape(len(found), self._encoder.dim)
        likeness = self._anchors.likeness(rows)
        linked = self._learned.linked(likeness, rows) if self._learned and marked else likeness
        return _Compared(dict(zip(found, likeness, strict=True)), dict(zip(found, linked, strict=True)))

    def _likeness(self, one: Read, compared: _Compared) -> NDArray[np.float32]:
        """float32 (pieces, labels); zeros where a piece has no vector."""
        out = np.zeros((len(one.pieces), len(self._taxonomy.labels)), np.float32)
        for at in encoded(one):
            row = compared.likeness.get(one.words(one.pieces[at]))
            if row is not None:
                out[at] = row
        return out

    def _described(
        self, subject: Subject, reads: Sequence[Read], prose: Mapping[int, Prose], compared: _Compared
    ) -> Inferred:
        likeness = [self._likeness(one, compared) for one in reads]
        found = weigh(reads, likeness, self._taxonomy, INTERESTS, but=frozenset(prose))
        if self._learned:
            for at, one in prose.items():
                found += self._learned.weighed(at, one, compared.linked)
            found = strongest(found)
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
