"""What all items have in common is no taste."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glowplug.index.exact import Scores
from glowplug.ranking.frame import FEWEST, fit, unpacked
from glowplug.vectors import Half

DIM, TOPICS = 32, 5
rng = np.random.default_rng(7)
topics = np.linalg.qr(rng.standard_normal((DIM, TOPICS)))[0].T
common, *styles = np.linalg.qr(rng.standard_normal((DIM, 4)))[0].T


def catalogue(n: int = 400) -> tuple[list[Half], NDArray[np.int64]]:
    """Items of five topics that share a large mean and three dominating directions; and their topics."""
    draw = np.random.default_rng(1)
    topic = draw.integers(0, TOPICS, n)
    rows = topics[topic] * 0.5 + common + draw.standard_normal((n, 3)) @ np.array(styles) * 2
    rows += draw.standard_normal((n, DIM)) * 0.1
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [row.astype(np.float16) for row in rows], topic


def test_without_what_is_common_a_liked_item_finds_its_topic() -> None:
    items, topic = catalogue()
    frame = fit("test", items)
    assert frame is not None
    matrix = np.array(items, np.float64)
    raw = matrix[:50] @ matrix.T
    turned = frame.turn(matrix[:50]) @ matrix.T

    def precision(scores: Scores) -> float:
        best = np.argsort(-scores, axis=1)[:, 1:11]
        return float((topic[best] == topic[:50, None]).mean())

    assert precision(raw) < 0.6 < 0.8 < precision(turned)


def test_turning_the_user_alone_ranks_as_turning_both_sides_would() -> None:
    items, _ = catalogue()
    frame = fit("test", items)
    assert frame is not None
    matrix = np.array(items, np.float64)
    user = frame.turn(matrix[:1])[0]
    both = matrix - frame.centre
    both -= (both @ frame.axes.T) @ frame.axes
    assert np.array_equal(np.argsort(matrix @ user), np.argsort(both @ user))


def test_a_small_catalogue_has_no_frame() -> None:
    items, _ = catalogue(FEWEST - 1)
    assert fit("test", items) is None


def test_a_frame_comes_back_from_its_record() -> None:
    items, _ = catalogue()
    frame = fit("test", items)
    assert frame is not None
    centre, axes = frame.packed
    again = unpacked("test", centre, axes)
    assert again is not None
    assert np.allclose(again.centre, frame.centre, atol=1e-3)
    assert np.allclose(again.axes @ again.axes.T, np.eye(3), atol=2e-3)
    assert unpacked("test", None, ()) is None
