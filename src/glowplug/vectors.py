"""How vectors travel: float16, little-endian, base64."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Half = NDArray[np.float16]
MAX_DIM = 8192  # the widest published sentence encoders; bounds what one record can make a reader allocate


class Vector(BaseModel):
    """A float16 vector in JSON: 4/3 of its bytes, against eight times as much for a list of numbers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    dtype: Literal["float16"] = "float16"
    dim: Annotated[int, Field(ge=1, le=MAX_DIM)]
    data: Annotated[str, Field(description="base64 of dim little-endian IEEE 754 half-precision numbers")]

    @model_validator(mode="after")
    def _holds_what_it_says(self) -> Vector:
        unpack(self)
        return self


def pack(vector: NDArray[np.floating]) -> Vector:
    """The wire form of `vector`, (dim,), rounded to float16. Raises ValueError if it is not finite."""
    half = np.ascontiguousarray(vector, dtype="<f2")
    if half.ndim != 1 or not np.isfinite(half).all():
        raise ValueError(f"a vector must be one row of finite numbers, this one has shape {half.shape}")
    return Vector(dim=half.size, data=base64.b64encode(half.tobytes()).decode("ascii"))


def unpack(vector: Vector) -> Half:
    """float16 (dim,). Raises ValueError when the bytes do not hold `dim` finite numbers."""
    half = np.frombuffer(base64.b64decode(vector.data, validate=True), dtype="<f2")
    if half.size != vector.dim or not np.isfinite(half).all():
        raise ValueError(f"a vector of dim {vector.dim} carries {half.size} numbers, or one that is not finite")
    return half.astype(np.float16, copy=False)
