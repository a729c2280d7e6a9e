"""The commands: what they pass on, what they print, and how they end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import pytest

from glowplug import __version__, cli
from glowplug.cli import run
from glowplug.data.ml100k import Fetched
from glowplug.errors import Fatal, StoreUnavailable
from glowplug.events import Basis, Explanation, Recommendations, Recommended
from glowplug.settings import Settings
from glowplug.stream.topic_fit import TopicAction

FATAL = tuple(Fatal.__subclasses__())
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No glowplug.toml of whoever runs the tests, and no logging set up for the rest of the run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("glowplug.observe.logs.configure", lambda _settings: None)


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_arguments: object, **_options: object) -> Any:
        raise error

    return fail


# ---- how they end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FATAL, ids=lambda kind: kind.__name__)
def test_what_is_fatal_is_one_sentence_and_its_exit_code(
    kind: type[Fatal], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("glowplug.stream.admin.ensure_topics", raising(kind("kafka.topics.items: it is not there")))
    assert run(["topics"]) == kind.exit_code
    assert capsys.readouterr() == ("", "glowplug: kafka.topics.items: it is not there\n")


def test_what_can_succeed_later_says_so_by_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "glowplug.stream.admin.ensure_topics", raising(StoreUnavailable("redis://:hunter2@h is away"))
    )
    assert run(["topics"]) == 75
    assert capsys.readouterr().err == "glowplug: redis://:***@h is away\n"


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("glowplug.stream.admin.ensure_topics", raising(KeyboardInterrupt()))
    assert run(["topics"]) == 130
    assert capsys.readouterr() == ("", "")


def test_wrong_usage_is_2_and_names_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tpics"]) == 2
    assert "--help" in capsys.readouterr().err
    assert run(["up", "--port", "70000"]) == 2


def test_a_misnamed_setting_stops_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOWPLUG_RANKING__LIST_SIZEE", "3")
    for command in (["up"], ["topics"], ["settings"], ["recs", "u-1"], ["consume", "recommender"]):
        assert run(command) == 78
        assert "GLOWPLUG_RANKING__LIST_SIZE?" in capsys.readouterr().err


def test_help_loads_neither_models_nor_clients() -> None:
    heavy = ("torch", "transformers", "faiss", "numpy", "confluent_kafka", "redis", "pydantic", "rich")
    code = f"""
import sys
from glowplug.cli import run
run(["--help"])
print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# ---- what they pass on -----------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, str | None]]:
    """What `glowplug up` would have started."""
    calls: list[tuple[Settings, str | None]] = []
    stack = SimpleNamespace(run=lambda settings, broker, **_ports: calls.append((settings, broker)))
    monkeypatch.setitem(sys.modules, "glowplug.up", stack)
    return calls


def test_up_without_options_starts_what_the_settings_say(started: list[tuple[Settings, str | None]]) -> None:
    assert run(["up"]) == 0
    assert started == [(Settings(), None)]


def test_options_of_up_are_settings(started: list[tuple[Settings, str | None]]) -> None:
    assert run(["up", "--redis-url", "redis://h", "--model", "minilm", "--port", "0", "--broker", "apache"]) == 0
    ((settings, broker),) = started
    assert (settings.redis.url, settings.encoder.model, settings.observe.port, broker) == (
        "redis://h", "minilm", 0, "apache",
    )  # fmt: skip
    assert run(["up", "--bootstrap-servers", "k:9092"]) == 0
    assert started[1][0].kafka.bootstrap_servers == "k:9092"


def test_a_broker_of_ours_and_one_of_yours_exclude_each_other(
    started: list[tuple[Settings, str | None]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", "--broker", "builtin", "--bootstrap-servers", "k:9092"]) == 78
    assert "give one of the two" in capsys.readouterr().err
    assert started == []


@pytest.mark.parametrize("name", ["item_embedder", "item-embedder"])
def test_consume_runs_the_consumer_of_that_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    module = SimpleNamespace(main=lambda: ran.append("item_embedder"))
    monkeypatch.setitem(sys.modules, "consumers.item_embedder", module)
    assert run(["consume", name]) == 0
    assert ran == ["item_embedder"]


def test_an_unknown_consumer_is_answered_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["consume", "os"]) == 78
    assert "recommender, redis_writer" in capsys.readouterr().err


def test_publish_gets_all_its_arguments_and_gives_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[list[str]] = []

    def publish(arguments: list[str]) -> int:
        got.append(arguments)
        return 65

    monkeypatch.setattr("producers.publish.main", publish)
    assert run(["publish", "events.jsonl", "--on-error", "skip", "--help"]) == 65
    assert got == [["events.jsonl", "--on-error", "skip", "--help"]]


def test_data_says_how_to_publish_what_it_wrote(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[Path, Path | None]] = []

    def fetch(target: Path, source: Path | None) -> Fetched:
        calls.append((target, source))
        return Fetched(folder=target, items=1_682, users=943, interactions=100_000)

    monkeypatch.setattr("glowplug.data.ml100k.fetch", fetch)
    assert run(["data", "ml-100k", "--from", "raw", "--to", "events"]) == 0
    assert calls == [(Path("events"), Path("raw"))]
    assert "1,682 items" in (out := capsys.readouterr().out)
    assert "glowplug publish events/interactions.jsonl" in out


# ---- what they print -------------------------------------------------------------------------------------


def test_topics_says_what_was_done_with_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    created: list[bool] = []

    def ensure(settings: Settings, *, create: bool) -> SimpleNamespace:
        created.append(create)
        return SimpleNamespace(actions=(TopicAction("items", "prod.items", "created", 6, "compact", "id"),))

    monkeypatch.setattr("glowplug.stream.admin.ensure_topics", ensure)
    assert run(["topics"]) == run(["topics", "--check"]) == 0
    assert created == [True, False]
    assert capsys.readouterr().out.splitlines()[1].split() == ["prod.items", "6", "compact", "created"]


def test_settings_prints_value_default_name_and_meaning_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOWPLUG_RANKING__LIST_SIZE", "7")
    monkeypatch.setenv("GLOWPLUG_REDIS__URL", "redis://:hunter2@h")
    assert run(["settings"]) == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    (line,) = [line for line in out.splitlines() if line.startswith("ranking.list_size")]
    assert line.split()[:4] == ["ranking.list_size", "7", "20", "GLOWPLUG_RANKING__LIST_SIZE"]
    assert line.rstrip().endswith("items in a published list")
    assert run(["settings", "--changed"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


class View:
    """Stands in for serving.view.RedisView: one user has a list."""

    def __init__(self, url: str, **_options: object) -> None:
        assert url == "redis://h"

    def recommendations(self, user_id: str) -> Recommendations | None:
        explanation = Explanation(kind="interest", text="you said you like [bold]jazz[/bold]")
        item = Recommended(item_id="i-1", rank=1, score=0.5, title="Blue\x1b[2J Note", explanation=explanation)
        found = Recommendations(
            user_id="u-1", reason="user.created", stage="provisional", covers=("e-1",), items=(item,), encoder="x",
            basis=Basis(text=1, profile=0, behaviour=0, popularity=0), epoch=1, source_event_time=NOON,
            generated_at=NOON,
        )  # fmt: skip
        return found if user_id == "u-1" else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def test_recs_prints_the_list_with_its_reasons_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("glowplug.serving.view.RedisView", View)
    assert run(["recs", "u-1", "--redis-url", "redis://h"]) == 0
    out = capsys.readouterr().out
    assert "user u-1: provisional list because of user.created" in out
    assert "you said you like [bold]jazz[/bold]" in out
    assert "\x1b" not in out


def test_a_user_without_a_list_is_told_apart_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("glowplug.serving.view.RedisView", View)
    assert run(["recs", "u-2", "--redis-url", "redis://h"]) == 1
    assert capsys.readouterr() == ("", "there is no list for user u-2 (yet)\n")


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    assert capsys.readouterr().out == f"glowplug {__version__}\n"


def test_the_consumers_of_the_design_can_be_named() -> None:
    assert {"item_embedder", "user_embedder", "recommender", "redis_writer"} <= set(cli.consumer_names())


def test_a_data_folder_without_a_broker_that_would_use_it_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["up", "--data-dir", str(tmp_path)]) == 78
    assert "the built-in broker has no use for it" in capsys.readouterr().err
