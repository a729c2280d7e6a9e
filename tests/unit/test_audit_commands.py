"""`glowplug verify` and `glowplug why`: how they end, what they print, what they write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from glowplug.audit.snapshot import Snapshot
from glowplug.cli import run
from glowplug.errors import StoreUnavailable
from glowplug.settings import Settings
from tests.support.audited import Audited

X, Y = [1.0, 0.0], [0.0, 1.0]
Taken = Callable[..., Snapshot]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Audited:
    """What `take` would find: a small quiet world, and no glowplug.toml of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("glowplug.observe.logs.configure", lambda _settings: None)
    monkeypatch.setenv("GLOWPLUG_RANKING__LIST_SIZE", "3")
    monkeypatch.setenv("GLOWPLUG_RANKING__RAW_SIZE", "4")
    audited = Audited()
    audited.item("x", X)
    audited.item("y", Y)
    audited.settle()
    audited.user("ada", X)
    audited.driver.tick(30)
    audited.settle()
    monkeypatch.setattr("glowplug.audit.commands.take", taking(audited))
    return audited


def taking(audited: Audited) -> Taken:
    def take(_settings: Settings, **_options: object) -> Snapshot:
        return audited.snapshot()

    return take


def test_verify_ends_with_0_where_all_agrees(world: Audited, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].strip() == "topics, Redis and index agree"
    assert out.count("equal") == 2


def test_verify_ends_with_1_and_names_what_differs(world: Audited, capsys: pytest.CaptureFixture[str]) -> None:
    world.change("user_states", "ada", lambda state: state | {"published": ["y", "x"]})
    assert run(["verify"]) == 1
    out = capsys.readouterr().out
    assert "user_states ada" in out
    assert "from rank 1: x, y" in out


def test_what_is_moving_is_an_error_only_where_it_is_asked_to_be(world: Audited) -> None:
    world.item("new", X, read=False)
    assert run(["verify"]) == 0
    assert run(["verify", "--strict"]) == 1


def test_the_report_is_written_as_json(world: Audited, tmp_path: Path) -> None:
    world.change("user_states", "ada", lambda state: state | {"published": ["y", "x"]})
    assert run(["verify", "--json", "report.json"]) == 1
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["agree"] is False
    assert {finding["what"] for finding in report["differences"]} == {"items", "published"}
    assert {"what", "log", "other"} == set(report["pairs"][0])
    assert (report["lists"], report["records"]) == (1, len(world.log))


def test_a_report_that_cannot_be_written_is_one_sentence(
    world: Audited, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", "--json", "no/such/folder.json"]) == 78
    assert "--json: no/such/folder.json cannot be written" in capsys.readouterr().err


def test_why_tells_the_story_of_a_user(world: Audited, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["why", "ada"]) == 0
    out = capsys.readouterr().out
    assert "user ada: active, provisional list" in out
    assert "Title of x" in out


def test_why_of_nobody_is_told_apart_by_the_exit_code(world: Audited, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["why", "nobody"]) == 1
    assert capsys.readouterr().err.endswith("the log knows no user nobody\n")


def test_what_cannot_be_reached_is_one_sentence(
    world: Audited, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(_settings: Settings, **_options: object) -> Snapshot:
        raise StoreUnavailable("Redis at redis://h:6379/0: away")

    monkeypatch.setattr("glowplug.audit.commands.take", away)
    assert run(["verify"]) == 75
    assert capsys.readouterr().err == "glowplug: Redis at redis://h:6379/0: away\n"
