"""The main job, seen by a client that knows only the contract: real Kafka, real Redis, the real small model."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import redis

from tests.support.kafka import unique_prefix
from tests.support.outsider import JSON, Outsider, numbers
from tests.support.servers import Servers
from tests.support.up import glowplug_up

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.model]

LIST = 5
QUIET_S = 1.5  # longer than the window below and a commit: what has not come by then is not coming
# Priors off: a score is then the text block alone, which an outsider can recompute from the topics.
SETTINGS = {
    "RANKING__LIST_SIZE": str(LIST),
    "RANKING__RAW_SIZE": "8",
    "RANKING__WINDOW_S": "0.5",
    "RANKING__POPULARITY": "0",
    "RANKING__FRESHNESS": "0",
    "PROFILES__MODEL": "auto",
}
CATALOGUE = {
    "astro-1": ("Rings of Saturn", "A documentary about planets, their moons and the probes to them.", "video"),
    "astro-2": ("Backyard telescope", "A reflector for watching galaxies and nebulae from your garden.", "shop"),
    "astro-3": ("观星入门", "教你用双筒望远镜辨认星座、行星和星云。", "video"),
    "astro-4": ("黑洞与宇宙", "一本关于黑洞、星系与宇宙起源的科普书。", "shop"),
    "bread-1": ("Sourdough from scratch", "Starter, kneading and baking a crusty country loaf at home.", "video"),
    "bread-2": ("Cast iron bread pan", "For loaves with a crackling crust in any oven.", "shop"),
    "bread-3": ("在家做面包", "从发酵到烘烤，做出松软的欧式面包。", "video"),
    "run-1": ("Trail running shoes", "Light, with deep lugs for muddy mountain paths.", "shop"),
    "run-2": ("越野跑训练计划", "十二周带你完成第一个五十公里山地越野赛。", "video"),
    "run-3": ("Ultra", "A film about runners crossing the Alps on foot in a single night.", "video"),
    "jazz-1": ("Blue Hours", "Late-night trio jazz: piano, upright bass and brushes.", "music"),
    "jazz-2": ("Das Saxophon im Jazz", "Geschichte und Klang des Saxophons von Swing bis Bebop.", "music"),
    "chess-1": ("Endgame drills", "Two hundred chess endings to solve against the clock.", "games"),
    "chess-2": ("围棋与国际象棋", "棋类爱好者的对局讲解与战术训练。", "games"),
}  # fmt: skip


def indexed(port: int) -> float:
    """Items that the recommender ranks: it may be behind the topic that we read."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("glowplug_index_items"))


@pytest.fixture(scope="module")
def world(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Outsider, redis.Redis, str, int]]:
    kafka, redis_url, prefix = servers.kafka(), servers.redis(), unique_prefix()
    log = tmp_path_factory.mktemp("up") / "up.log"
    with glowplug_up(kafka, redis_url, prefix, log, **SETTINGS) as port:
        outsider = Outsider(kafka, prefix)
        for item_id, (title, description, domain) in CATALOGUE.items():
            outsider.item(item_id, title, description, domain=domain, attributes={"kind": item_id.split("-")[0]})
        outsider.wait(lambda: len(outsider.latest("item_vectors")) == len(CATALOGUE), "all item vectors")
        outsider.wait(lambda: indexed(port) == len(CATALOGUE), "all items in the index")
        yield outsider, redis.Redis.from_url(redis_url), prefix, port
        outsider.close()


World = tuple[Outsider, redis.Redis, str, int]


def shown(event: JSON) -> list[str]:
    return [one["item_id"] for one in event["items"]]


def best(outsider: Outsider, user_id: str, seen: set[str], without: str = "") -> list[str]:
    """The list by brute force, from topics alone: float64 sums of the published float16 vectors."""
    user = numbers(outsider.latest("user_states")[user_id]["vector"])
    scored = []
    for item_id, record in outsider.latest("item_vectors").items():
        if record["available"] and item_id not in seen and item_id != without:
            text = np.zeros(1) if record["vector"] is None else numbers(record["vector"])
            scored.append((-float(np.dot(user[: text.size], text)), item_id.encode()))
    return [item_id.decode() for _, item_id in sorted(scored)[:LIST]]


def test_a_new_user_gets_real_recommendations_with_reasons(world: World) -> None:
    outsider, *_ = world
    event_id = outsider.user("ada", "I spend clear nights outside with my telescope", interests=["space probes"])
    event = outsider.answer("ada", event_id)
    assert set(shown(event)[:3]) <= {"astro-1", "astro-2", "astro-3", "astro-4"}
    assert event["reason"] == "user.created"
    assert event["stage"] in ("provisional", "refined")  # the latter where both were read at once
    assert event["encoder"]
    assert all(one["explanation"]["text"] for one in event["items"])
    assert [one["rank"] for one in event["items"]] == list(range(1, LIST + 1))


def test_a_chinese_bio_finds_chinese_and_english_items_about_the_same_thing(world: World) -> None:
    outsider, *_ = world
    event = outsider.answer("小明", outsider.user("小明", "我喜欢看星星，周末常带望远镜去山里观测行星和星云。"))
    top = shown(event)[:4]
    assert {"astro-3", "astro-4"} & set(top)
    assert {"astro-1", "astro-2"} & set(top)
    assert top[0].startswith("astro")


def test_a_user_who_says_nothing_gets_a_list_marked_popular(world: World) -> None:
    outsider, *_ = world
    event = outsider.answer("quiet", outsider.user("quiet"))
    assert event["stage"] == "popular"
    assert len(event["items"]) == LIST


def test_a_like_moves_the_list_and_what_was_met_never_comes_back(world: World) -> None:
    outsider, *_ = world
    outsider.answer("bo", outsider.user("bo", "baking bread at home"))
    event = outsider.answer("bo", outsider.act("bo", "astro-2", "purchase"))
    assert event["reason"] == "interaction"
    assert "astro-2" not in shown(event)
    assert "astro-1" in shown(event)
    liked = next(one for one in event["items"] if one["item_id"] == "astro-1")["explanation"]
    assert (liked["kind"], liked["item_id"]) == ("liked_item", "astro-2")
    for action in ("view", "click", "skip", "dislike"):
        met = shown(event)[0]
        event = outsider.answer("bo", outsider.act("bo", met, action))
        assert met not in shown(event)


def test_a_new_item_reaches_exactly_the_users_whose_list_changes(world: World) -> None:
    outsider, *_ = world
    for name, text in (
        ("c1", "chess endings and puzzles"),
        ("c2", "trail running"),
        ("c3", "我爱下棋"),
        ("c4", "jazz"),
    ):
        outsider.answer(name, outsider.user(name, text))
    outsider.quiet(QUIET_S)
    event_id = outsider.item("chess-9", "Chess puzzles for champions", "A thousand mates in three.", domain="games")
    outsider.wait(lambda: "chess-9" in outsider.latest("item_vectors"), "the new item's vector")
    outsider.quiet(QUIET_S)
    reached = {
        str(key)
        for key, value, _ in outsider.log["recommendations"]
        if isinstance(value, dict) and event_id in value["covers"]
    }
    met = {"bo": {s for k, s, _ in acts(outsider) if k == "bo"}}
    expected = {
        name
        for name in outsider.latest("user_states")
        if outsider.latest("user_states")[name]["status"] == "active"
        and best(outsider, name, met.get(name, set()))
        != best(outsider, name, met.get(name, set()), without="chess-9")
    }
    assert reached == expected
    assert {"c1", "c3"} <= reached
    audience = outsider.wait(
        lambda: [v for k, v, _ in outsider.log.get("item_audiences", []) if k == "chess-9"],
        "an audience for the item",
    )
    assert {"c1", "c3"} <= {member["user_id"] for part in audience for member in part["users"]}
    for part in audience:
        scores = [member["score"] for member in part["users"]]
        assert scores == sorted(scores, reverse=True)


def acts(outsider: Outsider) -> list[tuple[str, str, str]]:
    """Whom the states remember having met what."""
    return [
        (user_id, entry["item_id"], entry["action"])
        for user_id, state in outsider.latest("user_states").items()
        for entry in state["history"]
    ]


def test_every_published_list_is_the_exact_top_k_of_what_the_topics_say(world: World) -> None:
    outsider, *_ = world
    outsider.quiet(QUIET_S)
    checked = 0
    for user_id, event in outsider.latest("recommendations").items():
        if event["stage"] != "popular":
            met = {item_id for name, item_id, _ in acts(outsider) if name == user_id}
            assert shown(event) == best(outsider, user_id, met), user_id
            checked += 1
    assert checked >= 5


def test_withdrawn_deleted_and_blocked_items_disappear(world: World) -> None:
    outsider, *_ = world
    event = outsider.answer("dee", outsider.user("dee", "trail running in the mountains", blocked_items=["run-3"]))
    assert "run-3" not in shown(event)
    assert {"run-1", "run-2"} <= set(shown(event))
    title, description, domain = CATALOGUE["run-1"]
    withdrawn = outsider.item("run-1", title, description, domain=domain, type="item.updated", available=False)
    assert "run-1" not in shown(outsider.answer("dee", withdrawn))
    deleted = outsider.send("items", {"type": "item.deleted", "item_id": "run-2"})
    assert "run-2" not in shown(outsider.answer("dee", deleted))
    assert "run-2" not in outsider.latest("item_vectors")
    outsider.send_bytes("items", "chess-2", None)
    outsider.wait(lambda: "chess-2" not in outsider.latest("item_vectors"), "a null value to delete")
    outsider.quiet(QUIET_S)
    for event in outsider.latest("recommendations").values():
        assert not {"run-1", "run-2", "chess-2"} & set(shown(event))


def test_what_arrives_too_early_takes_effect_later(world: World) -> None:
    outsider, *_ = world
    outsider.act("early", "astro-2", "like")
    outsider.wait(lambda: "early" in outsider.latest("user_states"), "the state of a user not known yet")
    assert outsider.latest("user_states")["early"]["status"] == "waiting"
    assert not outsider.lists("early")
    event = outsider.answer("early", outsider.user("early"))
    assert event["stage"] == "warm"
    assert shown(event)[0].startswith("astro")
    outsider.answer("early", outsider.act("early", "tango-1", "purchase"))
    event_id = outsider.item("tango-1", "Tango for two", "Argentine dance lessons for beginners.")
    outsider.item("tango-2", "Milonga nights", "Recorded tango music for dancing, with bandoneon.", domain="music")
    outsider.wait(
        lambda: (
            any(r is not None and event_id in r["covers"] for r in outsider.lists("early"))
            and "tango-2" in shown(outsider.latest("recommendations")["early"])
        ),
        "the purchase to take effect when its item arrives",
    )
    assert "tango-1" not in shown(outsider.latest("recommendations")["early"])


def test_a_deleted_user_is_gone_everywhere_and_late_clicks_do_not_revive_them(world: World) -> None:
    outsider, store, prefix, _ = world
    outsider.answer("eve", outsider.user("eve", "jazz and a diary full of secrets"))
    outsider.send("users", {"type": "user.deleted", "user_id": "eve"})
    outsider.wait(lambda: outsider.lists("eve")[-1] is None, "a tombstone in recommendations")
    outsider.act("eve", "jazz-2", "like")
    outsider.quiet(QUIET_S)
    assert outsider.lists("eve")[-1] is None
    assert "eve" not in outsider.latest("user_vectors")
    assert outsider.latest("user_states")["eve"]["history"] == []
    assert store.hget(f"{prefix}:recs:eve", "doc") is None
    assert store.hget(f"{prefix}:user:eve", "doc") is None


def test_each_piece_of_garbage_is_one_dead_letter_with_its_original_bytes(world: World) -> None:
    outsider, *_ = world
    base = {"event_id": "g", "event_time": "2026-01-01T00:00:00Z"}
    act = base | {"type": "interaction", "item_id": "a"}
    good = outsider.user("between", "trail running")
    wrong = "schema_violation"
    garbage: list[tuple[str, str | None, Any, str]] = [
        ("items", "g1", b"{not json", "malformed_json"),
        ("items", "g2", b'{"type":"item.created","attributes":{"price":NaN}}', "malformed_json"),
        ("interactions", None, act | {"user_id": "g3", "action": "like"}, "missing_key"),
        ("items", "g4", base | {"type": "item.created", "item_id": "another"}, "key_mismatch"),
        ("items", "g5", base | {"type": "item.created", "item_id": "g5", "description": "x" * 20_001}, "too_large"),
        ("items", "g6", base | {"type": "item.exploded", "item_id": "g6"}, wrong),
        ("users", "g7", base | {"type": "user.created", "user_id": "g7", "interests": "not a list"}, wrong),
        ("users", "g8", b"\xff\xfe\x00", "malformed_json"),
        ("users", "g9", base | {"type": "user.created", "user_id": "g9", "event_time": "yesterday"}, wrong),
        ("interactions", "g10", act | {"user_id": "g10", "action": "stare"}, wrong),
        ("interactions", "g11", act | {"user_id": "g11", "action": "rating"}, wrong),
    ]  # fmt: skip
    sent = []
    for topic, key, value, cause in garbage:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        outsider.send_bytes(topic, key, raw, {"trace": b"t-1"})
        sent.append((key, raw, cause, outsider.topic(topic)))
    outsider.wait(
        lambda: len(outsider.log.get("dead_letters", [])) >= len(sent),
        lambda: f"a dead letter for each, only {[key for key, *_ in outsider.log.get('dead_letters', [])]}",
    )
    outsider.quiet(QUIET_S)
    found = [
        (key, value, headers["glowplug-cause"].decode(), headers["glowplug-topic"].decode())
        for key, value, headers in outsider.log["dead_letters"]
    ]
    assert sorted(found, key=str) == sorted(sent, key=str)
    for _, _, headers in outsider.log["dead_letters"]:
        assert headers["trace"] == b"t-1"
        assert headers["glowplug-message"]
        assert int(headers["glowplug-offset"]) >= 0
        assert int(headers["glowplug-partition"]) >= 0
    assert outsider.answer("between", good)["items"]


def test_a_repeated_or_late_event_changes_nothing(world: World) -> None:
    outsider, *_ = world
    outsider.answer("rep", outsider.user("rep", "astronomy"))
    first = outsider.act("rep", "bread-1", "like", event_id="once-only")
    outsider.answer("rep", first)
    outsider.quiet(QUIET_S)  # a refined list has come by then
    before = len(outsider.lists("rep"))
    outsider.act("rep", "bread-1", "like", event_id="once-only")
    outsider.quiet(QUIET_S)
    assert len(outsider.lists("rep")) == before
    assert len(outsider.latest("user_states")["rep"]["history"]) == 1


def test_redis_holds_what_was_committed_last(world: World) -> None:
    outsider, store, prefix, _ = world
    outsider.quiet(QUIET_S)

    def in_redis(key: str) -> Any:
        document = store.hget(f"{prefix}:{key}", "doc")
        assert isinstance(document, bytes), key
        return json.loads(document)

    for user_id, event in outsider.latest("recommendations").items():
        assert [one["item_id"] for one in in_redis(f"recs:{user_id}")["items"]] == shown(event)
    for item_id, record in outsider.latest("item_vectors").items():
        assert in_redis(f"item:{item_id}")["title"] == record["title"]
        if record["vector"] is not None:
            assert store.hget(f"{prefix}:item:{item_id}", "vector") == base64.b64decode(record["vector"]["data"])
    for user_id, state in outsider.latest("user_states").items():
        if state["status"] == "active":
            assert in_redis(f"user:{user_id}")["stage"] == state["stage"]


def test_freshness_lag_and_dead_letters_can_be_seen(world: World) -> None:
    *_, port = world
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    for name in (
        'glowplug_freshness_seconds_count{reason="user.created",stage="provisional"}',
        'glowplug_dead_letters_total{cause="malformed_json",consumer="item_embedder"} 2.0',
        'glowplug_inference_seconds_count{kind="user"}',
        'glowplug_lag_records{consumer="recommender",topic="interactions"} 0.0',
        "glowplug_index_items",
        "glowplug_shard_users",
        'glowplug_transaction_aborts_total{consumer="recommender"} 0.0',
    ):
        assert name in page, name
