"""One bed for the fault tests of a run: its broker and its Redis are killed, so that nobody else may use them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from glowplug.errors import Fatal
from tests.conftest import MISSING
from tests.faults.bed import Bed


@pytest.fixture(scope="session")
def _bed() -> Iterator[Bed | Fatal]:
    """The bed, or why there is none: so that it is tried once."""
    try:
        with Bed() as bed:
            yield bed
    except Fatal as error:
        yield error


@pytest.fixture
def bed(_bed: Bed | Fatal, request: pytest.FixtureRequest) -> Bed:
    if isinstance(_bed, Fatal):
        raise request.config.stash[MISSING].refusal(str(_bed), request.node.nodeid)
    return _bed
