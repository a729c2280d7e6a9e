"""A replay against everything: what is imported and what is replayed is answered, and tested once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glowplug.embedded.places import free_port
from glowplug.embedded.stack import Stack
from glowplug.errors import BadTopics, Unreachable
from glowplug.inference.fake import FakeEncoder
from glowplug.settings import (
    EncoderSettings,
    KafkaSettings,
    ObserveSettings,
    ProfileSettings,
    RankingSettings,
    Settings,
)
from producers.replay import main, played
from producers.wire import Wire

SETTINGS = Settings(
    encoder=EncoderSettings(model="fake"),
    observe=ObserveSettings(port=0),
    profiles=ProfileSettings(model="off"),
    ranking=RankingSettings(window_s=0),  # else the import would wait for the end of a window
)
ITEMS, USERS, LIKES = 12, 3, 4  # likes by each user, of items that no other user likes


@pytest.mark.embedded
@pytest.mark.redis
@pytest.mark.parametrize("factor", [None, 1_000.0])
def test_every_like_of_the_tail_is_one_test_and_gets_its_list(
    redis_url: str, tmp_path: Path, factor: float | None
) -> None:
    write(tmp_path)
    with Stack(SETTINGS, encoder=FakeEncoder()) as stack:
        figures, _ = played(tmp_path, stack.settings, factor=factor, tail=7, deadline_s=20)
    assert figures["imported"] == ITEMS + USERS + USERS * LIKES - 7
    assert (figures["events"], figures["tests"], figures["unanswered"]) == (7, 7, 0)
    # All twelve items fit a list, so what has not been met is on it, and popularity holds it as well.
    assert (figures["hit_rate"], figures["popularity_hit_rate"]) == (1.0, 1.0)
    assert figures["tests_without_a_list"] == figures["repeats_left_out"] == 0
    if factor is None:
        assert figures["stale_tests"] == 0


def test_no_broker_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    assert main([str(tmp_path), "--bootstrap-servers", f"127.0.0.1:{free_port()}"]) == Unreachable.exit_code
    assert capsys.readouterr().err.startswith("replay: ")


@pytest.mark.kafka
def test_a_broker_without_our_topics_is_one_sentence(kafka: str, topics: object) -> None:
    absent = KafkaSettings(bootstrap_servers=kafka).model_copy(update={"topics": topics})
    with pytest.raises(BadTopics, match="start `glowplug up` first"), Wire(Settings(kafka=absent)):
        pass


def write(folder: Path) -> None:
    items = [
        {"type": "item.created", "item_id": f"i{n}", "title": f"Title {n}", "event_id": f"item-{n}"}
        for n in range(ITEMS)
    ]
    users = [
        {"type": "user.created", "user_id": f"u{n}", "text": f"I like title {n}.", "event_id": f"user-{n}"}
        for n in range(USERS)
    ]
    likes = [
        {
            "type": "interaction",
            "user_id": f"u{n % USERS}",
            "item_id": f"i{n}",
            "action": "like",
            "event_id": f"l-{n}",
        }
        for n in range(USERS * LIKES)
    ]
    for name, events, minute in (("items", items, 0), ("users", users, 1), ("interactions", likes, 2)):
        lines = [
            json.dumps({"event_time": f"2026-03-01T00:{minute:02}:{second:02}Z"} | event) + "\n"
            for second, event in enumerate(events)
        ]
        (folder / f"{name}.jsonl").write_text("".join(lines))
