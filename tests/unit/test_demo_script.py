"""The demo's acts, without a stack: what they show of what they hear."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from glowplug.demo import cast as people
from glowplug.demo.catalogue import read
from glowplug.demo.loading import Loaded
from glowplug.demo.outside import Arrived, Heard
from glowplug.demo.script import Play
from glowplug.events import Basis, Explanation, ItemCreated, Recommendations, Recommended, UserCreated
from glowplug.settings import load
from tests.support.demo import profile_of

WHY = Explanation(kind="interest", text="matches your interest “astrophotography”", field="interests")
ITEM = ItemCreated.model_validate_json(next(iter(read("items.jsonl"))))


class Product:
    """In the place of Outside and RedisView: who signs up is answered at once, and read where wanted."""

    def __init__(self, *, is_read: bool) -> None:
        self._is_read = is_read
        self._heard = Heard()

    def send(self, user: UserCreated) -> None:
        self._heard.lists[user.user_id].append(self._listed(user, "provisional"))
        if self._is_read:
            self._heard.profiles[user.user_id] = Arrived(profile_of(user), datetime.now(UTC))
            self._heard.lists[user.user_id].append(self._listed(user, "refined"))

    def wait(self, look: Callable[[Heard], Any], _deadline_s: float, what: str) -> Any:
        found = look(self._heard)
        assert found, what
        return found

    def recommendations(self, user_id: str) -> Recommendations:
        return self._heard.lists[user_id][-1].event

    def _listed(self, user: UserCreated, stage: str) -> Arrived[Recommendations]:
        now = datetime.now(UTC)
        item = Recommended(item_id=ITEM.item_id, rank=1, score=1, title=ITEM.title, explanation=WHY)
        return Arrived(
            Recommendations(
                user_id=user.user_id, reason="user.created", stage=cast("Any", stage), covers=(user.event_id,),
                basis=Basis(text=1, profile=0, behaviour=0, popularity=0), items=(item,), encoder="fake", epoch=1,
                source_event_time=now, generated_at=now,
            ),
            now,
        )  # fmt: skip


@pytest.mark.parametrize(("model", "is_refined"), [("off", False), ("encoder", True)])
def test_a_new_user_is_shown_a_refined_list_where_somebody_reads_what_they_write(
    model: str, *, is_refined: bool
) -> None:
    product, text = Product(is_read=is_refined), io.StringIO()
    stack = SimpleNamespace(settings=load(profiles={"model": model}))
    loaded = Loaded({ITEM.item_id: ITEM}, {}, 0, 0.0)
    console = Console(file=text, width=100)
    play = Play(cast("Any", stack), cast("Any", product), cast("Any", product), loaded, console)
    play.new_user(1, "A brand-new user signs up", "Ada signs up:", people.ada)
    assert ITEM.title[:20] in text.getvalue()
    assert "Languages of the first" in text.getvalue()
    assert ("after it the refined list" in text.getvalue()) is is_refined
