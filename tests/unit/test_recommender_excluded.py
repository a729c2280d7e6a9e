"""Rules keep items out of every list, by what is stated of them or was read in their text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowplug.audit.why import why
from glowplug.audit.world import World
from glowplug.events import ItemVector
from glowplug.ranking.excluded import Rules
from glowplug.settings import RankingSettings, load
from tests.support.audited import Audited, found
from tests.support.drive import Driver
from tests.support.events import item_vector
from tests.support.recommending import NEAR_X, X, Y, act, ids, item, recommender, restarted, sent, user

NO_ADULTS = {"audience": ["adults"]}
NAMES = st.sampled_from(["audience", "category", "tone"])
VALUES = st.sampled_from(["adults", "Adults Only", "adults-only", "sci-fi", "SCI FI", "calm"])


def inferred(*labels: str) -> dict[str, Any]:
    evidence = {"field": "title", "start": 0, "end": 5, "text": "Title"}
    claims = [{"label": label, "weight": 1.0, "evidence": evidence} for label in labels]
    return {"model": "m:1", "content": "c", "claims": claims}


def record(item_id: str, vector: Sequence[float], read: Sequence[str] | None, **more: Any) -> dict[str, Any]:
    """read: labels that a profile model found; None: it has not read the item."""
    return item_vector(item_id, vector, **more) | {"inferred": None if read is None else inferred(*read)}


def put(driver: Driver, item_id: str, vector: Sequence[float], read: Sequence[str] | None, **more: Any) -> None:
    driver.step.absorb([driver.record("item_vectors", item_id, record(item_id, vector, read, **more))])
    driver.settle()


def is_excluded(
    exclude: dict[str, list[str]], attributes: dict[str, Any], read: Sequence[str] | None, **ranking: Any
) -> bool:
    rules = Rules(RankingSettings.model_validate({"exclude": exclude, **ranking}))
    return rules.exclude(ItemVector.model_validate_json(json.dumps(record("i", X, read, attributes=attributes))))


@pytest.mark.parametrize(
    ("attributes", "read", "expected"),
    [
        ({"audience": "adults"}, None, True),
        ({"audience": ["families", "Adults"]}, None, True),
        ({}, ["audience:adults"], True),
        ({"audience": "families"}, ["audience:adults"], True),
        ({"audience": "families"}, ["audience:children"], False),
        ({"tone": "adults"}, ["theme:adults"], False),
        ({"audience": 18.0}, ["adults"], False),
        ({}, None, False),
    ],
    ids=[
        "stated", "one of a list", "read", "read beside what is stated", "another value", "another attribute",
        "a number", "nothing known",
    ],
)  # fmt: skip
def test_an_item_is_excluded_by_an_attribute_and_its_value(
    attributes: dict[str, Any], read: list[str] | None, expected: bool
) -> None:
    assert is_excluded(NO_ADULTS, attributes, read) is expected


@pytest.mark.parametrize("value", ["sci-fi", "Sci Fi", "SCI_FI", " sci  fi "])
def test_a_value_is_the_same_however_it_is_spelt(value: str) -> None:
    assert is_excluded({"genre": [value]}, {"genre": "Sci-Fi"}, None)
    assert is_excluded({"genre": ["sci-fi"]}, {}, [f"genre:{value}"])


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, st.lists(VALUES, max_size=3)),
    st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3)),
    st.lists(st.builds("{}:{}".format, NAMES, VALUES), max_size=3),
    NAMES,
    VALUES,
)
def test_more_rules_and_more_attributes_never_let_an_item_in(
    exclude: dict[str, list[str]], attributes: dict[str, Any], read: list[str], name: str, value: str
) -> None:
    before = is_excluded(exclude, attributes, read)
    assert not is_excluded({}, attributes, read)
    stricter = exclude | {name: [*exclude.get(name, []), value]}
    assert is_excluded(stricter, attributes, read) >= before
    assert is_excluded(exclude, attributes, [*read, f"{name}:{value}"]) >= before
    assert is_excluded(stricter, {**attributes, name: [*attributes.get(name, []), value]}, read)


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.lists(VALUES, max_size=3)))
def test_rules_that_say_the_same_have_one_fingerprint(exclude: dict[str, list[str]]) -> None:
    def fingerprint(rules: dict[str, list[str]]) -> str:
        return Rules(RankingSettings.model_validate({"exclude": rules})).fingerprint

    again = {name: [value.upper() for value in reversed(exclude[name])] for name in reversed(exclude)}
    assert fingerprint(again) == fingerprint(exclude)
    assert bool(fingerprint(exclude)) is any(exclude.values())
    assert fingerprint(exclude | {"other": ["x"]}) != fingerprint(exclude)


def test_an_excluded_item_is_on_no_list_and_has_no_audience() -> None:
    driver = recommender(exclude=NO_ADULTS)
    item(driver, "open", NEAR_X)
    item(driver, "closed", X, attributes={"audience": "adults"})
    driver.settle()
    user(driver, "u", X)
    item(driver, "closed-2", X, attributes={"audience": ["adults"]})
    driver.settle()
    assert ids(driver, "u") == ["open"]
    assert "closed-2" not in {out.key for out in driver.produced["item_audiences"]}


def test_an_item_leaves_every_list_at_once_when_it_is_read() -> None:
    driver = recommender(exclude=NO_ADULTS)
    put(driver, "open", NEAR_X, None)
    put(driver, "late", X, None)
    user(driver, "u", X)
    assert ids(driver, "u") == ["late", "open"]
    put(driver, "late", X, ["audience:adults"])
    assert ids(driver, "u") == ["open"]
    assert sent(driver)[-1] == ("u", "item.withdrawn")


def test_what_nobody_has_read_can_be_kept_out_until_it_is() -> None:
    driver = recommender(exclude=NO_ADULTS, exclude_unread=True)
    put(driver, "open", NEAR_X, [])
    user(driver, "u", X)
    put(driver, "new", X, None)
    assert ids(driver, "u") == ["open"]
    put(driver, "new", X, ["audience:families"])
    assert ids(driver, "u") == ["new", "open"]


def test_without_rules_unread_items_are_listed() -> None:
    assert not is_excluded({}, {}, None, exclude_unread=True)
    assert is_excluded(NO_ADULTS, {}, None, exclude_unread=True)


def test_a_like_of_an_excluded_item_still_counts() -> None:
    driver = recommender(exclude=NO_ADULTS)
    item(driver, "closed", Y, attributes={"audience": "adults"})
    item(driver, "x", X)
    item(driver, "near-y", [0.0, 0.875, 0.25])
    driver.settle()
    user(driver, "u", X)
    assert ids(driver, "u")[0] == "x"
    for number in range(3):
        act(driver, "u", "closed", "like", event_id=f"like-{number}")
    assert ids(driver, "u")[0] == "near-y"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [({}, NO_ADULTS, ["open"]), (NO_ADULTS, {}, ["closed", "open"]), (NO_ADULTS, NO_ADULTS, ["open"])],
    ids=["a new rule", "a rule gone", "the same rule"],
)
def test_lists_follow_the_rules_that_a_restart_brings(
    before: dict[str, list[str]], after: dict[str, list[str]], expected: list[str]
) -> None:
    items = {"open": record("open", NEAR_X, None), "closed": record("closed", X, ["audience:adults"])}
    first = recommender(exclude=before)
    for value in items.values():
        first.step.absorb([first.record("item_vectors", value["item_id"], value)])
    first.settle()
    user(first, "u", X)
    first.settle()
    second = restarted(first, items, {"u": X}, exclude=after)
    second.settle()
    is_sent = bool(second.produced["recommendations"])
    assert ids(second if is_sent else first, "u") == expected
    assert is_sent is (before != after)


def test_an_audit_knows_the_rules() -> None:
    audited = Audited(exclude=NO_ADULTS)
    audited.item("open", NEAR_X)
    audited.item_as(record("closed", X, ["audience:adults"]))
    audited.settle()
    audited.user("u", X)
    audited.settle()
    assert audited.verify().is_good(strict=True)
    story = why(World(audited.snapshot(), audited.settings), "u")
    assert story is not None
    assert [(miss.item_id, miss.why) for miss in story.misses] == [
        ("closed", "kept out by ranking.exclude (audience: adults)")
    ]
    audited.settings = load(ranking={"list_size": 3, "raw_size": 4, "window_s": 5.0}).ranking
    report = audited.verify()
    assert found(report) or report.moving, "other rules than those of the recommender: its lists are not theirs"
