"""A head goes into the folder only if it gains; what is done can be undone, and all of it stays on record."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
import pyarrow
import pytest
from pyarrow import parquet

from glowplug.cli import run
from glowplug.errors import BadInputFile, BadSettings, NotPromoted
from glowplug.heads.folder import POINTER, place_of, read_pointer
from glowplug.settings import Settings
from glowplug.training.promote import run_promote
from glowplug.training.standings import read_standing
from glowplug.training.train import FIGURES, PER_USER, train
from tests.support.heads import Shelf, fake_encoder, starting_points

NOW = datetime(2026, 11, 29, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"), users=60, items=60)


@pytest.fixture(scope="module")
def trained(shelf: Shelf) -> Path:
    """As `glowplug train` writes it; but that its lists are so good that there is no doubt."""
    of_items, of_users = starting_points(shelf)
    out = shelf.folder / "trained"
    train(
        fake_encoder(shelf.folder), shelf.folder / "shelf", out, seed=0, k=5, threshold=None,
        say=lambda _: None, given={"items": of_items, "users": of_users},
    )  # fmt: skip
    rewrite(out / PER_USER, out / PER_USER, by=0.2)
    return out


def rewrite(found: Path, to: Path, by: float) -> None:
    """NDCG of the learned lists of each user is about `by` greater."""
    rows = parquet.read_table(found).to_pylist()
    noise = np.random.default_rng(0).normal(by, 0.05, len(rows))
    for row, more in zip(rows, noise, strict=True):
        if row["model"] == "learned":
            row["ndcg"] += float(more)
    parquet.write_table(pyarrow.Table.from_pylist(rows), to)


def another(shelf: Shelf, trained: Path, to: Path, by: float) -> str:
    """Another head, judged on the same users, each of whom it serves better by about `by`."""
    place, fingerprint = shelf.plain_head(to.name, gamma=0.25)
    shutil.copytree(place, to)
    card = orjson.loads((trained / FIGURES).read_bytes()) | {"head": fingerprint}
    (to / FIGURES).write_bytes(orjson.dumps(card))
    rewrite(trained / PER_USER, to / PER_USER, by)
    return fingerprint


def promote(
    settings: Settings, head: Path | None, heads: Path, *, back: bool = False, on: Path | None = None
) -> None:
    run_promote(settings, head, back=back, on=on, heads=heads, now=NOW)


@pytest.fixture
def settings(shelf: Shelf) -> Settings:
    return fake_encoder(shelf.folder)


def test_the_first_head_is_compared_with_lists_without_one(
    settings: Settings, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fingerprint = read_standing(trained).fingerprint
    promote(settings, trained, tmp_path)
    assert read_pointer(tmp_path).serving == fingerprint
    assert (place_of(tmp_path, fingerprint) / "model_card.md").is_file()
    said = capsys.readouterr().out
    assert said.startswith(f"{fingerprint} serves from now on: NDCG@5 of {fingerprint} over ")
    assert "raw embedding" in said or "popularity" in said
    with pytest.raises(NotPromoted, match="serves already"):
        promote(settings, trained, tmp_path)


def test_what_does_not_gain_is_refused_and_what_gains_serves(
    settings: Settings, shelf: Shelf, trained: Path, tmp_path: Path
) -> None:
    heads = tmp_path / "heads"
    promote(settings, trained, heads)
    first = read_pointer(heads)
    for name, by in (("alike", 0.0), ("worse", -0.1)):
        fingerprint = another(shelf, trained, tmp_path / name, by)
        with pytest.raises(
            NotPromoted, match=rf"^{fingerprint} is not promoted: NDCG@5 of .*\[[+-]0\.\d+, [+-]0\.\d+\]"
        ):
            promote(settings, tmp_path / name, heads)
        assert read_pointer(heads) == first
    better = another(shelf, trained, tmp_path / "better", 0.1)
    promote(settings, tmp_path / "better", heads)
    assert read_pointer(heads).serving == better


def test_back_undoes_one_promotion_after_the_other_and_all_of_it_is_on_record(
    settings: Settings, shelf: Shelf, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = tmp_path / "heads"
    promote(settings, trained, heads)
    first = read_pointer(heads).serving
    second = another(shelf, trained, tmp_path / "second", 0.1)
    promote(settings, tmp_path / "second", heads)
    promote(settings, None, heads, back=True)
    assert read_pointer(heads).serving == first
    promote(settings, None, heads, back=True)
    assert read_pointer(heads).serving is None
    with pytest.raises(BadSettings, match="no promotion to undo"):
        promote(settings, None, heads, back=True)
    promote(settings, trained, heads)  # and forward again
    assert [(one.action, one.head) for one in read_pointer(heads).history] == [
        ("promote", first), ("promote", second), ("back", first), ("back", None), ("promote", first),
    ]  # fmt: skip
    capsys.readouterr()
    promote(settings, None, heads)
    said = capsys.readouterr().out
    assert said.startswith(f"{first} serves")
    assert said.count("promote") == 3


def test_heads_judged_on_different_data_are_compared_on_what_is_later(
    settings: Settings, shelf: Shelf, trained: Path, tmp_path: Path
) -> None:
    heads = tmp_path / "heads"
    promote(settings, trained, heads)
    other = tmp_path / "other"
    fingerprint = another(shelf, trained, other, 0.0)
    card = orjson.loads((other / FIGURES).read_bytes())
    card["data"]["sha256"] = "another"
    (other / FIGURES).write_bytes(orjson.dumps(card))
    with pytest.raises(BadInputFile, match="give data that is later than both with --on"):
        promote(settings, other, heads)
    with pytest.raises(BadInputFile, match="nobody likes anything there after"):
        promote(settings, other, heads, on=shelf.folder / "shelf")

    later = tmp_path / "shelf"
    shutil.copytree(shelf.folder / "shelf", later)
    with (later / "shelf.inter").open("a") as stream:  # everybody likes one book more
        for at, user in enumerate(shelf.data.users.ids):
            met = set(shelf.data.item[shelf.data.user == at])
            book = next(one for place, one in enumerate(shelf.data.items.ids) if place not in met)
            stream.write(f"{user}\t{book}\t5\t9000\n")
    try:
        promote(settings, other, heads, on=later)
        said = read_pointer(heads).history[-1].gain
    except NotPromoted as refused:
        said = str(refused)
    assert f"{fingerprint} over head:" in said
    assert "; later " in said


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["promote"], 78, "set ranking.heads"),
        (["promote", "nowhere", "--heads", "h"], 65, "holds no head"),
        (["promote", "nowhere", "--back", "--heads", "h"], 78, "--back takes no FOLDER"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("glowplug.observe.logs.configure", lambda _settings: None)
    assert run(arguments) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / POINTER).exists()
