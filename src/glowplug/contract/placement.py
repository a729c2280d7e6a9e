"""Which event lies on which topic, and whether topics.toml, the settings and the events agree on it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from glowplug import events
from glowplug.events import INPUTS, OUTPUTS, Event, event_type
from glowplug.settings import TopicNames
from glowplug.topics import USER_KEYED, Topic

# By logical topic name. Those without an event of their own keep the bytes of others.
ON: Mapping[str, tuple[type[Event], ...]] = {
    "items": (events.ItemCreated, events.ItemUpdated, events.ItemDeleted),
    "users": (events.UserCreated, events.UserUpdated, events.UserDeleted),
    "interactions": (events.Interaction,),
    "interactions_rekeyed": (),
    "item_vectors": (events.ItemVector,),
    "user_vectors": (events.UserVector,),
    "user_profiles": (events.UserProfile,),
    "user_states": (events.UserState, events.UserMark),
    "item_stats": (events.ItemCount, events.ItemPrior, events.Epoch),
    "recommendations": (events.Recommendations,),
    "item_audiences": (events.ItemAudience,),
    "dead_letters": (),
}


def disagreements(declared: Mapping[str, Topic]) -> list[str]:
    """One line for each point in which topics.toml does not match settings.TopicNames or the events."""
    found = [*_names(declared), *_events()]
    for name in declared.keys() & ON.keys():
        found += _one(declared[name])
    return sorted(found)


def _names(declared: Mapping[str, Topic]) -> list[str]:
    settings = set(TopicNames.model_fields)
    found = [f"topics.toml has [{name}], settings.TopicNames has not" for name in declared.keys() - settings]
    found += [f"settings.TopicNames has {name}, topics.toml has not" for name in settings - declared.keys()]
    found += [f"no one says which events {name} holds (contract.placement.ON)" for name in settings - ON.keys()]
    partitions = {declared[name].partitions for name in USER_KEYED if name in declared}
    if len(partitions) > 1:
        found.append(f"user-keyed topics must have one number of partitions, topics.toml has {sorted(partitions)}")
    return found


def _events() -> list[str]:
    placed = [event for models in ON.values() for event in models]
    return [
        f"{event_type(model)} lies on {placed.count(model)} topics, it must lie on one"
        for model in (*INPUTS, *OUTPUTS)
        if placed.count(model) != 1
    ]


def _one(topic: Topic) -> list[str]:
    found = []
    models = ON[topic.name]
    for model in models:
        # A plain key is a field of every event; "prior:item_id"-like keys are made of fields and words.
        is_plain = re.fullmatch(r"\w+", topic.key) and model is not events.UserMark  # it has a key of its own
        if is_plain and topic.key not in model.model_fields:
            found.append(f"[{topic.name}] key {topic.key} is no field of {event_type(model)}")
        if not re.search(rf"\b{re.escape(event_type(model))}\b", topic.holds):
            found.append(f"[{topic.name}] holds does not name {event_type(model)}")
    if topic.partitions < 1:
        found.append(f"[{topic.name}] partitions is {topic.partitions}, the least is 1")
    if topic.cleanup not in ("compact", "delete"):
        found.append(f"[{topic.name}] cleanup is {topic.cleanup}, it must be compact or delete")
    if (topic.cleanup == "delete") != (topic.retention_ms is not None):
        found.append(f"[{topic.name}] retention_ms belongs to cleanup 'delete', and to no other")
    written_by_product = topic.writer == "the product"
    if models and written_by_product != (models[0] in INPUTS):
        found.append(f"[{topic.name}] writer is {topic.writer}, which its events contradict")
    return found
