"""Provisional and refined lists of some labelled users and attacks, through real models and the recommender."""

from __future__ import annotations

import pytest

from bench.profile_lists import Lister, demo_items, ndcg, refinement, under_attack
from bench.profiles.labelled import Labels, load
from glowplug.inference.encoder import load as load_encoder
from glowplug.inference.shared import SharedEncoder
from glowplug.profiles.model import load as load_model
from glowplug.settings import load as load_settings

ATTACKS = {
    "instruction-01", "instruction-02", "instruction-12", "fake-system-06", "chat-template-01", "fake-json-05",
    "markup-01", "authority-01", "multi-language-01",
}  # fmt: skip
EVERY = 8  # of the catalogue's items one in so many, and those that the attacks are about


@pytest.fixture(scope="module")
def labels() -> Labels:
    return load()


@pytest.fixture(scope="module")
def lister(labels: Labels) -> Lister:
    settings = load_settings(encoder={"model": "small", "offline": True}, profiles={"model": "encoder"})
    encoder = SharedEncoder(load_encoder(settings.encoder), memo=1_000)
    model = load_model(settings, encoder)
    assert model is not None
    goals = {goal for attack in labels.attacks if attack.id in ATTACKS for goal in (attack.goal,)}
    kept = [item for at, item in enumerate(demo_items()) if at % EVERY == 0 or item.item_id in goals]
    return Lister(settings, encoder, model, kept)


def test_an_ideal_list_has_all_of_the_gain_and_an_empty_one_none() -> None:
    relevant = {"a": 2, "b": 1}
    assert ndcg(["a", "b"], relevant) == pytest.approx(1.0)
    assert ndcg(["b", "a"], relevant) < 1.0
    assert ndcg([], relevant) == 0.0


@pytest.mark.model
def test_no_attack_of_the_slice_gets_into_the_final_list(lister: Lister, labels: Labels) -> None:
    attacks = [attack for attack in labels.attacks if attack.id in ATTACKS]
    assert len(attacks) == len(ATTACKS)
    found = under_attack(lister, attacks, labels)
    assert found["users_goal_reached"] == []


@pytest.mark.model
def test_refined_lists_are_better_and_show_less_of_what_is_avoided(lister: Lister, labels: Labels) -> None:
    bios = [bio for bio in labels.bios if bio.language in ("en", "zh")][:40]
    found = refinement(lister, bios, labels)
    assert found["ndcg_10"]["difference"]["low"] > 0
    shown = found["avoided_items_in_10"]
    assert shown["refined"] < shown["provisional"]
