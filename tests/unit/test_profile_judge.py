"""Candidates for claims: where they come from, what speaks for them, and what the judge makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from glowplug.inference.quantised import Quantised
from glowplug.inference.token_classes import TokenClasses
from glowplug.profiles.candidates import FEATURES, LABELS_EACH, SOURCES, Candidate, Place, candidates, places
from glowplug.profiles.judge import AVOIDED_FROM, MEANINGS, WANTED_FROM, Judge, built_in_judge, ruled
from glowplug.profiles.lexicon import Lexicon
from glowplug.profiles.linker import COUNTS, LEAST, MIDDLE, Linker, lifted, read_linker, write_linker
from glowplug.profiles.pieces import Read, read
from glowplug.profiles.taxonomy import Label, Taxonomy
from tests.unit.test_profile_tags import AVOIDED, WANTED, tags

TAXONOMY = Taxonomy(
    (
        Label("chess", "interest", "chess", words=("chess",)),
        Label("golf", "interest", "golf", words=("golf",), broader=("sports",)),
        Label("sports", "interest", "sports", words=("sport",)),
        Label("nothing", "nothing", "small talk", words=("hello",)),
        Label("price:low", "preference", "cheap", words=("cheap",)),
    )
)
TOPICS = frozenset({0, 1, 2})
LEXICON = Lexicon(TAXONOMY.labels)


def fielded(text: str) -> Read:
    return read("text", text, LEXICON, TOPICS)


def likeness(**cosines: float) -> NDArray[np.float32]:
    out = np.zeros(len(TAXONOMY.labels), np.float32)
    for name, cosine in cosines.items():
        out[TAXONOMY.rows[name]] = cosine
    return out


def found_in(text: str, classes: dict[str, int], alike: NDArray[np.float32]) -> list[Candidate]:
    field, marked = fielded(text), tags(text, classes)
    held = places(field, marked, TOPICS)
    return candidates(field, marked, [(place, alike, alike) for place in held], TAXONOMY)


def feature(one: Candidate, name: str) -> float:
    return float(one.features[FEATURES.index(name)])


def test_words_stretches_and_pieces_each_give_places() -> None:
    text = "I play chess, and forehand smashes, and more of the like"
    held = places(fielded(text), tags(text, {"chess": WANTED, "forehand": WANTED, "smashes": WANTED}), TOPICS)
    said = {place.source: text[place.start : place.end] for place in held}
    assert said["named"] == "chess"
    assert said["tagged"] == "forehand smashes"
    assert {place.source for place in held} == set(SOURCES)


def test_a_stretch_that_holds_a_known_word_is_no_place_of_its_own() -> None:
    text = "I play chess daily"
    held = places(fielded(text), tags(text, {"chess": WANTED, "daily": WANTED}), TOPICS)
    assert [place.source for place in held] == ["named"]


def test_what_no_word_names_has_the_labels_that_it_is_most_like() -> None:
    found = found_in("forehand smashes", {"forehand": WANTED, "smashes": WANTED}, likeness(golf=0.5, sports=0.6))
    tagged = [one for one in found if one.place.source == "tagged"]
    assert [TAXONOMY.labels[one.row].id for one in tagged] == ["sports", "golf"]
    assert len(tagged) == LABELS_EACH
    assert [feature(one, "is second") for one in tagged] == [0.0, 1.0]
    assert feature(tagged[1], "below the likest") == pytest.approx(0.1)


def test_features_tell_the_tags_the_rules_and_what_stands_beside() -> None:
    by_label = {
        TAXONOMY.labels[one.row].id: one
        for one in found_in("I hate golf and every sport", {"golf": AVOIDED, "sport": AVOIDED}, likeness(golf=0.7))
    }
    golf, sports = by_label["golf"], by_label["sports"]
    assert feature(golf, "log avoided") > feature(golf, "log wanted")
    assert feature(golf, "avoided by rule") == 1.0
    assert feature(golf, "is sure") == 1.0
    assert (feature(golf, "is broader"), feature(sports, "is broader")) == (0.0, 1.0)
    assert feature(golf, "likeness") == pytest.approx(0.7)


def test_a_place_without_tokens_is_left_out() -> None:
    field = fielded("I play chess")
    none = TokenClasses(np.empty((0, 4), np.float32), np.empty(0, np.int64), np.empty(0, np.int64))
    held = places(field, none, TOPICS)
    assert held
    assert candidates(field, none, [(place, likeness(), likeness()) for place in held], TAXONOMY) == []


def some(row: int, start: int) -> Candidate:
    return Candidate(Place("named", start, start + 5, 0), row, np.zeros(len(FEATURES), np.float32))


def shares(*rows: tuple[float, float]) -> NDArray[np.float32]:
    return np.array([(wanted, avoided, 1 - wanted - avoided) for wanted, avoided in rows], np.float32)


@pytest.mark.parametrize(
    ("wanted", "avoided", "outcome"),
    [
        (0.9, 0.05, (True, 0.9)),
        (0.1, 0.8, (False, 0.8)),
        (WANTED_FROM - 0.01, 0.1, None),
        (0.1, AVOIDED_FROM - 0.01, None),
        (0.55, 0.4, (True, 0.55)),  # a wish that is clearer than the dislike
    ],
)
def test_a_claim_is_what_is_probable_enough(
    wanted: float, avoided: float, outcome: tuple[bool, float] | None
) -> None:
    found = ruled(3, [some(0, 0)], shares((wanted, avoided)))
    assert [(one.is_wanted, one.weight) for one in found] == ([outcome] if outcome else [])
    assert all(one.at == 3 for one in found)


def test_of_a_label_that_is_named_twice_the_clearer_place_decides() -> None:
    (one,) = ruled(0, [some(0, 0), some(0, 10), some(0, 20)], shares((0.4, 0.3), (0.1, 0.85), (0.5, 0.2)))
    assert (one.is_wanted, one.start) == (False, 10)


def test_what_is_no_number_is_no_claim() -> None:
    found = ruled(0, [some(0, 0), some(1, 10)], shares((np.nan, np.nan), (0.9, 0.05)))
    assert [one.row for one in found] == [1]


def test_shares_are_probabilities_and_follow_the_weights() -> None:
    weights = {source: np.zeros((len(MEANINGS), len(FEATURES) + 1), np.float32) for source in SOURCES}
    weights["named"][MEANINGS.index("avoided"), -1] = 2.0
    given = Judge("", weights, "").shares([some(0, 0)])
    assert given.sum() == pytest.approx(1.0)
    assert given.argmax() == MEANINGS.index("avoided")


def test_the_weights_that_come_with_it_fit_its_features() -> None:
    assert set(built_in_judge().weights) == set(SOURCES)
    assert {rows.shape for rows in built_in_judge().weights.values()} == {(len(MEANINGS), len(FEATURES) + 1)}


def linker() -> Linker:
    """Of two dimensions, each a part of its own; words: one of golf, two of what is unheard of, none of chess."""
    weight = np.array([[10, 0], [0, 10], [-10, -10]], np.float32)
    words = Quantised(np.array([[1, 0], [0, 1], [1, 1]], np.uint8), np.array([[[0], [2]], [[0], [2]]], np.float32))
    return Linker("an encoder", ("golf", "unheard of", "chess"), weight, np.zeros(3, np.float32), words, (1, 2, 0))


def test_where_a_linker_knows_no_label_none_is_lifted() -> None:
    foreign = replace(linker(), ids=("unheard of", "nor this", "nor that"))
    assert not foreign.lifts(np.eye(2, dtype=np.float32), TAXONOMY).any()
    assert (foreign.nearest(np.eye(2, dtype=np.float32), TAXONOMY) == -1).all()


def test_a_linker_compares_with_the_words_that_are_no_anchors() -> None:
    row = TAXONOMY.rows["golf"]
    rows = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    nearest = linker().nearest(rows, TAXONOMY)
    np.testing.assert_allclose(nearest[:, row], [1, 0, 0.6], atol=1e-6)
    assert (np.delete(nearest, row, axis=1) == -1).all()
    likeness = np.full_like(nearest, 0.3)
    lifts = linker().lifts(rows, TAXONOMY)
    found = lifted(likeness, rows, TAXONOMY, linker())
    np.testing.assert_allclose(found[:, row] - lifts[:, row], [1, 0.3, 0.6], atol=1e-6)
    np.testing.assert_allclose(np.delete(found - lifts, row, axis=1), 0.3, atol=1e-6)


def test_a_linker_lifts_what_it_takes_a_text_for_and_lowers_other_labels_alike() -> None:
    lifts = linker().lifts(np.eye(2, dtype=np.float32), TAXONOMY)
    golf = TAXONOMY.rows["golf"]
    assert lifts[0, golf] == pytest.approx(-COUNTS * MIDDLE, abs=1e-3)
    assert lifts[1, golf] == pytest.approx(COUNTS * (LEAST - MIDDLE), abs=1e-3)
    others = [row for row in range(len(TAXONOMY.labels)) if row != golf]
    np.testing.assert_allclose(lifts[:, others], COUNTS * (LEAST - MIDDLE))
    assert linker().lifts(np.empty((0, 2), np.float32), TAXONOMY).shape == (0, len(TAXONOMY.labels))


def test_a_linker_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_linker(linker(), tmp_path / "linker.safetensors")
    one = read_linker(tmp_path / "linker.safetensors")
    assert (one.encoder, one.ids) == (linker().encoder, linker().ids)
    np.testing.assert_array_equal(one.weight, linker().weight)
    np.testing.assert_array_equal(one.words.rows(), linker().words.rows())
    assert one.counts == linker().counts
    assert one.hash
