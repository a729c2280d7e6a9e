"""What stands under each key, to and from the events of the contract. Pure.

`doc` is JSON without vectors and whole descriptions; `vector` the raw bytes of little-endian float16, as vector
search modules read them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from glowplug.events import ItemVector, Recommendations, UserState
from glowplug.vectors import Vector, pack, unpack

Fields = Mapping[str, bytes]
# The recommender's memory, of use to nobody else, and the vector, which stands beside the document.
NOT_IN_USER_DOC = {"vector", "seen", "raw"}


def item_key(item_id: str) -> str:
    return f"item:{item_id}"


def user_key(user_id: str) -> str:
    return f"user:{user_id}"


def recommendations_key(user_id: str) -> str:
    return f"recs:{user_id}"


def item_fields(item: ItemVector) -> Fields:
    """Raises ValueError where the vector's bytes are not what it says."""
    bare = item.model_copy(update={"vector": None, "description": ""})
    return {"doc": bare.model_dump_json().encode()} | _vector_field(item.vector)


def user_fields(user: UserState) -> Fields:
    """Raises ValueError where the vector's bytes are not what it says."""
    return {"doc": user.model_dump_json(exclude=NOT_IN_USER_DOC).encode()} | _vector_field(user.vector)


def recommendations_fields(recommendations: Recommendations) -> Fields:
    return {"doc": recommendations.model_dump_json().encode()}


def item_in(fields: Fields) -> ItemVector:
    """Raises ValueError where `item_fields` cannot have written it; likewise below."""
    bare = ItemVector.model_validate_json(fields["doc"])
    return bare.model_copy(update={"vector": _vector_in(fields)})


def user_in(fields: Fields) -> UserState:
    """Without `seen` and `raw`, which are not in the store."""
    bare = UserState.model_validate_json(fields["doc"])
    return bare.model_copy(update={"vector": _vector_in(fields)})


def recommendations_in(fields: Fields) -> Recommendations:
    return Recommendations.model_validate_json(fields["doc"])


def _vector_field(vector: Vector | None) -> dict[str, bytes]:
    return {} if vector is None else {"vector": unpack(vector).astype("<f2", copy=False).tobytes()}


def _vector_in(fields: Fields) -> Vector | None:
    half = fields.get("vector")
    return None if half is None else pack(np.frombuffer(half, dtype="<f2"))
