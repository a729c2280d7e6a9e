"""The real broker and the real Redis of one test run, started when the first test asks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest

from glowplug.embedded.apache import ApacheBroker
from glowplug.embedded.redis_server import RedisServer
from glowplug.errors import Fatal

KAFKA_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
REDIS_VARIABLE = "REDIS_URL"


@dataclass
class Missing:
    """What could not be tested, and why; printed at the end of the run."""

    reasons: dict[str, list[str]] = field(default_factory=dict)  # reason → tests

    def refusal(self, reason: str, test: str) -> BaseException:
        """Ends the test `test` when raised: on CI as a failure, elsewhere as one that the summary names."""
        if os.environ.get("CI"):
            return pytest.fail.Exception(f"CI must test this: {reason}", pytrace=False)
        self.reasons.setdefault(reason, []).append(test)
        return pytest.skip.Exception(reason)

    def lines(self) -> list[str]:
        files = {reason: sorted({test.split("::")[0] for test in tests}) for reason, tests in self.reasons.items()}
        return [
            f"NOT TESTED: {len(tests)} tests ({', '.join(files[reason])}): {reason}"
            for reason, tests in self.reasons.items()
        ]


class Servers:
    """Starts at most one broker and one Redis; remembers what failed, so that it fails once."""

    def __init__(self) -> None:
        self._broker: ApacheBroker | None = None
        self._redis: RedisServer | None = None
        self._failed: dict[str, str] = {}

    @property
    def is_own_redis(self) -> bool:
        return REDIS_VARIABLE not in os.environ

    def kafka(self) -> str:
        """bootstrap.servers. Raises Fatal."""
        if given := os.environ.get(KAFKA_VARIABLE):
            return given
        self._raise_again("kafka")
        if self._broker is None:
            broker = ApacheBroker(fast_failures=True)
            try:
                broker.start()
            except Fatal as error:
                self._failed["kafka"] = str(error)
                raise
            self._broker = broker
        return self._broker.bootstrap

    def redis(self) -> str:
        """The URL. Raises Fatal."""
        if given := os.environ.get(REDIS_VARIABLE):
            return given
        self._raise_again("redis")
        if self._redis is None:
            server = RedisServer()
            try:
                server.start()
            except Fatal as error:
                self._failed["redis"] = str(error)
                raise
            self._redis = server
        return self._redis.url

    def stop(self) -> None:
        if self._broker is not None:
            self._broker.stop()
        if self._redis is not None:
            self._redis.stop()

    def _raise_again(self, name: str) -> None:
        if name in self._failed:
            raise Fatal(self._failed[name])
