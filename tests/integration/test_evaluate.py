"""`glowplug evaluate` from a folder of files to the table, the figures and the saved splits."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from pyarrow import parquet

from glowplug.cli import run
from tests.support.shelf import write_shelf

BASELINES = ["random", "popularity", "popularity in group", "TF-IDF profile", "raw embedding", "itemKNN", "EASE"]


@pytest.fixture(autouse=True)
def _fake_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GLOWPLUG_ENCODER__MODEL", "fake")
    monkeypatch.setenv("GLOWPLUG_ENCODER__CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    # Else the log of the whole run would go to this test's captured stream, and fail when that is closed.
    monkeypatch.setattr("glowplug.observe.logs.configure", lambda _settings: None)


def test_all_models_are_in_the_table_and_the_files_hold_what_it_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shelf = write_shelf(tmp_path / "shelf", users=60, items=60)
    options = ["--protocol", "cold-item", "--protocol", "cold-user", "--seeds", "2", "--k", "5"]
    assert run(["evaluate", str(shelf), *options, "--json", "all.json", "--out", "out"]) == 0
    printed, progress = capfd.readouterr()
    assert "recall@5" in printed
    assert "cold-user, seed 1: learned" in progress

    lines = orjson.loads((tmp_path / "all.json").read_bytes())["lines"]
    tasks = ["cold items", *(f"cold users, k={k}" for k in (0, 1, 3, 5))]
    for task in tasks:
        models = [line["model"] for line in lines if line["task"] == task]
        assert models[: len(BASELINES)] == BASELINES
        assert models[-1] == "learned"
        assert task in printed
    ours = next(line for line in lines if line["task"] == "cold items" and line["model"] == "learned")
    assert ours["draws"] == 2
    assert ours["means"]["ndcg"]["low"] <= ours["means"]["ndcg"]["mean"] <= ours["means"]["ndcg"]["high"]
    assert set(ours["leads"]) == set(BASELINES)
    assert f"{ours['means']['ndcg']['mean']:.3f}" in printed

    table = parquet.read_table(tmp_path / "out" / "per_user.parquet").to_pylist()
    rows = [row for row in table if (row["task"], row["model"]) == ("cold items", "learned")]
    assert len(rows) == ours["users"]
    means = [[row["ndcg"] for row in rows if row["seed"] == seed] for seed in (0, 1)]
    assert sum(sum(one) / len(one) for one in means) / 2 == pytest.approx(ours["means"]["ndcg"]["mean"])
    assert {path.name for path in (tmp_path / "out" / "splits").iterdir()} == {
        "cold-item-0",
        "cold-item-1",
        "cold-user-0",
        "cold-user-1",
    }


def test_a_published_split_is_repeated_from_its_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shelf = write_shelf(tmp_path / "shelf", users=60, items=60)
    first = ["evaluate", str(shelf), "--protocol", "cold-item", "--seeds", "1", "--out", "out", "--json", "a.json"]
    assert run(first) == 0
    again = ["evaluate", str(shelf), "--split", "out/splits/cold-item-0", "--json", "b.json"]
    assert run(again) == 0
    capfd.readouterr()
    popular = [
        next(line for line in orjson.loads(Path(name).read_bytes())["lines"] if line["model"] == "TF-IDF profile")
        for name in ("a.json", "b.json")
    ]
    assert popular[0]["means"]["recall"]["mean"] == pytest.approx(popular[1]["means"]["recall"]["mean"], abs=0.02)


def test_titles_alone_are_enough(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shelf = write_shelf(tmp_path / "shelf", users=60, items=60)
    (shelf / "shelf.user").unlink()
    titles = [row.split("\t")[:2] for row in (shelf / "shelf.item").read_text("utf-8").splitlines()]
    (shelf / "shelf.item").write_text("".join("\t".join(row) + "\n" for row in titles), encoding="utf-8")
    assert run(["evaluate", str(shelf), "--seeds", "1"]) == 0
    printed = capfd.readouterr().out
    assert all(task in printed for task in ("cold items", "cold users, k=0", "warm", "overall", "by-time"))


def test_where_nobody_has_six_likes_the_other_protocols_are_left(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shelf = write_shelf(tmp_path / "shelf", users=80, items=40, likes=4)
    assert run(["evaluate", str(shelf), "--seeds", "1"]) == 0
    printed, progress = capfd.readouterr()
    assert "cold-user, seed 0: nobody has likes to ask for" in progress
    assert "cold items" in printed
    assert "cold users" not in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--protocol", "lukewarm"], "there are cold-item"), (["--split", "nowhere"], "has no file train")],
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    shelf = write_shelf(tmp_path / "shelf", users=20, items=30, likes=8)
    assert run(["evaluate", str(shelf), *arguments]) != 0
    assert said in capfd.readouterr().err.splitlines()[-1]
