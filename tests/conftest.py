"""Fixtures that every test may use: a real Apache Kafka, a real Redis, and names that are this test's alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import hypothesis
import pytest
import redis

from glowplug.errors import Fatal
from glowplug.settings import TopicNames
from tests.support.kafka import topic_names, unique_prefix
from tests.support.servers import Missing, Servers

MISSING = pytest.StashKey[Missing]()
# Tests do not time: on a busy machine any example takes longer than Hypothesis allows by default.
hypothesis.settings.register_profile("glowplug", hypothesis.settings(), deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MISSING] = Missing()
    hypothesis.settings.load_profile("glowplug")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[MISSING].lines():
        terminalreporter.write_line(line, red=True, bold=True)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.stop()


@pytest.fixture
def kafka(servers: Servers, request: pytest.FixtureRequest) -> str:
    """bootstrap.servers of a real Apache Kafka: KAFKA_BOOTSTRAP_SERVERS, or one of our own."""
    return _or_not_tested(servers.kafka, request)


@pytest.fixture
def redis_url(servers: Servers, request: pytest.FixtureRequest) -> str:
    """A real server: REDIS_URL, or one of our own, which is then empty. Use `prefix` for keys all the same."""
    url = _or_not_tested(servers.redis, request)
    if servers.is_own_redis:
        with redis.Redis.from_url(url) as client:
            client.flushall()
    return url


@pytest.fixture
def prefix() -> str:
    """For topics, groups and keys: no other test has it."""
    return unique_prefix()


@pytest.fixture
def topics(prefix: str) -> TopicNames:
    return topic_names(prefix)


def _or_not_tested(start: Callable[[], str], request: pytest.FixtureRequest) -> str:
    try:
        return start()
    except Fatal as error:
        raise request.config.stash[MISSING].refusal(str(error), request.node.nodeid) from None
