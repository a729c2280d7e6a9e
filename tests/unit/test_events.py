"""What every record of the contract has in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from glowplug.events import (
    INPUTS,
    OUTPUTS,
    Action,
    AudienceMember,
    Event,
    Interaction,
    ItemCreated,
    ItemDeleted,
    ItemEvent,
    Scored,
    event_type,
)
from glowplug.settings import RankingSettings, Weighted

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIELDS: dict[str, Any] = {"event_id": "e-1", "event_time": NOON}


def test_every_event_type_is_its_own() -> None:
    types = [event_type(model) for model in (*INPUTS, *OUTPUTS)]
    assert len(set(types)) == len(types)


def test_the_type_decides_which_item_event_it_is() -> None:
    items: TypeAdapter[ItemEvent] = TypeAdapter(ItemEvent)
    text = '{"type":"%s","event_id":"e-1","event_time":"2026-11-24T12:00:00Z","item_id":"i-1"}'
    assert isinstance(items.validate_json(text % "item.created"), ItemCreated)
    assert isinstance(items.validate_json(text % "item.deleted"), ItemDeleted)
    for unknown in ("item.sold", "", "user.created"):
        with pytest.raises(ValidationError):
            items.validate_json(text % unknown)


def test_an_event_cannot_be_changed() -> None:
    event = ItemDeleted(item_id="i-1", **FIELDS)
    with pytest.raises(ValidationError):
        event.item_id = "i-2"  # type: ignore[misc]  # the point of the test


def test_unknown_fields_come_in_and_never_go_out() -> None:
    text = '{"event_id":"e-1","event_time":"2026-11-24T12:00:00Z","item_id":"i-1","colour":"red"}'
    assert "colour" not in ItemDeleted.model_validate_json(text).model_dump()


def test_times_travel_as_rfc_3339_with_their_offset() -> None:
    text = '{"event_id":"e-1","event_time":"2026-11-24T12:00:00.250+05:30","item_id":"i-1"}'
    event = ItemDeleted.model_validate_json(text)
    assert event.event_time == datetime(2026, 11, 24, 6, 30, 0, 250_000, UTC)
    assert '"2026-11-24T12:00:00.250000+05:30"' in event.model_dump_json()
    assert '"2026-11-24T12:00:00Z"' in ItemDeleted(item_id="i-1", **FIELDS).model_dump_json()


def test_a_naive_time_is_refused_also_from_python() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        ItemDeleted(item_id="i-1", event_id="e-1", event_time=datetime(2026, 11, 24))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_output_carries_a_number_that_json_has_not(number: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Scored(item_id="i-1", score=number)
    with pytest.raises(ValidationError, match="finite"):
        AudienceMember(user_id="u-1", score=number)


@pytest.mark.parametrize("model", [*INPUTS, *OUTPUTS], ids=event_type)
def test_refusals_do_not_repeat_what_people_wrote(model: type[Event]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json('{"event_id":["my secret diary"],"item_id":["my secret diary"],'
                                  '"user_id":["my secret diary"],"epoch":["my secret diary"]}')  # fmt: skip
    assert "diary" not in str(caught.value)


def test_every_action_has_a_weight_except_a_rating_which_brings_its_own() -> None:
    assert {*get_args(Weighted), "rating"} == set(get_args(Action))
    assert set(RankingSettings().actions) == set(get_args(Weighted))


def test_a_rating_has_a_value_and_nothing_else_has() -> None:
    fields: dict[str, Any] = {"user_id": "u-1", "item_id": "i-1", **FIELDS}
    assert Interaction(action="rating", value=0.5, **fields).value == 0.5
    with pytest.raises(ValidationError, match="rating"):
        Interaction(action="rating", value=None, **fields)
    with pytest.raises(ValidationError, match="rating"):
        Interaction(action="like", value=0.5, **fields)
