"""The labels that texts are described with, their words in many languages, and what settings add to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from glowplug.errors import BadSettings, shown
from glowplug.events import MAX_TITLE_CHARS
from glowplug.settings import LabelSettings, ProfileSettings

BUILT_IN = "taxonomy.json"
HASH_CHARS = 12  # 48 bits, as of an encoder's fingerprint

LabelKind = Literal["interest", "preference", "audience", "tone", "theme", "nothing"]


@dataclass(frozen=True, slots=True)
class Label:
    """name: short English. broader: labels that hold for whoever holds this one; of `interest` labels only.
    A label of kind `nothing` names what says nothing of anybody: what is more like it than like others is left out.

    words: what names it, in any language. `photograph~` stands for every word that begins so; `=Go` only as it is
    spelt, and not at the beginning of a sentence. hints: words that can mean it and often mean something else.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    id: Annotated[str, Field(min_length=1, max_length=MAX_TITLE_CHARS)]
    kind: LabelKind
    name: Annotated[str, Field(min_length=1)]
    domain: str = ""
    broader: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taxonomy:
    labels: tuple[Label, ...]

    @cached_property
    def hash(self) -> str:
        """Of everything in it, the same in every process."""
        whole = TypeAdapter(tuple[Label, ...]).dump_json(self.labels)
        return hashlib.sha256(whole).hexdigest()[:HASH_CHARS]

    @cached_property
    def rows(self) -> dict[str, int]:
        """Position of each label, by its id."""
        return {label.id: row for row, label in enumerate(self.labels)}

    @cached_property
    def topics(self) -> frozenset[int]:
        """Positions of what can be wanted or avoided."""
        return self.rows_of(frozenset({"interest"}))

    @cached_property
    def nothing(self) -> tuple[int, ...]:
        """Positions of what says nothing of anybody."""
        return tuple(sorted(self.rows_of(frozenset({"nothing"}))))

    def rows_of(self, kinds: frozenset[LabelKind]) -> frozenset[int]:
        return frozenset(row for row, label in enumerate(self.labels) if label.kind in kinds)

    @cached_property
    def above(self) -> tuple[frozenset[int], ...]:
        """For each label the rows of all that are broader, at any remove."""
        return tuple(frozenset(self._above(row)) for row in range(len(self.labels)))

    def _above(self, row: int) -> set[int]:
        found: set[int] = set()
        waiting = [row]
        while waiting:
            broader = {self.rows[id_] for id_ in self.labels[waiting.pop()].broader} - found
            found |= broader
            waiting += broader
        return found - {row}


def built_in() -> Taxonomy:
    text = files("glowplug.profiles").joinpath(BUILT_IN).read_text("utf-8")
    return Taxonomy(TypeAdapter(tuple[Label, ...]).validate_json(text))


def taxonomy(settings: ProfileSettings) -> Taxonomy:
    """The built-in labels, and those of the settings: of the file first, then the inline ones.

    A label whose id is known adds its words to that label, and may rename it. Raises BadSettings.
    """
    merged = {label.id: label for label in built_in().labels}
    for label in (*_of_file(settings.taxonomy), *_inline(settings.labels)):
        known = merged.get(label.id)
        merged[label.id] = _joined(known, label) if known else replace(label, name=label.name or label.id)
    for label in merged.values():
        unknown = next((id_ for id_ in label.broader if id_ not in merged), None)
        if unknown is not None:
            raise BadSettings(
                f"profiles: label {shown(label.id)}: broader names {shown(unknown)}, which is no label"
            )
    return Taxonomy(tuple(merged.values()))


def _joined(known: Label, more: Label) -> Label:
    return Label(
        id=known.id,
        kind=known.kind,
        name=more.name or known.name,
        domain=more.domain or known.domain,
        broader=more.broader or known.broader,
        words=tuple(dict.fromkeys((*known.words, *more.words))),
        hints=tuple(dict.fromkeys((*known.hints, *more.hints))),
    )


def _inline(labels: dict[str, LabelSettings]) -> Iterable[Label]:
    for id_, label in labels.items():
        yield Label(id_, label.kind, label.name, "", label.broader, label.words)


def _of_file(path: Path | None) -> Sequence[Label]:
    if path is None:
        return ()
    try:
        return TypeAdapter(tuple[Label, ...]).validate_json(path.read_bytes())
    except OSError as error:
        raise BadSettings(f"profiles.taxonomy: {shown(str(path))} cannot be read ({error.strerror})") from error
    except (ValidationError, json.JSONDecodeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, first["loc"]))
        raise BadSettings(
            f"profiles.taxonomy: {shown(str(path))}: {where}: {first['msg']}; it is a list of "
            '{"id", "kind", "name", "words"}, such as Glowplug\'s own taxonomy.json'
        ) from error
