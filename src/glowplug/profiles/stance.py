"""What a text makes of the things it names: wanted, to be avoided, or neither, clause by clause. Pure.

Cues of many languages (cues.json, on folded text) and the reach of each: the idea of NegEx (Chapman et al., "A
Simple Algorithm for Identifying Negated Findings", J. Biomedical Informatics 34, 2001), with cues that look back,
double negation, other people's tastes, the past and irony.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Literal

from glowplug.profiles.lexicon import Mention

Stance = Literal["wanted", "avoided", "neither"]
Span = tuple[int, int]

SENTENCE_END = re.compile(r"[.!?…]+[\"'”»)]*(?=\s|$|[\u3040-\u9fff])|[。！？｡।؟；;]+[”」』）]?|\n+")
CLAUSE_END = re.compile(r"(?<=[てくがどしらでりもす])、|[,，:：()（）\[\]{}|•·–—«»“”「」『』،]|(?<=\s)[-/~](?=\s)")
# Opens a clause that goes on with the list before it.
CONTINUES = re.compile(
    r"\s*(?:and|or|nor|not|y|e|o|u|ni|ou|et|und|oder|noch|nem|и|или|ни|و|أو|ولا|या|और|和|或|以及|还有|也|と|や|および)\b"
)
JOINED = re.compile(r"\b(?:and|or|und|oder|y|e|et|ou|и|или)\b|[和跟与或、やとと]|و|और|या")
SUBJECT = re.compile(r"i(?:'\w+)?|yo|eu|ich|je|j'|я|我|自己|私|僕|俺|أنا|मैं")  # and not "spare me"
AND = re.compile(r"(?<=\s)(?:and|und|y|e|et|и)(?=\s)")
MEANT: dict[str, Stance] = {
    "neutral": "neither",
    "keep": "wanted",
    "like": "wanted",
    "irony": "avoided",
    "avoid_before": "avoided",
    "avoid_after": "avoided",
    "near": "avoided",
    "sour": "avoided",
}
BARE_WORDS = 6  # a clause that merely goes on with a list has no more, or so many characters where words have no
AVOIDS = ("avoid_before", "avoid_after", "near", "sour")
BARE_CHARS = 40  # spaces between them
NEAR_WORDS = re.compile(r"\W*(?:[^\s,.;]+\s*){1,3}")
NEAR_CHARS = 40  # how far a mere "no" reaches: "no sugar, please" and not the whole sentence behind it
# The earlier wins an overlap. A `sour` word judges ("boring", "无聊") whatever its clause names, on either side.
LAYERS = ("neutral", "keep", "irony", "avoid_before", "avoid_after", "like", "sour", "near")
# Of a judgement that names nothing and is of what came before: "X? So boring."
SOUR_WORDS, SOUR_CHARS = 3, 12
SPOKEN = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Cue:
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one clause under one cue. by: that cue's kind; empty where none decides.

    is_others, is_past: as the holder and the time of the sentence stand at its end."""

    start: int
    end: int
    stance: Stance
    by: str = ""
    sentence: int = 0
    is_first: bool = False  # of its clause
    is_others: bool = False
    is_past: bool = False


def runs(folded: str, mentions: Sequence[Mention]) -> tuple[Run, ...]:
    """The whole text as runs, in order. mentions: of topics; a dislike without one of its own is of the last."""
    found: list[Run] = []
    starts = [mention.start for mention in mentions]
    sentences = list(spans(folded, 0, len(folded), SENTENCE_END))
    for number, sentence in enumerate(sentences):
        found += _sentence(folded, sentence, number, starts)
    return tuple(_looking_back(folded, _sighed_at(folded, sentences, found), mentions))


def spans(folded: str, start: int, end: int, separator: re.Pattern[str]) -> Iterator[Span]:
    """What lies between separators, each with the separator behind it; nothing that is only white space."""
    at = start
    for match in separator.finditer(folded, start, end):
        if folded[at : match.end()].strip():
            yield at, match.end()
        at = match.end()
    if folded[at:end].strip():
        yield at, end


def _sentence(folded: str, sentence: Span, number: int, starts: Sequence[int]) -> list[Run]:
    cues = _cues(folded, sentence)
    is_ironic = any(cue.kind == "irony" for cue in cues)
    is_taken_back = any(cue.kind == "irony" and not folded[cue.end : sentence[1]].strip(" .!?…") for cue in cues)
    out: list[Run] = []
    for clause in spans(folded, *sentence, CLAUSE_END):
        for run in _clause(folded, clause, [cue for cue in cues if clause[0] <= cue.start < clause[1]], starts):
            if is_taken_back or (is_ironic and run.by not in ("like", "keep", "turn")):
                run = replace(run, stance="avoided", by="irony")
            out.append(replace(run, sentence=number))
    return _held(folded, sentence, _listed_on(folded, out))


def _cues(folded: str, sentence: Span) -> list[Cue]:
    """Cues of polarity without overlaps: "not only" leaves no "not"."""
    taken: list[Cue] = []
    for kind in LAYERS:
        # A group is what acts: of "rather watch paint dry than" the "than".
        matches = [
            Cue(kind, *match.span(match.lastindex or 0))
            for match in _pattern(kind).finditer(folded, *sentence)
            if match[0]
        ]
        taken += [one for one in matches if all(one.end <= cue.start or cue.end <= one.start for cue in taken)]
    return sorted(taken, key=lambda cue: cue.start)


def _clause(folded: str, clause: Span, cues: Sequence[Cue], starts: Sequence[int]) -> Iterator[Run]:
    """Cut where a cue begins that looks forward, and behind one that looks back.

    starts: of the mentions. What looks back and finds none, but has one ahead, looks forward: "не люблю футбол"."""
    at, end = clause
    stance: Stance = "wanted"
    by = ""
    is_first = True
    is_liked = False
    for cue in cues:
        if cue.kind == "avoid_before" and (
            any(at <= start < cue.end for start in starts) or not any(cue.end <= start < end for start in starts)
        ):
            yield Run(at, cue.end, "avoided", cue.kind, is_first=is_first)
            at, stance, by, is_first = cue.end, "wanted", "", False
            continue
        if cue.kind == "sour":
            if is_liked:
                continue  # "I love terrible puns"
            if any(at <= start < cue.end for start in starts):
                yield Run(at, cue.end, "avoided", cue.kind, is_first=is_first)
                at, stance, by, is_first = cue.end, "wanted", "", False
                continue
        turns = cue.kind == "like" and _pattern("turn").fullmatch(folded[cue.start : cue.end].strip()) is not None
        is_liked = cue.kind in ("like", "keep") and not turns
        if cue.start > at:
            yield Run(at, cue.start, stance, by, is_first=is_first)
            is_first = False
        at, by = cue.start, "turn" if turns else "avoid_after" if cue.kind == "avoid_before" else cue.kind
        stance = MEANT[cue.kind]
        reach = _reach(folded, cue) if cue.kind == "near" else end
        if cue.kind == "sour" and (joined := AND.search(folded, cue.end, end)):
            reach = joined.start()  # "my job is dull and pays for chess"
        if reach < end:
            yield Run(at, reach, stance, by, is_first=is_first)
            at, stance, by, is_first = reach, "wanted", "", False
    if at < end:
        yield Run(at, end, stance, by, is_first=is_first)


def _reach(folded: str, cue: Cue) -> int:
    """A mere "no" ends with the next "and", and reaches three words."""
    joined = AND.search(folded, cue.end, cue.end + NEAR_CHARS)
    words = NEAR_WORDS.match(folded, cue.end, cue.end + NEAR_CHARS)
    reach = words.end() if words else cue.end + NEAR_CHARS
    return min(reach, joined.start()) if joined else reach


def _listed_on(folded: str, found: list[Run]) -> list[Run]:
    """A dislike goes on over the bare clauses of its list ("I hate A, B, C") and back ("A, B, C bore me"), and over
    all that stands under its heading ("not for me: A, B, C")."""
    headed: set[int] = set()

    def is_headed(at: int) -> bool:
        before = next((back for back in range(at - 1, -1, -1) if SPOKEN.search(folded, *_ends(found[back]))), at)
        is_heading = found[before].by in AVOIDS and folded[: found[at].start].rstrip().endswith((":", "："))
        return is_heading or before in headed

    for at, run in enumerate(found):
        is_bare = not run.by and run.is_first and _is_bare(folded, run)
        if at and is_bare and is_headed(at):
            headed.add(at)
            found[at] = replace(run, stance="avoided", by="avoid_after")
        elif at and is_bare and found[at - 1].by in ("avoid_after", "near") and _goes_on(folded, found, at):
            found[at] = replace(run, stance="avoided", by=found[at - 1].by)
        opening = CONTINUES.match(folded, run.start)
        inside = opening.end() if opening else run.start
        if run.by == "avoid_before" and run.is_first and JOINED.search(folded, inside, run.end):
            back = at - 1
            while back >= 0 and not found[back].by and found[back].is_first and _is_bare(folded, found[back]):
                found[back] = replace(found[back], stance="avoided", by="avoid_before")
                back -= 1
    return found


def _ends(run: Run) -> Span:
    return run.start, run.end


def _is_bare(folded: str, run: Run) -> bool:
    text = folded[run.start : run.end]
    return len(text.split()) <= BARE_WORDS and len(text) <= BARE_CHARS


def _goes_on(folded: str, found: Sequence[Run], at: int) -> bool:
    """Whether this clause, or one behind it with only bare ones between, ends a list: "…, or C", "…, B and C"."""
    joined = CONTINUES.match if found[at - 1].by == "near" else JOINED.search
    for run in found[at:]:
        if run.by or not run.is_first or not _is_bare(folded, run):
            return False
        if joined(folded, run.start, run.end):
            return True
    return False


def _held(folded: str, sentence: Span, found: Sequence[Run]) -> list[Run]:
    """Other people's tastes, the past and work are neither wanted nor avoided; disgust at them is the writer's."""
    is_gift = _pattern("gift").search(folded, *sentence) is not None
    is_others = is_past = False
    out = []
    for run in (part for whole in found for part in _by_speaker(folded, whole)):
        is_work = False
        for cue in _states(folded, run):
            if cue.kind == "others":
                is_others = not is_gift and not _is_quoting(folded, cue)
            elif cue.kind in ("past", "now"):
                is_past = cue.kind == "past"
            elif cue.kind == "work":
                is_work = run.by not in ("like", "turn")
            else:
                is_others = False
        if run.by in ("like", "keep", "turn"):
            is_past = is_past and bool(_pattern("past").search(folded, run.start, run.end))
        stance = run.stance
        if (is_others and run.by not in ("avoid_before", "sour")) or (stance == "wanted" and (is_past or is_work)):
            stance = "neither"
        out.append(replace(run, stance=stance, is_others=is_others, is_past=is_past))
    return out


def _by_speaker(folded: str, run: Run) -> Iterator[Run]:
    """Cut where somebody else, or the writer, becomes the subject, and where "and" leads away from work."""
    cuts = [
        cue.start
        for cue in _states(folded, run)
        if cue.kind == "others" or (cue.kind == "self" and SUBJECT.fullmatch(folded, cue.start, cue.end))
    ]
    if _pattern("work").search(folded, run.start, run.end):
        cuts += [joined.start() for joined in AND.finditer(folded, run.start, run.end)]
    at = run.start
    for cut in sorted(set(cuts)):
        if cut > at:
            yield replace(run, start=at, end=cut, is_first=run.is_first and at == run.start)
            at = cut
    yield replace(run, start=at, is_first=run.is_first and at == run.start)


def _is_quoting(folded: str, others: Cue) -> bool:
    """What somebody says of the writer is of the writer: "my wife says the telescope …"."""
    quoted = _pattern("quoted")
    return any(quoted.match(folded, others.end + more) is not None for more in (0, 1))


def _states(folded: str, run: Run) -> list[Cue]:
    """Who and when, in the order they are said; a longer cue hides the "my" within it."""
    cues = [
        Cue(kind, *match.span())
        for kind in ("others", "self", "past", "now", "work")
        for match in _pattern(kind).finditer(folded, run.start, run.end)
        if match[0]
    ]
    return sorted((cue for cue in cues if not any(_hides(other, cue) for other in cues)), key=lambda cue: cue.start)


def _hides(one: Cue, other: Cue) -> bool:
    is_longer = one.end - one.start > other.end - other.start
    return is_longer and one.start <= other.start and other.end <= one.end


def _sighed_at(folded: str, sentences: Sequence[Span], found: Sequence[Run]) -> list[Run]:
    """ "Another superhero film. I'll stay with my poems": the first is not wanted, though no word of it says so."""
    another, instead = _pattern("another"), _pattern("instead")
    sighs = {
        number
        for number, (one, two) in enumerate(pairwise(sentences))
        if another.match(folded, *one) and instead.match(folded, *two)
    }
    return [
        replace(run, stance="avoided", by="irony") if run.sentence in sighs and run.stance == "wanted" else run
        for run in found
    ]


def _is_of_it(folded: str, run: Run) -> bool:
    """The cue stands alone or with a pronoun."""
    cues = [cue for cue in _cues(folded, (run.start, run.end)) if cue.kind == "avoid_after"]
    is_bare = not cues or not folded[max(cue.end for cue in cues) : run.end].strip(" .,;:!?…。，、")
    return is_bare or _pattern("it").search(folded, run.start, run.end) is not None


def _is_brief(folded: str, said: Sequence[Run]) -> bool:
    """Nothing but a judgement. said: runs in a row."""
    text = folded[said[0].start : said[-1].end].strip()
    return len(text.split()) <= SOUR_WORDS and (" " in text or len(text) <= SOUR_CHARS)


def _looking_back(folded: str, found: list[Run], mentions: Sequence[Mention]) -> list[Run]:
    """A dislike that names nothing ("now it bores me") is of what was named last, here or a sentence before."""

    def names(run: Run) -> bool:
        return any(run.start <= mention.start < run.end for mention in mentions)

    for at, run in enumerate(found):
        if run.by not in ("avoid_before", "avoid_after", "neutral", "sour", "irony") or run.is_others or names(run):
            continue
        is_judgement = run.by in ("sour", "irony")
        if is_judgement and not _is_brief(folded, [run]):
            continue
        # "I can't stand it" looks back; "I hate queues" has its object, if one that no label knows.
        if run.by == "avoid_after" and not _is_of_it(folded, run):
            continue
        whole = [other for other in found if other.sentence == run.sentence]
        reaches_back = _is_brief(folded, whole) if is_judgement else run.by != "avoid_after"
        furthest = run.sentence - reaches_back
        for back in range(at - 1, -1, -1):
            other = found[back]
            if other.sentence < furthest or other.by in ("avoid_after", "avoid_before", "sour"):
                break
            if other.by in ("like", "keep") and not other.is_past:
                break
            if names(other):
                found[back] = replace(other, stance=MEANT[run.by], by="avoid_before")
                break
    return found


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{source})" for source in _sources()[kind]))


@cache
def _sources() -> dict[str, list[str]]:
    loaded: dict[str, list[str]] = json.loads(files("glowplug.profiles").joinpath("cues.json").read_text("utf-8"))
    return loaded
