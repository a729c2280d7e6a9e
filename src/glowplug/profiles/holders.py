"""Whose a taste is, and of when: other people's, the past and work are neither wanted nor avoided. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from glowplug.profiles.cues import Cue, Run, Span, pattern


def held(folded: str, sentence: Span, found: Sequence[Run]) -> list[Run]:
    """Other people's tastes, the past and work are neither wanted nor avoided; disgust at them is the writer's."""
    is_gift = pattern("gift").search(folded, *sentence) is not None
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
            is_past = is_past and bool(pattern("past").search(folded, run.start, run.end))
        stance = run.stance
        is_mild = stance == "wanted" or run.by in ("negated", "near")
        if (is_others and run.by not in ("avoid_before", "sour")) or (is_mild and (is_past or is_work)):
            stance = "neither"
        out.append(replace(run, stance=stance, is_others=is_others, is_past=is_past))
    return out


def _by_speaker(folded: str, run: Run) -> Iterator[Run]:
    """Cut where somebody else, or the writer, becomes the subject, and where "and" leads away from work."""
    cuts = [
        cue.start
        for cue in _states(folded, run)
        if cue.kind == "others" or (cue.kind == "self" and pattern("subject").fullmatch(folded, cue.start, cue.end))
    ]
    if pattern("work").search(folded, run.start, run.end):
        cuts += [joined.start() for joined in pattern("and").finditer(folded, run.start, run.end)]
    at = run.start
    for cut in sorted(set(cuts)):
        if cut > at:
            yield replace(run, start=at, end=cut, is_first=run.is_first and at == run.start)
            at = cut
    yield replace(run, start=at, is_first=run.is_first and at == run.start)


def _is_quoting(folded: str, others: Cue) -> bool:
    """What somebody says of the writer is of the writer: "my wife says the telescope …"."""
    quoted = pattern("quoted")
    return any(quoted.match(folded, others.end + more) is not None for more in (0, 1))


def _states(folded: str, run: Run) -> list[Cue]:
    """Who and when, in the order they are said; a longer cue hides the "my" within it."""
    cues = [
        Cue(kind, *match.span())
        for kind in ("others", "self", "past", "now", "work")
        for match in pattern(kind).finditer(folded, run.start, run.end)
        if match[0]
    ]
    return sorted((cue for cue in cues if not any(_hides(other, cue) for other in cues)), key=lambda cue: cue.start)


def _hides(one: Cue, other: Cue) -> bool:
    is_longer = one.end - one.start > other.end - other.start
    return is_longer and one.start <= other.start and other.end <= one.end
