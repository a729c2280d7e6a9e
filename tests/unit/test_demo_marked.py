"""Words that a profile rests on, marked in what the user wrote."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowplug.demo import cast
from glowplug.demo.marked import AVOIDED, PREFERRED, WANTED, Span, claim_lines, harmless, marked, spans
from tests.support.demo import Claims, profile_of

USER = cast.ada(datetime(2026, 11, 24, 12, tzinfo=UTC)).model_copy(
    update={"text": "I bake dark bread at weekends. No games."}
)


@pytest.mark.parametrize(
    ("interests", "avoid", "preferences", "expected"),
    [
        ((), (), (), "I bake dark bread at weekends. No games."),
        (
            (("baking", "bake"),),
            (("video-games", "games"),),
            (("time:weekend", "weekends"),),
            "I [bake] dark bread at [~weekends~]. No [-games-].",
        ),
        ((("bread", "dark bread"), ("baking", "bread")), (), (), "I bake [dark bread] at weekends. No games."),
        ((("games", "games"),), (("games", "No games"),), (), "I bake dark bread at weekends. [-No games-]."),
        ((("a", "I bake"), ("b", " dark")), (), (), "[I bake][ dark] bread at weekends. No games."),
    ],
    ids=["nothing", "each kind", "the stronger claim stands", "the dislike stands", "side by side"],
)
def test_evidence_is_marked_where_it_stands(
    interests: Claims, avoid: Claims, preferences: Claims, expected: str
) -> None:
    found = spans(profile_of(USER, interests, avoid, preferences), "text")
    assert marked(USER.text, found, is_plain=True).plain == expected


def test_a_terminal_gets_the_words_as_they_are_and_styles_on_them() -> None:
    text = marked("no games", [Span(3, 8, AVOIDED)], is_plain=False)
    assert text.plain == "no games"
    assert [(span.start, span.end, span.style) for span in text.spans] == [(3, 8, AVOIDED.style)]
    assert len({pen.style for pen in (WANTED, AVOIDED, PREFERRED)}) == 3


def test_evidence_in_another_field_is_listed_and_not_marked_in_the_text() -> None:
    profile = profile_of(USER, (("baking", "bake"),))
    (claim,) = profile.interests
    picked = claim.model_copy(update={"evidence": claim.evidence.model_copy(update={"field": "interests.0"})})
    profile = profile.model_copy(update={"interests": (picked,)})
    assert spans(profile, "text") == []
    assert [line.plain for line in claim_lines(profile, is_plain=True)] == ["wants   baking ← [bake]"]


@settings(deadline=None)
@given(st.text())
def test_what_is_shown_is_harmless_and_in_place(text: str) -> None:
    shown = harmless(text)
    assert len(shown) == len(text)
    assert not {"\x1b", "\x07", "\u202e", "\u2066", "\x9b", "\r"} & set(shown)
    assert harmless(shown) == shown


@settings(deadline=None)
@given(st.text(alphabet="ab c\n", max_size=30), st.data())
def test_marking_adds_brackets_and_loses_nothing(text: str, data: st.DataObject) -> None:
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    found = [Span(start, end, WANTED) for start, end in zip(ends[::2], ends[1::2], strict=False)]
    shown = marked(text, found, is_plain=True).plain
    assert shown.count("[") == shown.count("]") == len(found)
    assert shown.replace("[", "").replace("]", "") == text
