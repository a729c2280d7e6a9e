"""Logs, health and the small HTTP server: what outsiders see, and what they must not."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPMessage
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from prometheus_client import REGISTRY

from glowplug.contract.reference import metric_name, named_metrics
from glowplug.errors import BadSettings, PortInUse
from glowplug.observe import metrics
from glowplug.observe.health import Health
from glowplug.observe.logs import MESSAGE_CHARS, configure
from glowplug.observe.redact import redacted, without_secrets
from glowplug.observe.server import Server, serve
from glowplug.settings import ObserveSettings

ANY_PORT = ObserveSettings(port=0)
DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def server(health: Health) -> Iterator[Server]:
    running = serve(ANY_PORT, health)
    yield running
    running.close()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The stream that `configure` is given; the logging of the test run is put back after."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    yield io.StringIO()
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def get(server: Server, path: str, accept: str = "*/*", method: str = "GET") -> tuple[int, HTTPMessage, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(method, path, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


# ---- server ----------------------------------------------------------------------------------------------


def test_metrics_are_served_in_prometheus_text_format(server: Server) -> None:
    metrics.epoch.set(7)
    status, headers, body = get(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert "\nglowplug_epoch 7.0\n" in body


def test_open_metrics_are_served_to_who_asks_for_them(server: Server) -> None:
    _, headers, body = get(server, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_health_is_200_while_work_gets_done_and_503_otherwise(server: Server, health: Health) -> None:
    assert get(server, "/health")[0] == 503  # nobody has reported yet
    health.set("recommender", "ok")
    assert get(server, "/health")[0] == 200
    health.set("redis", "degraded", "no answer")
    status, headers, body = get(server, "/health")
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["components"]["redis"] == {"state": "degraded", "detail": "no answer"}
    health.set("recommender", "stopped", "too many dead letters")
    assert get(server, "/health")[0] == 503


def test_the_root_tells_the_way_and_other_paths_are_404(server: Server) -> None:
    assert "/metrics" in get(server, "/")[2]
    assert get(server, "/metrics?name=x")[0] == 200
    status, headers, _ = get(server, "/etc/passwd")
    assert status == 404
    assert "Python" not in headers["Server"]


def test_a_head_request_gets_no_body(server: Server) -> None:
    status, headers, body = get(server, "/metrics", method="HEAD")
    assert status == 200
    assert int(headers["Content-Length"]) > 0
    assert body == ""


def test_a_client_that_goes_away_before_its_answer_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, server: Server, health: Health, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, gone, answered = Event(), Event(), Event()

    def slowly() -> dict[str, Any]:
        asked.set()
        gone.wait(5)
        return {"state": "ok", "components": {"much": "x" * 2**22}}  # more than fits into a socket's buffers

    monkeypatch.setattr(health, "to_json", slowly)
    finish = ThreadingHTTPServer.shutdown_request

    def finished(self: ThreadingHTTPServer, request: Any) -> None:
        finish(self, request)
        answered.set()

    monkeypatch.setattr(ThreadingHTTPServer, "shutdown_request", finished)
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert asked.wait(5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
    gone.set()
    assert answered.wait(5)
    assert capsys.readouterr().err == ""


def test_a_port_in_use_is_one_sentence_with_the_way_out(server: Server, health: Health) -> None:
    with pytest.raises(PortInUse, match=rf"127\.0\.0\.1:{server.port} is in use; .*observe\.port"):
        serve(ObserveSettings(port=server.port), health)


def test_an_address_that_is_not_ours_is_a_bad_setting(health: Health) -> None:
    with pytest.raises(BadSettings, match=r"observe\.host"):
        serve(ObserveSettings(host="192.0.2.1", port=0), health)


def test_closing_gives_the_port_back(health: Health) -> None:
    first = serve(ANY_PORT, health)
    first.close()
    first.close()
    second = serve(ObserveSettings(port=first.port), health)
    assert second.port == first.port
    second.close()


# ---- health ----------------------------------------------------------------------------------------------


def test_the_worst_component_decides(health: Health) -> None:
    assert health.state() == "starting"
    health.set("a", "ok")
    health.set("b", "degraded")
    assert health.state() == "degraded"
    health.set("c", "stopped")
    assert health.state() == "stopped"
    health.forget("c")
    health.set("b", "ok")
    assert health.state() == "ok"


def test_health_tells_how_many_records_wait(health: Health) -> None:
    before = health.to_json()["lag"]
    metrics.lag.labels("test_observe", "items").set(3)
    assert health.to_json()["lag"] == before + 3
    metrics.lag.remove("test_observe", "items")


def test_health_shows_no_password(health: Health) -> None:
    health.set("redis", "degraded", "cannot reach rediss://app:hunter2@cache:6379/0")
    assert "hunter2" not in json.dumps(health.to_json())


def test_components_report_from_many_threads(health: Health) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: health.set(f"c{number}", "ok"), range(200)))
    assert len(health.components()) == 200


# ---- logs ------------------------------------------------------------------------------------------------


def test_a_line_is_made_for_people(log: io.StringIO) -> None:
    configure(ObserveSettings(), log)
    logging.getLogger("glowplug.stream").info("joined group %s", "glowplug-recommender")
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} info glowplug\.stream: joined group glowplug-recommender\n", log.getvalue()
    )


def test_json_lines_carry_what_came_through_extra(log: io.StringIO) -> None:
    configure(ObserveSettings(log_json=True), log)
    logging.getLogger("glowplug").warning("slow", extra={"partition": 3, "topic": "items"})
    line = json.loads(log.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "warning", "logger": "glowplug", "message": "slow", "partition": 3, "topic": "items"}


@pytest.mark.parametrize("log_json", [False, True])
def test_no_secret_reaches_the_log(log: io.StringIO, log_json: bool) -> None:
    configure(ObserveSettings(log_json=log_json), log)
    logger = logging.getLogger("glowplug")
    logger.info("store at redis://app:hunter2@cache:6379/0")
    logger.info("client %s", {"sasl.password": "hunter2", "sasl.username": "app"})
    logger.info("told", extra={"url": "kafka://app:hunter2@broker"})
    try:
        raise ValueError("ssl.key.password=hunter2 does not open the key")
    except ValueError:
        logger.exception("failed")
    assert "hunter2" not in log.getvalue()
    assert "cache:6379" in log.getvalue()


@pytest.mark.parametrize("log_json", [False, True])
def test_one_record_is_one_line_and_no_document(log: io.StringIO, log_json: bool) -> None:
    configure(ObserveSettings(log_json=log_json), log)
    logging.getLogger("glowplug").info("first\n12:00:00.000 error glowplug: forged \x1b[2J%s", "x" * 5_000)
    written = log.getvalue()
    assert written.count("\n") == 1
    assert "\x1b" not in written
    assert len(written) < MESSAGE_CHARS + 300


def test_the_level_holds_for_us_and_others_speak_from_warnings_up(log: io.StringIO) -> None:
    configure(ObserveSettings(log_level="debug"), log)
    logging.getLogger("glowplug.x").debug("ours")
    logging.getLogger("somebody.else").info("theirs")
    logging.getLogger("somebody.else").warning("serious")
    assert [line.split(": ")[1] for line in log.getvalue().splitlines()] == ["ours", "serious"]


def test_configuring_twice_does_not_double_the_lines(log: io.StringIO) -> None:
    configure(ObserveSettings(), log)
    configure(ObserveSettings(), log)
    logging.getLogger("glowplug").info("once")
    assert log.getvalue().count("once") == 1


# ---- redaction -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:hunter2@h:1/0", "redis://:***@h:1/0"),
        ("rediss://app:hun@ter:2@h", "rediss://app:***@h"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("sasl.password=hunter2 next", "sasl.password=*** next"),
        ("{'sasl.password': 'hun\\'ter2', 'a': 1}", "{'sasl.password': ***, 'a': 1}"),
        ('{"sasl.oauthbearer.client.secret": "hunter2"}', '{"sasl.oauthbearer.client.secret": ***}'),
        ("?token=hunter2&x=1", "?token=***&x=1"),
        ("batch_tokens=8192", "batch_tokens=8192"),
        ("12:00:00 user@example.org", "12:00:00 user@example.org"),
    ],
)
def test_secrets_are_masked_and_the_rest_stays(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_masking_a_long_text_takes_linear_time() -> None:
    # Quadratic time would be minutes for these; the deadline is that of the whole run.
    for text in ("x" * 1_000_000, "password" * 100_000, "a://" * 200_000, "'password': '" * 50_000):
        assert redacted(text)


def test_a_tree_of_settings_is_masked_by_name_and_by_content() -> None:
    tree = {
        "properties": {"ssl.key.pem": "-----BEGIN", "client.id": "x"},
        "url": "redis://:p@h",
        "empty_secret": "",
    }
    assert without_secrets(tree) == {
        "properties": {"ssl.key.pem": "***", "client.id": "x"}, "url": "redis://:***@h", "empty_secret": "",
    }  # fmt: skip


# ---- deploy/ ---------------------------------------------------------------------------------------------


def test_alert_rules_ask_only_for_metrics_that_exist() -> None:
    rules = (DEPLOY / "alerts.yml").read_text("utf-8")
    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bglowplug_\w+", rules)}
    assert asked
    assert asked <= {metric_name(metric) for metric in named_metrics()}
    assert rules.count("- alert:") == rules.count("summary:") == rules.count("expr:")


def test_every_metric_is_in_the_registry_that_is_served() -> None:
    served = {family.name for family in REGISTRY.collect()}
    assert {metric_name(metric).removesuffix("_total") for metric in named_metrics()} <= served
