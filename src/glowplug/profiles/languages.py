"""Which languages a text is in: Kana, Hangul and the like by their script, others by py3langid's model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

# py3langid knows 141 codes; of short texts it would find Afrikaans in "hi" and Pidgin in "jazz and chess".
KNOWN = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu",
    "id", "it", "ja", "ko", "lt", "lv", "ms", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "ta",
    "te", "th", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip
UNCLEAR_CHARS = 6  # "Jazz." is a word of every language
LEAST_SHARE = 0.2  # of the letters: a loan word makes no second language


def languages(passages: Sequence[str]) -> tuple[str, ...]:
    """ISO 639-1 codes, the most used by letters first. passages: clauses or lines, each in one language."""
    letters: defaultdict[str, int] = defaultdict(int)
    whole = _code("\n".join(passages))
    for passage in passages:
        count = sum(map(str.isalpha, passage))
        code = whole if passage.isascii() and count < len(passage) and count <= UNCLEAR_CHARS else _code(passage)
        if code:
            letters[code] += count
    total = sum(letters.values())
    ranked = sorted(letters, key=lambda code: (-letters[code], code))
    return tuple(code for code in ranked if letters[code] >= LEAST_SHARE * total)


def _code(text: str) -> str:
    if sum(map(str.isalpha, text)) < (UNCLEAR_CHARS if text.isascii() else 1):
        return ""
    code: str = _identifier().classify(text)[0]
    return code


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(list(KNOWN))
    return identifier
