"""What in a text is addressed to the machine that reads it: it says nothing of its user or item. Pure.

The rule: whatever speaks to or about the reader of the text (a model, a system, "the user"), wears the form of a
prompt or an answer (chat templates, markup, JSON), or repeats one word to be counted, is not read at all. What is
left is read as ever. So an attack can take words away, and cannot add any.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

from glowplug.profiles.cues import Span
from glowplug.profiles.stance import SENTENCE_END, spans
from glowplug.profiles.visible import Visible, is_disguised, visible

# Whole blocks, up to what closes them, else to the end of the text.
BLOCKS = re.compile(
    r"<\|(?:im_start|start_header_id|system|assistant|user)\|>.*?(?:<\|(?:im_end|eot_id|end)\|>|\Z)"
    r"|<start_of_turn>.*?(?:<end_of_turn>|\Z)"
    r"|<(system|assistant|user|script|style|instructions?)\b[^>]*>.*?(?:</\1>|\Z)"
    r"|\[inst\].*?(?:\[/inst\]|\Z)|<<sys>>.*?(?:<</sys>>|\Z)|```.*?(?:```|\Z)|<!--.*?(?:-->|\Z)",
    re.DOTALL,
)
# An element that a page would not show: its text is not meant for people.
UNSHOWN = re.compile(
    r"<([a-z]+)\b[^>]*(?:font-size:\s*0|display:\s*none|visibility:\s*hidden|opacity:\s*0|color:|\shidden)[^>]*>"
    r".*?(?:</\1>|\Z)",
    re.DOTALL,
)
TOKENS = re.compile(
    r"<\|[^|>\n]{1,40}\|>|</?[a-z][a-z0-9_-]{0,30}(?:\s[^<>\n]{0,200})?/?>|!?\[[^\]\n]*\]\([^\s]*\)*"
    r"|\b(?:https?|javascript|data):\S+"
)
# {"key": …} and ["value", …], closed or not, and an answer that closes somebody else's; braces and quotes do not
# occur like that in what people write of themselves.
JSON = re.compile(
    r"\{\s*[\"'“]?\w+[\"'”]?\s*:.*?(?:\}+|\Z)|\[\s*[\"'“].*?(?:\]|\Z)|[\"'”]\s*[}\]]+\s*,\s*[\"'“].*\Z", re.DOTALL
)
ENCODED = re.compile(r"(?<![\w/+=])(?=[\w/+]*[A-Z])(?=[\w/+]*[a-z])(?=[\w/+]*\d)[A-Za-z0-9+/]{20,}={0,2}")
PART_END = re.compile(r"[,，、:：()（）\[\]]")
WORD = re.compile(r"\w+")
# "casino casino casino casino", "chess chessboard chess book chess": nobody who writes of themselves does it.
REPEATS = 4
REPEATED_SHARE = 0.3  # of a sentence's words
STEM = 5  # letters by which words are taken for the same
IN_A_ROW = re.compile(r"(.{2,12}?)(?:\W{0,3}\1){3,}")  # likewise where no spaces are written
HIDDEN = 4  # hidden characters in one sentence, and
HIDDEN_SHARE = 0.6  # for each that is seen, from which on it was hidden from people and not merely pasted badly
DISGUISED = 2  # words of one sentence with letters that only look Latin


def unread(text: Visible) -> tuple[Span, ...]:
    """Spans of the visible text, in order and apart, that are not to be read."""
    folded = text.folded
    found: list[Span] = []
    for pattern in (BLOCKS, UNSHOWN, TOKENS, JSON):
        found += [match.span() for match in pattern.finditer(folded)]
    found += [match.span() for match in ENCODED.finditer(text.text)]
    rest = blanked(folded, list(_merged(found)))  # what stands before a block is no part of its sentence
    found += _roles(folded)
    found += _orders(text, rest)
    found += _repetitions(folded)
    found += [sentence for sentence in spans(folded, 0, len(folded), SENTENCE_END) if _is_hidden(text, sentence)]
    return tuple(_merged(found))


def legible(original: str) -> str:
    """`original` without what is addressed to a machine, as embedders read it; the same where there is none."""
    text = visible(original)
    out = original
    for first, last in reversed(unread(text)):
        start, end = text.original(first, last)
        out = f"{out[:start]}\n{out[end:]}"
    return out


def blanked(folded: str, hidden: Sequence[Span]) -> str:
    """As long as `folded`, with line breaks in the place of what is not to be read."""
    out = folded
    for start, end in hidden:
        out = f"{out[:start]}{chr(10) * (end - start)}{out[end:]}"
    return out


def _roles(folded: str) -> Iterator[Span]:
    """From the head of another speaker to where the text is said to go on, else to its end."""
    label = _pattern("label")
    for head in _pattern("role").finditer(folded):
        ends = label.search(folded, head.end())
        yield head.start(), ends.end() if ends else len(folded)


def _orders(text: Visible, folded: str) -> Iterator[Span]:
    """A sentence that orders is not read from its first such part on: an order's object follows it.

    What merely labels the text ("User text follows:") ends with its colon or bracket. Once a text has given an
    order, sentences with a verb of recommending go with it."""
    strong, label, weak = _pattern("order"), _pattern("label"), _pattern("recommend")
    is_under_orders = False
    for sentence in spans(folded, 0, len(folded), SENTENCE_END):
        if _has_gaps(text, sentence) and strong.search(folded[sentence[0] : sentence[1]][::-1]):
            yield sentence  # written backwards, for marks that turn it round on a screen
            continue
        parts = list(spans(folded, *sentence, PART_END))
        for number, (start, end) in enumerate(parts):
            if label.search(folded, start, end):
                yield start, end
                is_under_orders = True
            elif strong.search(folded, start, end) or (is_under_orders and weak.search(folded, start, end)):
                stop = next(
                    (one for one, two in parts[number + 1 :] if label.search(folded, one, two)), sentence[1]
                )
                addressed = number and folded[parts[number - 1][1] - 1] in ":："
                yield parts[number - 1][0] if addressed else start, stop
                is_under_orders = True
                break


def _repetitions(folded: str) -> Iterator[Span]:
    """Sentences that say one word again and again, and stretches that do."""
    for sentence in spans(folded, 0, len(folded), SENTENCE_END):
        words = WORD.findall(folded[sentence[0] : sentence[1]])
        stems = Counter(word[:STEM] for word in words if len(word) >= STEM - 1 or not word.isascii())
        most = max(stems.values(), default=0)
        if most >= REPEATS and most >= REPEATED_SHARE * len(words):
            yield sentence
    yield from (match.span() for match in IN_A_ROW.finditer(folded) if match[1].strip())


def _has_gaps(text: Visible, sentence: Span) -> bool:
    """Something in it, or right before it, is not seen."""
    first = max(sentence[0], 1)
    is_opened = text.starts[0] > 0 and sentence[0] == 0
    return is_opened or any(text.starts[at] > text.ends[at - 1] for at in range(first, sentence[1]))


def _is_hidden(text: Visible, sentence: Span) -> bool:
    """Riddled with characters that nobody sees, or spelt in letters that only look right."""
    start, end = sentence
    gaps = sum(
        text.starts[at] - text.ends[at - 1] for at in range(start + 1, end) if text.starts[at] > text.ends[at - 1]
    )
    if gaps >= HIDDEN and gaps >= HIDDEN_SHARE * (end - start):
        return True
    return sum(map(is_disguised, WORD.findall(text.text[start:end].lower()))) >= DISGUISED


def _merged(found: Sequence[Span]) -> Iterator[Span]:
    at: Span | None = None
    for start, end in sorted(found):
        if at is not None and start <= at[1]:
            at = (at[0], max(at[1], end))
            continue
        if at is not None:
            yield at
        at = (start, end)
    if at is not None:
        yield at


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    sources: dict[str, list[str]] = json.loads(
        files("glowplug.profiles").joinpath("orders.json").read_text("utf-8")
    )
    return re.compile("|".join(f"(?:{source})" for source in sources[kind]), re.MULTILINE)
