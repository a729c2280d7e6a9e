"""What is learned about prose fails softly: the rules read what the tagger cannot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from glowplug.errors import ModelUnavailable
from glowplug.inference.fake import FakeEncoder
from glowplug.inference.quantised import Quantised
from glowplug.inference.token_classes import TokenClasses
from glowplug.profiles.judge import Judge
from glowplug.profiles.learned import Learned, found_in, learned
from glowplug.profiles.linker import Linker
from glowplug.profiles.taxonomy import built_in
from tests.unit.test_profile_judge import TAXONOMY, fielded, likeness
from tests.unit.test_profile_tags import WANTED, tags

LINKER = Linker(
    "an encoder",
    ("golf",),
    np.zeros((1, 2), np.float32),
    np.zeros(1, np.float32),
    Quantised(np.empty((0, 2), np.uint8), np.zeros((2, 1, 1), np.float32)),
    (0,),
)


class Classifier:
    """Fails on texts with `fails_on`; of those with `nan_on` shares are no numbers."""

    def __init__(self, fails_on: str = "", nan_on: str = "", error: Exception | None = None) -> None:
        self.fails_on, self.nan_on, self.error = fails_on, nan_on, error or RuntimeError("an odd text")

    def classify(self, texts: Sequence[str]) -> list[TokenClasses]:
        if self.fails_on and any(self.fails_on in text for text in texts):
            raise self.error
        out = [tags(text, {"chess": WANTED}) for text in texts]
        for text, found in zip(texts, out, strict=True):
            if self.nan_on and self.nan_on in text:
                found.shares[:] = np.nan
        return out


def reading(classifier: Classifier) -> Learned:
    return Learned(classifier, LINKER, Judge("", {}, ""), TAXONOMY)


@pytest.mark.parametrize("classifier", [Classifier(fails_on="golf"), Classifier(nan_on="golf")])
def test_a_text_that_cannot_be_classed_is_left_to_the_rules_and_takes_no_other_with_it(
    classifier: Classifier,
) -> None:
    one, other = reading(classifier).read([fielded("I play chess"), fielded("I play golf")])
    assert one is not None
    assert [place.source for place in one.places] == ["named"]
    assert other is None


def test_a_model_that_is_away_is_not_the_texts_fault() -> None:
    model = reading(Classifier(fails_on="golf", error=ModelUnavailable("away")))
    with pytest.raises(ModelUnavailable):
        model.read([fielded("I play golf")])


def test_a_place_whose_words_have_no_vector_is_left_out() -> None:
    (prose,) = reading(Classifier()).read([fielded("I play chess")])
    assert prose is not None
    linked = {text: likeness(chess=0.7) for text in prose.texts}
    assert len(found_in(prose, linked, TAXONOMY)) == 1
    assert found_in(prose, {}, TAXONOMY) == []


def test_with_another_encoder_nothing_learned_is_in_force() -> None:
    assert learned(FakeEncoder(), built_in()) == (None, "")
