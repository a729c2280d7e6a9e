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


def test_a_page_is_made_of_what_an_evaluation_wrote(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shelf = write_shelf(tmp_path / "shelf", users=60, items=80)
    options = ["--protocol", "cold-item", "--protocol", "overall", "--seeds", "1", "--k", "5"]
    assert run(["evaluate", str(shelf), *options, "--out", "out"]) == 0
    found = orjson.loads((tmp_path / "out" / "figures.json").read_bytes())
    ours = next(line for line in found["lines"] if (line["task"], line["model"]) == ("overall", "learned"))
    assert ours["at"]["recall"][-1] == pytest.approx(ours["means"]["recall"]["mean"])
    assert ours["at"]["ndcg"][-1] == pytest.approx(ours["means"]["ndcg"]["mean"])
    assert {part["name"] for part in ours["groups"]["gender"]} == {"f", "m"}
    overlaps = {line["model"] for line in found["lines"] if line["overlap"] is not None}
    assert overlaps == {"TF-IDF profile", "raw embedding", "learned", "learned, text only"}
    assert max(map(max, (one["values"] for one in found["curves"]))) > 0
    assert capfd.readouterr().out.splitlines()[-1] == "out/report.html"
    (tmp_path / "out" / "report.html").unlink()
    assert run(["report", "out"]) == 0
    assert capfd.readouterr().out.strip() == "out/report.html"
    assert "How hyperparameters were chosen" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_a_search_goes_on_where_it_stopped_and_train_takes_what_it_found(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shelf = write_shelf(tmp_path / "shelf", users=60, items=50)
    again = ["search", str(shelf), "--out", "found", "--trials", "2", "--k", "5"]
    assert run(again) == 0
    first = capfd.readouterr().out
    assert "after 2 trials" in first
    assert "against what training chooses" in first
    assert run(again) == 0
    second = capfd.readouterr().out
    assert "after 4 trials" in second
    assert [value(line) for line in second.splitlines() if "trials" in line] >= [
        value(line) for line in first.splitlines() if "trials" in line
    ]

    choices = orjson.loads((tmp_path / "found" / "choices.json").read_bytes())
    assert run(["train", str(shelf), "--choices", "found/choices.json", "--out", "head", "--k", "5"]) == 0
    assert orjson.loads((tmp_path / "head" / "card.json").read_bytes())["choices"] == choices


def value(line: str) -> float:
    return float(line.split(": ")[1].split(" ")[0])


def test_training_leaves_its_curves_for_tensorboard(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shelf = write_shelf(tmp_path / "shelf", users=60, items=50)
    assert run(["train", str(shelf), "--out", "head", "--k", "5"]) == 0
    capfd.readouterr()
    curves = EventAccumulator(str(tmp_path / "head" / "tensorboard"))
    curves.Reload()
    tags = curves.Tags()["scalars"]
    assert "validation/cold-item-0/learned" in tags
    assert "test/cold_items/learned/ndcg" in tags
    points = curves.Scalars("validation/cold-user-0/learned")
    assert [point.step for point in points] == list(range(1, len(points) + 1))


@pytest.mark.parametrize("text", ["", "{}", '{"items": {"rank": "many"}, "users": {}}'])
def test_choices_of_another_shape_are_refused_before_anything_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "choices.json").write_text(text, encoding="utf-8")
    assert run(["train", "nowhere", "--choices", "choices.json", "--out", "head"]) != 0
    assert "write them with `glowplug search`" in capfd.readouterr().err
