"""Which items rules keep out of every list, by what the product states and what was read in their text. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from glowplug.events import ItemVector
from glowplug.settings import RankingSettings
from glowplug.text.hashes import content_hash

BETWEEN_WORDS = re.compile(r"[\s_-]+")


class Rules:
    """`ranking.exclude` and `ranking.exclude_unread`. fingerprint: empty where nothing is excluded; lists that were
    made under other rules are made anew."""

    def __init__(self, settings: RankingSettings) -> None:
        named = {name: frozenset(map(plain, values)) for name, values in settings.exclude.items()}
        self._values = {name: values for name, values in named.items() if values}
        self._unread = settings.exclude_unread and bool(self._values)
        rules = [f"{name}={value}" for name, values in sorted(self._values.items()) for value in sorted(values)]
        self.fingerprint = content_hash([*rules, f"unread={self._unread}"]) if rules else ""

    def exclude(self, item: ItemVector) -> bool:
        """The item is known and learned from, and on no list: as if it were not available."""
        return bool(self.reason(item))

    def reason(self, item: ItemVector) -> str:
        """Why the item is excluded, for people; empty where it is not."""
        if not self._values:
            return ""
        if self._unread and item.inferred is None:
            return "no profile model has read it yet"
        found = ((name, value) for name, value in _described(item) if plain(value) in self._values.get(name, ()))
        return next((f"{name}: {value}" for name, value in found), "")


def plain(value: str) -> str:
    """Sci-Fi, sci fi and SCI_FI are one value."""
    return BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", value).casefold()).strip()


def _described(item: ItemVector) -> Iterator[tuple[str, str]]:
    """(attribute, value) of all texts among the attributes, and of all that was inferred ("tone:calm")."""
    for name, value in item.attributes.items():
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, tuple):
            yield from ((name, one) for one in value)
    for claim in item.inferred.claims if item.inferred is not None else ():
        name, colon, value = claim.label.partition(":")
        if colon:
            yield name, value
