"""The contract: what products send to Glowplug, and every record that Glowplug writes.

All are JSON objects in UTF-8. Readers ignore fields that they do not know; writers never write such fields.
Input topics are compacted: an update carries the whole item or user, never a difference.
The models generate schemas/*.json; `make check` fails when the two differ (glowplug.contract).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from glowplug.vectors import Vector

MAX_ID_CHARS = 256  # an id is a Kafka key, a Redis key and a label in logs
MAX_TITLE_CHARS = 1_000  # ten times a long title
MAX_TEXT_CHARS = 20_000  # forty times what an encoder of 512 tokens reads
MAX_LIST = 256  # entries of one list attribute, of interests, of attributes
MAX_NUMBER = 1e38  # float32, in which models compute, ends at 3.4e38
MAX_VERSION = 2**53  # beyond it JSON readers that hold numbers as float64 lose the last bit

# RFC 3339 with an offset. Years 1000 to 2999 keep arithmetic in UTC away from the ends of the calendar; a leap
# second has no place in Python's.
RFC_3339 = (
    r"^[12][0-9]{3}-[01][0-9]-[0-3][0-9][Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_rfc_3339 = re.compile(RFC_3339)


def _moment(value: object) -> object:
    """pydantic alone also reads "1732449600" and "2026-11-24 12:00Z", which the schema does not allow."""
    if not isinstance(value, str):
        return value
    if not _rfc_3339.fullmatch(value):
        raise ValueError("must be RFC 3339 with an offset, such as 2026-11-24T12:00:00Z")
    return datetime.fromisoformat(value.upper())


def _whole(value: object) -> object:
    """JSON has one kind of number: 3.0 is the integer 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_control_characters(schema: dict[str, Any]) -> None:
    """The same condition as `pattern`, without `$`, which some regular expressions let match before a newline."""
    schema.pop("pattern", None)
    schema["not"] = {"pattern": "[\\x00-\\x1f\\x7f]"}


Id = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_ID_CHARS,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        json_schema_extra=_no_control_characters,
    ),
]
Time = Annotated[
    AwareDatetime,
    BeforeValidator(_moment),
    Field(json_schema_extra={"pattern": RFC_3339, "not": {"pattern": "\\s"}}),
]
Version = Annotated[int, Field(ge=0, le=MAX_VERSION), BeforeValidator(_whole)]
Title = Annotated[str, Field(max_length=MAX_TITLE_CHARS)]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
Term = Annotated[str, Field(min_length=1, max_length=MAX_TITLE_CHARS)]
Number = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Terms = Annotated[tuple[Term, ...], Field(max_length=MAX_LIST)]
AttributeValue = Number | Term | Terms
Attributes = Annotated[dict[Id, AttributeValue], Field(max_length=MAX_LIST)]
Action = Literal["view", "click", "like", "dislike", "purchase", "rating", "skip"]
Reason = Literal[
    "user.created", "user.updated", "profile", "interaction",
    "item.created", "item.updated", "item.withdrawn", "prior", "import", "head",
]  # fmt: skip
Stage = Literal["popular", "provisional", "refined", "warm"]


class Event(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )
    schema_version: ClassVar[int] = 1  # counted up with every released addition; a breaking change is a new `type`


class Input(Event):
    """What every event of the product carries."""

    event_id: Annotated[Id, Field(description="unique; a repeat of it is recognised and ignored")]
    event_time: Annotated[Time, Field(description="when it happened, RFC 3339 with an offset")]
    version: Annotated[
        Version | None,
        Field(description="of the item or user; required where the topic's version mode is 'event'"),
    ] = None


# ---- items -----------------------------------------------------------------------------------------------


class ItemUpsert(Input):
    item_id: Id
    domain: Annotated[Id, Field(description="names the template and attribute declarations in the settings")] = (
        "default"
    )
    title: Title = ""
    description: Text = ""
    attributes: Annotated[
        Attributes, Field(description="typed: a number, a category (text) or a list of texts")
    ] = {}
    available: Annotated[bool, Field(description="false: known, learned from, never recommended")] = True
    listed_at: Annotated[Time | None, Field(description="freshness counts from here, else from event_time")] = None


class ItemCreated(ItemUpsert):
    """A new item, and all that is known of it."""

    type: Literal["item.created"] = "item.created"


class ItemUpdated(ItemUpsert):
    """The whole item as it is now."""

    type: Literal["item.updated"] = "item.updated"


class ItemDeleted(Input):
    """The item is gone for good."""

    type: Literal["item.deleted"] = "item.deleted"
    item_id: Id


# ---- users -----------------------------------------------------------------------------------------------


class UserUpsert(Input):
    user_id: Id
    domain: Annotated[Id, Field(description="names the template and attribute declarations in the settings")] = (
        "default"
    )
    text: Annotated[Text, Field(description="what the user wrote of themselves, in any language")] = ""
    interests: Annotated[Terms, Field(description="what the user picked or named")] = ()
    attributes: Attributes = {}
    blocked_items: Annotated[tuple[Id, ...], Field(max_length=10_000, description="never recommended to them")] = ()


class UserCreated(UserUpsert):
    """A new user, and all that they said at sign-up."""

    type: Literal["user.created"] = "user.created"


class UserUpdated(UserUpsert):
    """The whole user as they are now."""

    type: Literal["user.updated"] = "user.updated"


class UserDeleted(Input):
    """The user is gone for good, and what is remembered of them is erased."""

    type: Literal["user.deleted"] = "user.deleted"
    user_id: Id


# ---- interactions ----------------------------------------------------------------------------------------


class Interaction(Input):
    """What a user did with an item."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"action": {"const": "rating"}}},
            "then": {"required": ["value"], "properties": {"value": {"type": "number"}}},
            "else": {"properties": {"value": {"type": "null"}}},
        }
    )

    type: Literal["interaction"] = "interaction"
    user_id: Id
    item_id: Id
    action: Action
    value: Annotated[
        Annotated[float, Field(ge=0, le=1)] | None,
        Field(description="of a rating, and only of it: 0 the worst, 1 the best"),
    ] = None

    @model_validator(mode="after")
    def _rating_has_a_value(self) -> Interaction:
        if (self.action == "rating") != (self.value is not None):
            raise ValueError("value belongs to action 'rating', and to no other")
        return self


ItemEvent = Annotated[ItemCreated | ItemUpdated | ItemDeleted, Field(discriminator="type")]
UserEvent = Annotated[UserCreated | UserUpdated | UserDeleted, Field(discriminator="type")]


# ---- what Glowplug writes --------------------------------------------------------------------------------


class Source(Event):
    """The input record that a derived record comes from; its version decides which of two is the later."""

    topic: str
    topic_id: Annotated[str, Field(description="Kafka's id of the topic; empty where the broker has none")] = ""
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    version: Annotated[int, Field(ge=0, description="the event's own, or the offset: by the topic's version mode")]
    event_id: str
    event_time: Time


class Embedding(Event):
    """What made a vector. Vectors of different fingerprints are never compared."""

    fingerprint: Annotated[str, Field(description="of the encoder: model, revision, pooling, prompt, dimension")]
    template: Annotated[str, Field(description="hash of the text template")]
    content: Annotated[str, Field(description="hash of the embedded text")]


class Evidence(Event):
    """The words of the input that a claim rests on: [start, end) in characters of the field."""

    field: Annotated[str, Field(description="text, interests.0, title, description, attributes.genre, …")]
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    text: Annotated[str, Field(description="these words; of a long span the first of them")]


class Claim(Event):
    label: Term
    weight: Annotated[float, Field(ge=0, le=1)]
    evidence: Evidence
    vector: Annotated[Vector | None, Field(description="of the label, where the profile's is made of it")] = None


class Inference(Event):
    """What a profile model reads in an item's text."""

    model: Annotated[str, Field(description="fingerprint of the profile model")]
    content: Annotated[str, Field(description="hash of what the model was given to read")]
    claims: Annotated[tuple[Claim, ...], Field(description="labels: category:…, audience:…, theme:…, tone:…")]


class ItemVector(Event):
    """item-vectors, key item_id. A null value says that the item is gone."""

    type: Literal["item.vector"] = "item.vector"
    item_id: Id
    domain: Id
    title: Title
    summary: Annotated[str, Field(description="the first words of the description, for people")] = ""
    description: Annotated[Text, Field(description="whole, for the head that serves; not in the store")] = ""
    attributes: Attributes
    available: bool
    listed_at: Time
    vector: Annotated[Vector | None, Field(description="null where the item has no text")]
    inferred: Annotated[Inference | None, Field(description="null: nothing has been, or not yet")] = None
    embedding: Embedding
    source: Source
    generated_at: Time


class UserPart(Event):
    """One statement of the user, embedded by itself, so that a recommendation can name it."""

    field: Annotated[str, Field(description="text, interests or attributes")]
    text: Term
    weight: Annotated[float, Field(ge=0)]
    vector: Vector


class UserVector(Event):
    """user-vectors, key user_id. A null value says that the user is gone."""

    type: Literal["user.vector"] = "user.vector"
    user_id: Id
    domain: Id
    vector: Annotated[Vector | None, Field(description="unit length; null where the user said nothing")]
    parts: tuple[UserPart, ...]
    attributes: Annotated[
        Attributes, Field(description="as the user's event has them, for the head that serves")
    ] = {}
    blocked_items: tuple[Id, ...]
    deleted_before: Annotated[
        int | None,
        Field(description="version of the latest delete before this; nothing is kept from until then"),
    ] = None
    embedding: Embedding
    source: Source
    generated_at: Time


class UserProfile(Event):
    """user-profiles, key user_id, written by the profile writer. A null value says that the user is gone.

    While it is pending, source names the input that waits, and the claims are those of the last ready one, if any.
    """

    type: Literal["user.profile"] = "user.profile"
    user_id: Id
    state: Annotated[
        Literal["pending", "ready"], Field(description="pending: nobody has read the input's text yet")
    ]
    model: Annotated[str, Field(description="fingerprint of the profile model")] = ""
    content: Annotated[str, Field(description="hash of what the model is given to read")] = ""
    interests: tuple[Claim, ...] = ()
    preferences: tuple[Claim, ...] = ()
    avoid: tuple[Claim, ...] = ()
    summary: str = ""
    languages: tuple[str, ...] = ()
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    vector: Vector | None = None
    avoid_vector: Vector | None = None
    embedding: Embedding | None = None
    source: Source
    generated_at: Time


class HistoryEntry(Event):
    item_id: Id
    action: Action
    value: float | None = None
    event_id: Annotated[str, Field(description="64-bit hash, hexadecimal")]
    event_time: Time


class Scored(Event):
    item_id: Id
    score: float


class UserState(Event):
    """user-states, key user_id: the recommender's memory of one user."""

    type: Literal["user.state"] = "user.state"
    user_id: Id
    status: Annotated[
        Literal["waiting", "active", "deleted"],
        Field(description="waiting: interactions arrived before the user did"),
    ]
    history: Annotated[tuple[HistoryEntry, ...], Field(description="the latest interactions, oldest first")] = ()
    seen: Annotated[
        str, Field(description="base64 of little-endian 64-bit hashes of every item interacted with")
    ] = ""
    evidence: Annotated[float, Field(ge=0, description="sum of the weights of all interactions so far")] = 0.0
    vector: Annotated[Vector | None, Field(description="the user's side of the inner product")] = None
    raw: Annotated[tuple[Scored, ...], Field(description="exact top-k before any policy")] = ()
    published: Annotated[tuple[Id, ...], Field(description="the item ids of the last published list")] = ()
    stage: Stage | None = None
    encoder: str = ""
    head: Annotated[
        str, Field(description="fingerprint of the head that the list was made with; empty without")
    ] = ""
    epoch: Annotated[int, Field(ge=0, description="of the priors that the list was scored with")] = 0
    version: Annotated[int | None, Field(description="of the user event folded in; kept when it is deleted")] = None
    updated_at: Time


class UserMark(Event):
    """user-states, key `MARK_KEY`, one per user partition: how far item changes have been turned into its lists."""

    type: Literal["user.mark"] = "user.mark"
    partition: Annotated[int, Field(ge=0)]
    matched: Annotated[
        dict[str, Annotated[int, Field(ge=0)]],
        Field(description="by partition of item-vectors: all records before this offset are in the lists"),
    ]
    announced: Annotated[
        dict[str, Annotated[int, Field(ge=0)]],
        Field(description="likewise: matched and announced, though a list may wait for the end of its window"),
    ] = {}
    rules: Annotated[str, Field(description="hash of the rules that keep items out of lists; empty: none")] = ""
    updated_at: Time


MARK_KEY = "\x00mark"  # no user's: ids hold no control characters


class ItemCount(Event):
    """item-stats, key `partition:item_id`: what the users of one partition did with the item."""

    type: Literal["item.count"] = "item.count"
    partition: Annotated[int, Field(ge=0)]
    item_id: Id
    count: Annotated[float, Field(ge=0, description="decayed weight of positive interactions")]
    as_of: Annotated[Time, Field(description="the event time that `count` is decayed to")]


class ItemPrior(Event):
    """item-stats, key `prior:item_id`: the item's popularity from this epoch on."""

    type: Literal["item.prior"] = "item.prior"
    item_id: Id
    popularity: Annotated[float, Field(ge=0, le=1)]
    epoch: Annotated[int, Field(ge=1)]


class Epoch(Event):
    """item-stats, key `epoch`: all priors of this epoch are in the log before it."""

    type: Literal["epoch"] = "epoch"
    epoch: Annotated[int, Field(ge=1)]
    as_of: Annotated[Time, Field(description="freshness is counted up to here")]
    interactions: Annotated[float, Field(ge=0, description="weight of all interactions counted")]
    items: Annotated[int, Field(ge=0, description="known then")]
    encoder: Annotated[str, Field(description="of centre and axes")] = ""
    centre: Annotated[Vector | None, Field(description="the mean item; null while there are few")] = None
    axes: Annotated[tuple[Vector, ...], Field(description="directions that all items share, orthonormal")] = ()


class Explanation(Event):
    kind: Literal["interest", "text", "attribute", "liked_item", "profile", "taste", "popular", "fresh"]
    text: Annotated[str, Field(description="one plain sentence")]
    field: Annotated[str, Field(description="the user's or item's field it names")] = ""
    value: Annotated[str, Field(description="the words or value it names")] = ""
    item_id: Annotated[str | None, Field(description="the liked item it names")] = None


class Recommended(Event):
    item_id: Id
    rank: Annotated[int, Field(ge=1)]
    score: float
    title: str
    explanation: Explanation


class Basis(Event):
    """What the list rests on: shares that add up to 1."""

    text: Annotated[float, Field(ge=0, le=1)]
    profile: Annotated[float, Field(ge=0, le=1)]
    behaviour: Annotated[float, Field(ge=0, le=1)]
    popularity: Annotated[float, Field(ge=0, le=1)]


class Recommendations(Event):
    """recommendations, key user_id. A null value says that the user is gone."""

    type: Literal["recommendations"] = "recommendations"
    user_id: Id
    reason: Reason
    stage: Stage
    covers: Annotated[tuple[str, ...], Field(description="ids of the input events that this list answers")]
    basis: Basis
    items: tuple[Recommended, ...]
    encoder: str
    head: Annotated[str | None, Field(description="fingerprint of the head that serves; null without")] = None
    epoch: Annotated[int, Field(ge=0)]
    source_event_time: Annotated[Time, Field(description="of the oldest event covered")]
    generated_at: Time


class AudienceMember(Event):
    user_id: Id
    score: float


class ItemAudience(Event):
    """item-audiences, key item_id: the best users of one user partition for a new item. Readers merge."""

    type: Literal["item.audience"] = "item.audience"
    item_id: Id
    partition: Annotated[int, Field(ge=0)]
    users: tuple[AudienceMember, ...]
    users_in_partition: Annotated[int, Field(ge=0)]
    encoder: str
    head: Annotated[str | None, Field(description="fingerprint of the head that serves; null without")] = None
    covers: tuple[str, ...]
    source_event_time: Time
    generated_at: Time


INPUTS: tuple[type[Event], ...] = (
    ItemCreated, ItemUpdated, ItemDeleted, UserCreated, UserUpdated, UserDeleted, Interaction,
)  # fmt: skip
OUTPUTS: tuple[type[Event], ...] = (
    ItemVector, UserVector, UserProfile, UserState, UserMark, ItemCount, ItemPrior, Epoch,
    Recommendations, ItemAudience,
)  # fmt: skip


def event_type(model: type[Event]) -> str:
    """The value of `type` that marks this model on the wire."""
    kind: Any = model.model_fields["type"].default
    return str(kind)
