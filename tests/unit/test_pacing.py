"""A paced producer never has more records under way than the built-in broker keeps."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from glowplug.embedded.pacing import STALE_S, LagGate, gate_for, health_lag
from glowplug.errors import Unreachable
from glowplug.settings import KafkaSettings, Settings

RATE = 100.0  # records a second that the imagined stack works off


class Stack:
    """Works off RATE records a second; its reports are STALE_S old at worst."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting = 0.0
        self.most = 0.0
        self._reported = (0.0, 0.0)  # when, what

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waiting = max(0.0, self.waiting - seconds * RATE)

    def lag(self) -> int:
        reported_at, reported = self._reported
        if self.now - reported_at >= STALE_S:
            self._reported = (self.now, self.waiting)
        return int(reported)

    def send(self) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)


def test_a_fast_producer_is_held_to_the_limit_although_reports_come_late() -> None:
    stack = Stack()
    gate = LagGate(stack.lag, limit=50, clock=stack.clock, sleep=stack.sleep)
    for _ in range(2_000):
        gate()
        stack.send()

    assert stack.most <= 2 * 50  # the limit, and once more what a late report does not show
    assert stack.now == pytest.approx(2_000 / RATE, rel=0.5)


def test_a_slow_producer_is_not_held_up() -> None:
    stack = Stack()
    gate = LagGate(stack.lag, limit=50, clock=stack.clock, sleep=stack.sleep)
    for _ in range(100):
        gate()
        stack.send()
        stack.sleep(2 / RATE)

    assert stack.now == pytest.approx(100 * 2 / RATE)


@pytest.mark.parametrize("status", [200, 503])
def test_the_lag_is_read_from_health_ready_or_not(status: int) -> None:
    with _serving(status, json.dumps({"broker": "builtin", "lag": 7}).encode()) as url:
        assert health_lag(url) == 7


@pytest.mark.parametrize("body", [b"not json", b"{}", b"[]"])
def test_something_else_at_the_port_is_one_sentence(body: bytes) -> None:
    with _serving(200, body) as url, pytest.raises(Unreachable, match=r"/health does not say .*observe\.port"):
        health_lag(url)


def test_nothing_at_the_port_is_one_sentence() -> None:
    with pytest.raises(Unreachable, match=r"refused.*observe\.port"):
        health_lag("http://127.0.0.1:1/health")


@pytest.mark.kafka
def test_a_real_broker_needs_no_gate(kafka: str) -> None:
    assert gate_for(Settings(kafka=KafkaSettings(bootstrap_servers=kafka))) is None


@contextmanager
def _serving(status: int, body: bytes) -> Iterator[str]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/health"
        server.shutdown()
        thread.join()
