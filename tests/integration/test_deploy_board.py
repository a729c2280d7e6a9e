"""The board and the alerts, asked of a stack that runs: every expression finds what it asks for."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from glowplug.embedded.places import free_port
from tests.conftest import MISSING
from tests.support import promql
from tests.support.compose import DEPLOY, running
from tests.support.kafka import produce
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.embedded, pytest.mark.redis]

START_S = 60.0
SEEN_S = 30.0
INTERVAL = "15s"  # rates are taken over it: many scrapes


@dataclass(frozen=True, slots=True)
class Stack:
    bootstrap: str
    port: int

    def page(self, path: str = "/metrics") -> str:
        return _get(self.port, path)

    def send(self) -> None:
        """A new item, twice, a new user who likes it, and something that is no event."""
        new = uuid.uuid4().hex
        common = {"event_time": datetime.now(UTC).isoformat(), "event_id": new}
        item = {"type": "item.updated", "item_id": new, "title": "Trail shoe"}
        user = {"type": "user.created", "user_id": new, "text": "I run, and I love jazz."}
        like = {"type": "interaction", "user_id": new, "item_id": new, "action": "like"}
        # Two good items for a bad one: at more than half, the embedder stops.
        for topic, event in (("items", item), ("items", item), ("users", user), ("interactions", like)):
            produce(self.bootstrap, topic, new, common | event)
        produce(self.bootstrap, "items", new, b"{not json")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    log = tmp_path_factory.mktemp("up") / "up.log"
    kafka_port, port = free_port(), free_port()
    program = str(Path(sys.executable).with_name("glowplug"))
    options = [f"--kafka-port={kafka_port}", "--redis-port=0", f"--port={port}", "--model=fake"]
    all_consumers = {"GLOWPLUG_PROFILES__MODEL": "encoder", "GLOWPLUG_KAFKA__REKEY_INTERACTIONS": "true"}
    with running([program, "up", *options], all_consumers, log) as process:
        started = Stack(f"127.0.0.1:{kafka_port}", port)
        wait_until(lambda: process.poll() is not None or _is_ok(port), START_S, log.read_text)
        assert process.poll() is None, log.read_text()
        yield started


def test_every_expression_asks_for_series_and_labels_that_are_exposed(stack: Stack) -> None:
    stack.send()
    questions = [*promql.board(), *promql.alerts()]
    assert len(questions) > 30

    def faults() -> list[str]:
        scraped = promql.samples(stack.page())
        return [fault for question in questions for fault in promql.faults(question, scraped)]

    wait_until(lambda: not faults(), SEEN_S, lambda: "\n".join(faults()))


def test_a_real_prometheus_answers_every_expression(
    stack: Stack, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    program = shutil.which("prometheus")
    if program is None:
        reason = "prometheus is not on PATH (Debian: apt install prometheus)"
        raise request.config.stash[MISSING].refusal(reason, request.node.nodeid)
    port = free_port()
    config = (DEPLOY / "prometheus.yml").read_text("utf-8")
    config = config.replace("127.0.0.1:9464", f"127.0.0.1:{stack.port}").replace("interval: 5s", "interval: 500ms")
    (tmp_path / "prometheus.yml").write_text(config, "utf-8")
    (tmp_path / "alerts.yml").write_bytes((DEPLOY / "alerts.yml").read_bytes())
    options = [
        f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    log = tmp_path / "prometheus.log"
    with running([program, *options], {}, log):
        wait_until(lambda: _asked(port, 'up{job="glowplug"} == 1'), SEEN_S, log.read_text)

        def unanswered() -> list[str]:
            stack.send()  # quantiles of nothing are no numbers
            asked = {question.where: question.over(INTERVAL) for question in promql.board()}
            return [where for where, expr in asked.items() if not _asked(port, expr)]

        wait_until(lambda: not unanswered(), SEEN_S, lambda: f"{unanswered()}: no answer")
        for question in promql.alerts():
            _asked(port, question.expr)


def _asked(port: int, expr: str) -> list[Any]:
    """The series that have a value now. AssertionError where the expression is refused."""
    try:
        answer = json.loads(_get(port, f"/api/v1/query?{urllib.parse.urlencode({'query': expr})}"))
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
            return []  # it still starts
        raise AssertionError(f"{expr}: {error.read().decode()}") from error
    except OSError:
        return []
    assert answer["status"] == "success", answer
    return [series for series in answer["data"]["result"] if series["value"][1] != "NaN"]


def _is_ok(port: int) -> bool:
    try:
        return bool(json.loads(_get(port, "/health"))["state"] == "ok")
    except OSError:
        return False


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        text: str = answer.read().decode()
    return text
