"""Refined lists, seen by a client that knows only the contract: real Kafka, real Redis, the real small model."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.kafka import unique_prefix
from tests.support.outsider import JSON, Outsider
from tests.support.servers import Servers
from tests.support.up import glowplug_up

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.model]

SETTINGS = {
    "PROFILES__MODEL": "encoder",
    "RANKING__LIST_SIZE": "6",
    "RANKING__POPULARITY": "0",
    "RANKING__FRESHNESS": "0",
}
QUIET_S = 2.0  # one more list would have come
CATALOGUE = {
    "astro-1": ("Rings of Saturn", "A documentary about planets, their moons and the probes to them."),
    "astro-2": ("观星入门", "教你用双筒望远镜辨认星座、行星和星云。"),
    "bread-1": ("Sourdough from scratch", "Starter, kneading and baking a crusty country loaf at home."),
    "chess-1": ("Endgame drills", "Two hundred chess endings to solve against the clock."),
    "horror-1": ("The house on the moor", "A horror film: a haunted house, and nobody leaves it alive."),
    "run-1": ("Trail running shoes", "Light, with deep lugs for muddy mountain paths."),
}


@pytest.fixture(scope="module")
def world(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outsider, int]]:
    kafka, redis_url, prefix = servers.kafka(), servers.redis(), unique_prefix()
    log = tmp_path_factory.mktemp("up") / "up.log"
    with glowplug_up(kafka, redis_url, prefix, log, **SETTINGS) as port:
        outsider = Outsider(kafka, prefix)
        for item_id, (title, description) in CATALOGUE.items():
            outsider.item(item_id, title, description)
        items = outsider.latest
        outsider.wait(
            lambda: (
                [one["inferred"] is not None for one in items("item_vectors").values()] == [True] * len(CATALOGUE)
            ),
            lambda: f"every item read: {items('item_vectors')}",
        )
        yield outsider, port
        outsider.close()


def lists_of(outsider: Outsider, user_id: str) -> list[JSON]:
    return [one for one in outsider.lists(user_id) if one is not None]


def refined(outsider: Outsider, user_id: str) -> list[JSON]:
    """All lists of the user, once the refined one is there and nothing more comes."""
    outsider.wait(
        lambda: any(one["stage"] == "refined" for one in lists_of(outsider, user_id)),
        lambda: f"a refined list: {lists_of(outsider, user_id)}",
    )
    outsider.quiet(QUIET_S)
    return lists_of(outsider, user_id)


def test_a_new_user_gets_a_provisional_list_and_then_one_refined_list(world: tuple[Outsider, int]) -> None:
    outsider, _ = world
    text = "I spend clear nights outside with my telescope and bake sourdough on Sundays."
    event_id = outsider.user("ada", text)
    provisional, after = refined(outsider, "ada")
    assert (provisional["stage"], provisional["basis"]["profile"]) == ("provisional", 0)
    assert (after["stage"], after["reason"], after["covers"]) == ("refined", "profile", [event_id])
    assert after["basis"]["profile"] > 0
    told = {one["item_id"]: one["explanation"] for one in after["items"]}
    assert told["bread-1"]["kind"] == "profile"
    assert told["bread-1"]["value"] in text
    assert f"because you wrote “{told['bread-1']['value']}”" in told["bread-1"]["text"]


def test_what_a_user_wants_to_avoid_is_lowered(world: tuple[Outsider, int]) -> None:
    outsider, _ = world
    outsider.user("bo", "我喜欢下国际象棋。不要给我推荐恐怖片。")
    before, after = refined(outsider, "bo")
    assert outsider.latest("user_profiles")["bo"]["avoid"]
    scores = [{one["item_id"]: one["score"] for one in event["items"]} for event in (before, after)]
    assert scores[1]["horror-1"] < scores[0]["horror-1"]
    assert scores[1]["chess-1"] > scores[1]["horror-1"]


def test_health_tells_how_the_profile_writer_fares(world: tuple[Outsider, int]) -> None:
    _, port = world
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
        components = json.load(answer)["components"]
    assert components["profile_writer"]["state"] == "ok"
