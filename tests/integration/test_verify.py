"""`glowplug verify` and `glowplug why` beside a running stack: real Kafka, real Redis, the real small model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from glowplug.embedded.kafka_builtin import BuiltinBroker
from glowplug.settings import TopicNames
from tests.support.kafka import unique_prefix
from tests.support.outsider import Outsider
from tests.support.servers import Servers
from tests.support.up import glowplug_up
from tests.support.waiting import wait_until

RANKING = {
    "RANKING__LIST_SIZE": "4",
    "RANKING__RAW_SIZE": "6",
    "RANKING__WINDOW_S": "0.5",
    "RANKING__EPOCH_MINIMUM": "4",
}
TEXTS = {
    "astro-1": "A documentary about planets, their moons and the probes to them.",
    "astro-2": "A reflector for watching galaxies and nebulae from your garden.",
    "astro-3": "教你用双筒望远镜辨认星座、行星和星云。",
    "bread-1": "Starter, kneading and baking a crusty country loaf at home.",
    "bread-2": "For loaves with a crackling crust in any oven.",
    "run-1": "Light shoes with deep lugs for muddy mountain paths.",
    "jazz-1": "Late-night trio jazz: piano, upright bass and brushes.",
    "chess-1": "Two hundred chess endings to solve against the clock.",
}
COMMAND_S = 120.0  # a new process on a busy machine imports torch
QUIET_S = 60.0


@dataclass
class Running:
    """A stack that has worked, and how to ask about it."""

    outsider: Outsider
    store: redis.Redis
    prefix: str
    variables: dict[str, str]

    def glowplug(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("glowplug"))
        return subprocess.run(
            [program, *arguments],
            env=os.environ | {f"GLOWPLUG_{name}": value for name, value in self.variables.items()},
            capture_output=True, text=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def running(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    kafka, redis_url, prefix = servers.kafka(), servers.redis(), unique_prefix()
    log = tmp_path_factory.mktemp("up") / "up.log"
    topics = {f"KAFKA__TOPICS__{name.upper()}": f"{prefix}.{default}" for name, default in TopicNames()}
    variables = topics | RANKING | {
        "KAFKA__BOOTSTRAP_SERVERS": kafka, "KAFKA__APPLICATION": prefix,
        "REDIS__URL": redis_url, "REDIS__KEY_PREFIX": f"{prefix}:",
    }  # fmt: skip
    with glowplug_up(kafka, redis_url, prefix, log, **RANKING):
        outsider = Outsider(kafka, prefix)
        with redis.Redis.from_url(redis_url) as store:
            made = Running(outsider, store, prefix, variables)
            work(outsider)
            wait_until(lambda: made.glowplug("verify", "--strict").returncode == 0, QUIET_S, "all is quiet")
            yield made
        outsider.close()


def work(outsider: Outsider) -> None:
    """Items, users and their deeds, changes and deletes: a little of everything."""
    for item_id, text in TEXTS.items():
        outsider.item(item_id, item_id, text)
    outsider.wait(lambda: len(outsider.latest("item_vectors")) == len(TEXTS), "all item vectors")
    outsider.answer("ada", outsider.user("ada", "Clear nights with my telescope", blocked_items=["chess-1"]))
    outsider.answer("小明", outsider.user("小明", "我喜欢看星星，周末常带望远镜去山里。"))
    outsider.answer("quiet", outsider.user("quiet"))
    outsider.answer("gone", outsider.user("gone", "I will not stay"))
    for user_id, item_id, action in (
        ("ada", "astro-2", "purchase"), ("小明", "bread-1", "like"), ("ada", "jazz-1", "dislike"),
        ("quiet", "run-1", "click"), ("quiet", "astro-1", "like"), ("ada", "bread-2", "view"),
    ):  # fmt: skip
        outsider.answer(user_id, outsider.act(user_id, item_id, action))
    outsider.item("astro-3", "astro-3", TEXTS["astro-3"], type="item.updated", available=False)
    outsider.send("items", {"type": "item.deleted", "item_id": "run-1"})
    outsider.send("users", {"type": "user.deleted", "user_id": "gone"})
    outsider.wait(lambda: outsider.lists("gone")[-1] is None, "the list of the deleted user is gone")


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.model
def test_a_quiet_stack_agrees_and_says_so_in_numbers(running: Running, tmp_path: Path) -> None:
    done = running.glowplug("verify", "--strict", "--json", str(tmp_path / "report.json"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "topics, Redis and index agree" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert (report["agree"], report["differences"], report["moving"], report["unchecked"]) == (True, [], [], [])
    assert (report["lists"], report["vectors"]) == (3, 3)
    assert all(pair["log"] == pair["other"] for pair in report["pairs"])


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.model
@pytest.mark.parametrize("field", ["doc", "vector"])
def test_a_value_of_redis_that_was_tampered_with_is_named(running: Running, field: str) -> None:
    key = f"{running.prefix}:user:ada"
    before: Any = running.store.hget(key, field)
    changed = before.replace(b'"active"', b'"waiting"') if field == "doc" else bytes(len(before))
    assert changed != before
    running.store.hset(key, field, changed)
    try:
        done = running.glowplug("verify")
    finally:
        running.store.hset(key, field, before)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "user:ada" in done.stdout
    assert "1 difference" in done.stdout
    assert running.glowplug("verify").returncode == 0


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.model
def test_a_key_that_no_record_names_is_named(running: Running) -> None:
    key = f"{running.prefix}:recs:nobody"
    running.store.hset(key, "doc", "{}")
    try:
        done = running.glowplug("verify")
    finally:
        running.store.delete(key)
    assert done.returncode == 1
    assert "recs:nobody" in done.stdout


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.model
def test_why_tells_what_the_list_rests_on(running: Running) -> None:
    done = running.glowplug("why", "ada")
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("user ada: active", "Clear nights with my telescope", "purchase", "astro-2", "seen: purchase"):
        assert words in done.stdout
    assert running.glowplug("why", "nobody").returncode == 1


@pytest.mark.embedded
@pytest.mark.redis
@pytest.mark.model
def test_the_builtin_broker_is_verified_too_and_named_for_what_it_is(
    redis_url: str, prefix: str, tmp_path: Path
) -> None:
    with BuiltinBroker() as broker:
        topics = {f"KAFKA__TOPICS__{name.upper()}": f"{prefix}.{default}" for name, default in TopicNames()}
        broker.create_topics(topics.values(), 4)
        shared = RANKING | {"KAFKA__BUILTIN": "true"}
        variables = topics | shared | {
            "KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap, "KAFKA__APPLICATION": prefix,
            "REDIS__URL": redis_url, "REDIS__KEY_PREFIX": f"{prefix}:",
        }  # fmt: skip
        with glowplug_up(broker.bootstrap, redis_url, prefix, tmp_path / "up.log", **shared):
            outsider = Outsider(broker.bootstrap, prefix)
            with redis.Redis.from_url(redis_url) as store:
                made = Running(outsider, store, prefix, variables)
                work(outsider)
                wait_until(lambda: made.glowplug("verify", "--strict").returncode == 0, QUIET_S, "all is quiet")
                done = made.glowplug("verify")
            outsider.close()
    assert "the broker is the built-in one" in done.stdout
    assert "topics, Redis and index agree" in done.stdout
