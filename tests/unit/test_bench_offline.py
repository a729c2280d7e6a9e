"""The made-up data set of the benchmark, and the guide's table, which is that of the measured figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import synthetic
from bench.evaluate_table import table
from glowplug.settings import DomainSettings
from glowplug.training.dataset import read_folder
from tests.support.docs import ROOT

FIGURES = ROOT / "bench" / "results" / "evaluate-ml-100k.json"


def test_a_made_up_data_set_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "s", users=400, items=300, interactions=3_000, seed=1)
    data = read_folder(tmp_path / "s", DomainSettings())
    assert (len(data.users), len(data.items), len(data.user)) == (400, 300, 3_000)
    assert data.positive.all()
    assert {field.kind for field in data.items.fields} == {"title", "list", "category", "number"}
    likes = np.bincount(data.item)
    assert likes.max() > 5 * np.median(likes)


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        synthetic.write(tmp_path / name / "s", users=50, items=40, interactions=300, seed=3)
    for suffix in ("inter", "item", "user"):
        first, second = ((tmp_path / name / "s" / f"s.{suffix}").read_bytes() for name in ("a", "b"))
        assert first == second


@pytest.mark.skipif(not FIGURES.exists(), reason="not measured yet")
def test_the_table_in_the_guide_is_that_of_the_measured_figures() -> None:
    assert table(json.loads(FIGURES.read_text("utf-8"))) in (ROOT / "docs/guides/evaluate.md").read_text("utf-8")
