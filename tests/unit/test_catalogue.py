"""The demo's catalogue: valid, varied, in many languages, and plausible."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest

from glowplug.demo.catalogue import FILES, MARGIN, moved_to, read
from glowplug.events import Interaction, ItemCreated, UserCreated
from producers.lines import Line, parse

DOMAINS = {"shop", "video", "music", "news", "social", "games"}


@pytest.fixture(scope="module")
def items() -> list[ItemCreated]:
    return [ItemCreated.model_validate_json(line) for line in read("items.jsonl")]


@pytest.fixture(scope="module")
def users() -> list[UserCreated]:
    return [UserCreated.model_validate_json(line) for line in read("users.jsonl")]


@pytest.fixture(scope="module")
def interactions() -> list[Interaction]:
    return [Interaction.model_validate_json(line) for line in read("interactions.jsonl")]


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_a_valid_event(name: str) -> None:
    lines = list(parse(read(name), 10_000))
    assert [str(line) for line in lines if not isinstance(line, Line)] == []
    assert len({line.value for line in lines if isinstance(line, Line)}) == len(lines)


@pytest.mark.parametrize("name", FILES)
def test_event_ids_are_unique_and_times_never_run_backwards(name: str) -> None:
    events = [orjson.loads(line) for line in read(name)]
    assert len({event["event_id"] for event in events}) == len(events)
    times = [datetime.fromisoformat(event["event_time"]) for event in events]
    assert times == sorted(times)


def test_items_cover_every_domain_and_many_languages(items: list[ItemCreated]) -> None:
    assert len(items) >= 320
    assert {item.domain for item in items} == DOMAINS
    languages = Counter(item.attributes["language"] for item in items)
    assert languages["zh"] >= 50
    assert all(languages[language] >= 15 for language in ("ja", "de", "es", "fr"))
    assert {"ar", "hi", "pt"} <= set(languages)
    assert languages["en"] == max(languages.values())


def test_no_two_items_say_the_same(items: list[ItemCreated]) -> None:
    assert len({item.title for item in items}) == len(items)
    assert len({item.description for item in items}) == len(items)
    assert all(item.title and item.description and len(item.attributes) >= 3 for item in items)


def test_attributes_keep_their_type_within_a_domain(items: list[ItemCreated]) -> None:
    types: dict[tuple[str, str], set[type]] = {}
    for item in items:
        for name, value in item.attributes.items():
            types.setdefault((item.domain, name), set()).add(type(value))
    assert [where for where, found in types.items() if len(found) > 1] == []


def test_users_speak_for_themselves_and_some_say_little(users: list[UserCreated]) -> None:
    assert len(users) >= 210
    texts = [user.text for user in users if user.text]
    assert len(set(texts)) == len(texts)
    assert sum(any("\u4e00" <= char <= "\u9fff" for char in user.text) for user in users) >= 40
    assert any(user.interests and not user.text and not user.attributes for user in users)
    assert any(user.attributes and not user.text and not user.interests for user in users)
    assert any(not (user.attributes or user.text or user.interests) for user in users)


def test_interactions_name_known_users_and_items_after_both_arrived(
    items: list[ItemCreated], users: list[UserCreated], interactions: list[Interaction]
) -> None:
    listed: dict[str, datetime] = {item.item_id: item.event_time for item in items}
    joined: dict[str, datetime] = {user.user_id: user.event_time for user in users}
    assert len(interactions) >= 1_500
    assert {"view", "click", "like", "dislike"} <= {each.action for each in interactions}
    early = [
        each.event_id for each in interactions if each.event_time < max(listed[each.item_id], joined[each.user_id])
    ]
    assert early == []


def test_some_users_are_cold(users: list[UserCreated], interactions: list[Interaction]) -> None:
    active = {each.user_id for each in interactions}
    assert 0 < sum(user.user_id not in active for user in users) < len(users) / 4


def test_the_catalogue_moves_to_now_as_a_whole() -> None:
    now = datetime(2030, 5, 1, tzinfo=UTC)
    moved = [orjson.loads(line) for line in moved_to(now, "interactions.jsonl")]
    first, last = (datetime.fromisoformat(moved[at]["event_time"]) for at in (0, -1))
    assert last == now - MARGIN
    written = [datetime.fromisoformat(orjson.loads(read("interactions.jsonl")[at])["event_time"]) for at in (0, -1)]
    assert last - first == written[1] - written[0]
