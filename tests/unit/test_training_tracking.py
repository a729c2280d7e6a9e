"""Curves go to TensorBoard where it is installed, and to Weights & Biases only where somebody asked for it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from glowplug.training.progress import Shown
from glowplug.training.tracking import tracked


class FakeRun:
    def __init__(self) -> None:
        self.logged: list[dict[str, Any]] = []
        self.finished = False

    def define_metric(self, name: str, step_metric: str) -> None:
        pass

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    run, module = FakeRun(), ModuleType("wandb")
    module.init = lambda **_: run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setattr("glowplug.training.tracking.find_spec", lambda _: object())
    return run


def test_without_a_project_nothing_leaves_the_machine(
    tmp_path: Path, wandb: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    with tracked(tmp_path, {}) as tracker:
        tracker.scalar("a", 1.0, 1)
    assert wandb.logged == []
    assert list((tmp_path / "tensorboard").iterdir())


def test_with_a_project_each_point_is_logged_and_the_run_ends(
    tmp_path: Path, wandb: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "lists")
    with tracked(tmp_path, {}) as tracker:
        tracker.scalar("a", 1.0, 7)
    assert wandb.logged == [{"a": 1.0, "a (step)": 7}]
    assert wandb.finished


def test_without_either_package_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glowplug.training.tracking.find_spec", lambda _: None)
    with tracked(tmp_path, {}) as tracker:
        tracker.scalar("a", 1.0, 1)
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_the_last_point_is_shown_and_lines_stay() -> None:
    screen = io.StringIO()
    with Shown(Console(file=screen, force_terminal=True, width=200, _environ={"TERM": "xterm"})) as progress:
        progress.scalar("validation/cold-item-0/learned", 0.4321, 7)
        progress("texts [encoded]: 5 of 5")
    assert "texts [encoded]: 5 of 5" in screen.getvalue()
    assert "0.4321 (7)" in screen.getvalue()


def test_in_a_file_only_lines_are_written() -> None:
    screen = io.StringIO()
    with Shown(Console(file=screen)) as progress:
        progress.scalar("validation/cold-item-0/learned", 0.4321, 7)
        progress("done")
    assert screen.getvalue().split("s  ")[1] == "done\n"
