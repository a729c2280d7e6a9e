"""Which labels a text names outright, in any language: all words of the taxonomy looked up in one pass."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ahocorasick_rs import AhoCorasick

from glowplug.profiles.taxonomy import Label
from glowplug.profiles.visible import Visible, fold, visible

# Scripts that write no spaces between words: a word of theirs stands wherever it is found.
UNSPACED = re.compile("[\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
KATAKANA = re.compile(
    "[\u30a1-\u30fa\u30fc]"
)  # written for foreign words, one run a word: テニス is not in ペテニスト
ARABIC = re.compile("[\u0600-\u06ff]")
DEVANAGARI = re.compile("[\u0900-\u097f]")
CYRILLIC = re.compile("[\u0400-\u04ff]")
# What may follow a word of the taxonomy that is one of the text: endings of number and case.
SHORT_CHARS = 4  # "thé" without its accent is another language's word, "futbol" is not
LONG_CHARS = 5  # shorter words collide with others when anything is added but a plural's s
ENDINGS = frozenset(("s", "'s", "’s"))
LONG_ENDINGS = ENDINGS | {"es", "n", "en", "e", "a", "as", "os", "i", "x", "er", "ern", "in", "ing"}
LETTERS_AFTER = 2  # of a word in Arabic, Devanagari or Cyrillic
ARTICLES = frozenset(("", "ا", "و", "ب", "ل", "ك", "ف", "ال", "لل", "وال", "بال", "كال", "فال"))


@dataclass(frozen=True, slots=True)
class Mention:
    """Label `row` is named by the visible text [start, end), or only hinted at."""

    row: int
    start: int
    end: int
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Word:
    """tail: what has to follow `head`, where `~` stands inside or at the end. exact: as it is spelt.
    accented: with its accents, in lower case, where they tell it from other words."""

    row: int
    head: str
    tail: re.Pattern[str] | None
    is_open_left: bool
    exact: str = ""
    accented: str = ""
    is_sure: bool = True


class Lexicon:
    def __init__(self, labels: Sequence[Label]) -> None:
        self._words: dict[str, list[Word]] = {}
        for row, label in enumerate(labels):
            for spelt, is_sure in (*((w, True) for w in label.words), *((w, False) for w in label.hints)):
                word = replace(_word(row, spelt), is_sure=is_sure)
                if word.head:
                    self._words.setdefault(word.head, []).append(word)
        self._heads = list(self._words)
        self._automaton = AhoCorasick(self._heads)

    def mentions(self, text: Visible) -> tuple[Mention, ...]:
        """In the order of the text. What lies within a longer mention is none of its own ("electric car")."""
        kept: list[Mention] = []
        longest = sorted(
            set(self._all(text)), key=lambda one: (one.start - one.end, one.start, one.row, not one.is_sure)
        )
        for mention in longest:
            if all(_is_same_or_apart(mention, other) for other in kept):
                kept.append(mention)
        return tuple(sorted(kept, key=lambda one: (one.start, one.end, one.row)))

    def _all(self, text: Visible) -> Iterator[Mention]:
        folded = text.folded
        for number, start, end in self._automaton.find_matches_as_indexes(folded, overlapping=True):
            head = self._heads[number]
            for word in self._words[head]:
                stop = _end(word, text, start, end)
                if stop is not None:
                    first = _word_start(folded, start) if word.is_open_left else start
                    yield Mention(word.row, first, stop, word.is_sure)


def _word(row: int, spelt: str) -> Word:
    exact = spelt.startswith("=")
    is_open_left = spelt.startswith("~")
    plain = visible(spelt.lstrip("=~")).text
    pieces = fold(plain).split("~")
    rest = r"\w*".join(map(re.escape, pieces[1:]))
    tail = re.compile(rf"\w*{rest}") if len(pieces) > 1 else None
    is_short = len(pieces[0]) <= SHORT_CHARS and pieces[0] != plain.split("~")[0].lower()
    accented = plain.split("~")[0].lower() if is_short else ""
    return Word(row, pieces[0], tail, is_open_left, plain if exact else "", accented)


def _end(word: Word, text: Visible, start: int, end: int) -> int | None:
    """Where the mention ends that begins with `word.head` at [start, end); None where it is another word."""
    folded = text.folded
    if not word.is_open_left and not _begins(folded, start):
        return None
    if word.accented and text.text[start:end].lower() != word.accented:
        return None
    if word.exact:
        as_spelt = text.text[start:end] == word.exact
        is_proper = word.exact[0].isupper() and _opens_sentence(folded, start)
        return end if as_spelt and not is_proper and not _is_letter(folded, end) else None
    if word.tail is not None:
        found = word.tail.match(folded, end)
        if found is None:
            return None
        return (
            found.end()
            if found.end() == end or word.tail.pattern.endswith(r"\w*")
            else _ending(folded, start, found.end())
        )
    return _ending(folded, start, end)


def _ending(folded: str, start: int, end: int) -> int | None:
    """The end of the word, its inflection included; None where the word goes on."""
    last = folded[end - 1]
    if KATAKANA.match(last):
        return None if end < len(folded) and KATAKANA.match(folded[end]) else end
    if UNSPACED.match(last) or not _is_letter(folded, end) or not (last.isalnum() or _is_mark(last)):
        return end
    stop = end
    while stop < len(folded) and (_is_letter(folded, stop) or folded[stop] in "'’"):
        stop += 1
    more = folded[end:stop]
    if UNSPACED.match(more[0]):
        return end
    if any(script.match(last) for script in (ARABIC, DEVANAGARI, CYRILLIC)):
        return stop if len(more) <= LETTERS_AFTER and end - start > LETTERS_AFTER else None
    if end - start < SHORT_CHARS:
        return None
    return stop if more in (LONG_ENDINGS if end - start >= LONG_CHARS else ENDINGS) else None


def _begins(folded: str, start: int) -> bool:
    first = folded[start]
    if start == 0 or not _is_letter(folded, start - 1):
        return True
    before = folded[start - 1]
    if KATAKANA.match(first):
        return not KATAKANA.match(before)
    if UNSPACED.match(first) or UNSPACED.match(before) or not (first.isalnum() or _is_mark(first)):
        return True
    if ARABIC.match(first):
        left = start
        while left > 0 and ARABIC.match(folded[left - 1]):
            left -= 1
        return folded[left:start] in ARTICLES
    return False


def _word_start(folded: str, at: int) -> int:
    while at > 0 and _is_letter(folded, at - 1):
        at -= 1
    return at


def _opens_sentence(folded: str, start: int) -> bool:
    before = folded[:start].rstrip(" \"'«“(¿¡-")
    return not before or before[-1] in ".!?…\n:;。！？"


def _is_letter(folded: str, at: int) -> bool:
    return at < len(folded) and (folded[at].isalnum() or _is_mark(folded[at]) or folded[at] == "_")


def _is_mark(char: str) -> bool:
    return not char.isascii() and unicodedata.category(char) in ("Mn", "Mc")


def _is_same_or_apart(one: Mention, other: Mention) -> bool:
    return (one.start, one.end) == (other.start, other.end) or one.end <= other.start or other.end <= one.start
