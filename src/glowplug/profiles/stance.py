"""What a text makes of the things it names: wanted, to be avoided, or neither, clause by clause. Pure.

Cues of many languages (cues.json, on folded text) and the reach of each: the idea of NegEx (Chapman et al., "A
Simple Algorithm for Identifying Negated Findings", J. Biomedical Informatics 34, 2001), with cues that look back,
double negation, other people's tastes, the past and irony.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from glowplug.profiles.cues import Cue, Run, Span, Stance, pattern
from glowplug.profiles.holders import held
from glowplug.profiles.lexicon import Mention

SENTENCE_END = re.compile(r"[.!?…]+[\"'”»)]*(?=\s|$|[\u3040-\u9fff])|[。！？｡।؟；;]+[”」』）]?|\n+")
CLAUSE_END = re.compile(r"(?<=[てくがどしらでりもす])、|[,，:：()（）\[\]{}|•·–—«»“”「」『』،]|(?<=\s)[-/~](?=\s)")
MEANT: dict[str, Stance] = {
    "neutral": "neither",
    "keep": "wanted",
    "like": "wanted",
    "irony": "avoided",
    "avoid_before": "avoided",
    "avoid_after": "avoided",
    "near": "avoided",
    "sour": "avoided",
    "negated": "avoided",
}
BARE_WORDS = 6  # a clause that merely goes on with a list has no more, or so many characters where words have no
AVOIDS = ("avoid_before", "avoid_after", "near", "sour")
BARE_CHARS = 40  # spaces between them
NEAR_WORDS = re.compile(r"\W*(?:[^\s,.;]+\s*){1,3}")
NEAR_CHARS = 40  # how far a mere "no" reaches: "no sugar, please" and not the whole sentence behind it
# The earlier wins an overlap. A `sour` word judges ("boring", "无聊") whatever its clause names, on either side; so
# does a verb that is negated in no way that is known here ("golf has never …").
LAYERS = ("neutral", "keep", "irony", "avoid_before", "avoid_after", "like", "sour", "negated", "near")
EITHER_SIDE = ("sour", "negated")
PARTED = ("negated", "avoid_before")  # an "and" before them ends what they are about
# Of a judgement that names nothing and is of what came before: "X? So boring."
SOUR_WORDS, SOUR_CHARS = 3, 12
SPOKEN = re.compile(r"\w")


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
        # A cue that a comma cuts acts where it ends: "please, no politics".
        own = [replace(cue, start=max(cue.start, clause[0])) for cue in cues if clause[0] < cue.end <= clause[1]]
        for run in _clause(folded, clause, own, starts):
            if is_taken_back or (is_ironic and run.by not in ("like", "keep", "turn")):
                run = replace(run, stance="avoided", by="irony")
            out.append(replace(run, sentence=number))
    return held(folded, sentence, _listed_on(folded, out, starts))


def _cues(folded: str, sentence: Span) -> list[Cue]:
    """Cues of polarity without overlaps: "not only" leaves no "not"."""
    taken: list[Cue] = []
    start, end = sentence
    start = end - len(folded[start:end].lstrip())  # where a "^" of a cue may stand
    for kind in LAYERS:
        # A group is what acts: of "rather watch paint dry than" the "than".
        matches = [
            Cue(kind, *(start + at for at in match.span(match.lastindex or 0)))
            for match in pattern(kind).finditer(folded[start:end])
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
        behind = [start for start in starts if at <= start < cue.end]
        is_ahead = any(cue.end <= start < end for start in starts)
        parted = [one.start() for one in pattern("parts").finditer(folded, at, cue.start) if cue.kind in PARTED]
        if parted and (cue.kind == "negated" or (is_ahead and behind and behind[-1] < parted[-1])):
            yield Run(at, parted[-1], stance, by, is_first=is_first)  # "I took up sailing and never left"
            at, stance, by, is_first = parted[-1], "wanted", "", False
            behind = [start for start in behind if start >= at]
        if cue.kind == "avoid_before" and (behind or not is_ahead):
            yield Run(at, cue.end, "avoided", cue.kind, is_first=is_first)
            at, stance, by, is_first = cue.end, "wanted", "", False
            continue
        if cue.kind in EITHER_SIDE:
            if is_liked:
                continue  # "I love terrible puns"
            if behind:
                yield Run(at, cue.end, "avoided", cue.kind, is_first=is_first)
                at, stance, by, is_first = cue.end, "wanted", "", False
                continue
        turns = cue.kind == "like" and pattern("turn").fullmatch(folded[cue.start : cue.end].strip()) is not None
        is_liked = cue.kind in ("like", "keep") and not turns
        if cue.start > at:
            yield Run(at, cue.start, stance, by, is_first=is_first)
            is_first = False
        at, by = cue.start, "turn" if turns else "avoid_after" if cue.kind == "avoid_before" else cue.kind
        stance = MEANT[cue.kind]
        reach = _reach(folded, cue) if cue.kind == "near" else end
        if cue.kind in EITHER_SIDE and (joined := pattern("and").search(folded, cue.end, end)):
            reach = joined.start()  # "my job is dull and pays for chess"
        if reach < end:
            yield Run(at, reach, stance, by, is_first=is_first)
            at, stance, by, is_first = reach, "wanted", "", False
    if at < end:
        yield Run(at, end, stance, by, is_first=is_first)


def _reach(folded: str, cue: Cue) -> int:
    """A mere "no" ends with the next "and", and reaches three words."""
    joined = pattern("and").search(folded, cue.end, cue.end + NEAR_CHARS)
    words = NEAR_WORDS.match(folded, cue.end, cue.end + NEAR_CHARS)
    reach = words.end() if words else cue.end + NEAR_CHARS
    return min(reach, joined.start()) if joined else reach


def _listed_on(folded: str, found: list[Run], starts: Sequence[int]) -> list[Run]:
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
        opening = pattern("continues").match(folded, run.start)
        inside = opening.end() if opening else run.start
        joined = pattern("joined").search(folded, inside, run.end)
        if (
            run.by == "avoid_before"
            and run.is_first
            and joined
            and any(joined.end() <= start < run.end for start in starts)
        ):
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
    joined = pattern("continues").match if found[at - 1].by == "near" else pattern("joined").search
    for run in found[at:]:
        if run.by or not run.is_first or not _is_bare(folded, run):
            return False
        if joined(folded, run.start, run.end):
            return True
    return False


def _sighed_at(folded: str, sentences: Sequence[Span], found: Sequence[Run]) -> list[Run]:
    """ "Another superhero film. I'll stay with my poems": the first is not wanted, though no word of it says so."""
    another, instead = pattern("another"), pattern("instead")
    sighs = {
        number
        for number, (one, two) in enumerate(pairwise(sentences))
        if another.search(folded, *one) and instead.match(folded, *two)
    }
    return [
        replace(run, stance="avoided", by="irony") if run.sentence in sighs and run.stance == "wanted" else run
        for run in found
    ]


def _is_of_it(folded: str, run: Run) -> bool:
    """The cue stands alone or with a pronoun."""
    cues = [cue for cue in _cues(folded, (run.start, run.end)) if cue.kind == "avoid_after"]
    is_bare = not cues or not folded[max(cue.end for cue in cues) : run.end].strip(" .,;:!?…。，、")
    return is_bare or pattern("it").search(folded, run.start, run.end) is not None


def _is_brief(folded: str, said: Sequence[Run]) -> bool:
    """Nothing but a judgement. said: runs in a row."""
    text = folded[said[0].start : said[-1].end].strip()
    return len(text.split()) <= SOUR_WORDS and (" " in text or len(text) <= SOUR_CHARS)


def _looking_back(folded: str, found: list[Run], mentions: Sequence[Mention]) -> list[Run]:
    """A dislike that names nothing ("now it bores me") is of what was named last, here or a sentence before."""

    def names(run: Run) -> bool:
        return any(run.start <= mention.start < run.end for mention in mentions)

    for at, run in enumerate(found):
        whole = [other for other in found if other.sentence == run.sentence]
        is_answer = run.by in ("negated", "near") and folded[: whole[0].start].rstrip().endswith(("?", "？"))
        is_answer = is_answer and not any(map(names, whole))  # "Golf? I have never …"
        is_meant = is_answer or run.by in ("avoid_before", "avoid_after", "neutral", "sour", "irony")
        if not is_meant or run.is_others or names(run):
            continue
        is_judgement = run.by in ("sour", "irony")
        if is_judgement and not _is_brief(folded, [run]):
            continue
        # "I can't stand it" looks back; "I hate queues" has its object, if one that no label knows.
        if run.by == "avoid_after" and not _is_of_it(folded, run):
            continue
        reaches_back = _is_brief(folded, whole) if is_judgement else run.by != "avoid_after"
        furthest = run.sentence - reaches_back
        for back in range(at - 1, -1, -1):
            other = found[back]
            if other.sentence < furthest or other.by in ("avoid_after", "avoid_before", "sour"):
                break
            if other.by in ("like", "keep") and not other.is_past:
                break
            if names(other):
                found[back] = replace(other, stance=run.stance if is_answer else MEANT[run.by], by="avoid_before")
                break
    return found
