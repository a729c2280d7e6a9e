"""A text as a person sees it, each character knowing where in the original it stands. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from glowplug.text.clean import BLANK, BREAKS, HIDDEN, STRAY_JOINER

APOSTROPHES = "’‘ʼ＇"  # what phones type in the place of the one on keyboards
HALF_MARKS = "\uff9e\uff9f"  # half-width voiced marks combine with the kana before them, and are no combining marks
# Letters of other alphabets that look like Latin ones: within a word of Latin letters they are a disguise.
LOOKALIKES = str.maketrans(
    "аеорсухіјѕкмтвнԁԛԝɡαοερνιτκ", "aeopcyxijskmtbhdqwgaoepvitk"
)  # Cyrillic, then Latin script g, then Greek


@dataclass(frozen=True, slots=True)
class Visible:
    """text: NFKC, without hidden characters. folded: as many characters, in lower case, Latin letters without
    accents, disguised letters undone; for matching. Character i of both stands at original[starts[i]:ends[i]]."""

    text: str
    folded: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def until(self, chars: int) -> Visible:
        """Its first `chars` characters."""
        return Visible(self.text[:chars], self.folded[:chars], self.starts[:chars], self.ends[:chars])

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Span of the original for the visible span [start, end), which is not empty."""
        return self.starts[start], self.ends[end - 1]


def visible(original: str) -> Visible:
    """Line breaks of every kind are `\\n`, other white space is a space; nothing is collapsed."""
    shown = original if original.isascii() and original.isprintable() else None
    if shown is not None:
        at = tuple(range(len(shown) + 1))
        return Visible(shown, fold(shown), at[:-1], at[1:])
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end, seen in _clusters(_blanked(original)):
        for char in unicodedata.normalize("NFKC", seen):
            chars.append(char)
            starts.append(start)
            ends.append(end)
    text = "".join(chars)
    return Visible(text, fold(text), tuple(starts), tuple(ends))


def fold(text: str) -> str:
    """As long as `text`; see Visible.folded."""
    if text.isascii():
        return text.lower()
    folded = "".join(map(_folded, text))
    return "".join(word.translate(LOOKALIKES) if is_disguised(word) else word for word in _words_and_gaps(folded))


@lru_cache(maxsize=4_096)
def _folded(char: str) -> str:
    if char in APOSTROPHES:
        return "'"
    lower = char.lower()
    if len(lower) != 1:
        return char
    base = unicodedata.normalize("NFD", lower)[0]
    return base if base.isascii() else lower


def is_disguised(word: str) -> bool:
    """A word in lower case: Latin letters, and others that all look like Latin ones."""
    foreign = [char for char in word if char.isalpha() and not char.isascii()]
    return bool(foreign) and any(map(str.isascii, word)) and all(ord(char) in LOOKALIKES for char in foreign)


def _words_and_gaps(text: str) -> Iterator[str]:
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or text[at].isalpha() != text[start].isalpha():
            yield text[start:at]
            start = at


def _blanked(text: str) -> str:
    """As long as `text`, with NUL for what nobody sees."""
    blanked = BREAKS.sub(lambda found: "\n" * len(found[0]), text)
    blanked = BLANK.sub("\0", blanked)
    # A joiner is judged by its neighbours as they are once what is hidden between them is gone: on the text
    # itself that is only so where nothing is, which leaves a joiner too few in Persian and none too many.
    blanked = STRAY_JOINER.sub("\0", blanked)
    return "".join(map(_shown, blanked))


@lru_cache(maxsize=4_096)
def _shown(char: str) -> str:
    if char in "\n\u200c\u200d":
        return char
    if char.isspace():
        return " "
    return "\0" if unicodedata.category(char) in HIDDEN else char


def _clusters(blanked: str) -> Iterator[tuple[int, int, str]]:
    """Each visible character with the marks that combine with it: [start, end), and what is seen of it."""
    start, end, seen = 0, 0, ""
    for at, char in enumerate(blanked):
        if char == "\0":
            continue
        if seen and not (unicodedata.combining(char) or char in HALF_MARKS):
            yield start, end, seen
            seen = ""
        start = start if seen else at
        end = at + 1
        seen += char
    if seen:
        yield start, end, seen
