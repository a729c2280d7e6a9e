"""Each value of Redis that is not the fold of the log is named."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.audited import (
    BEGUN,
    Audited,
    found,
    small_world,
    the_only,
)


@pytest.fixture
def world() -> Audited:
    return small_world()


Values = dict[str, dict[str, bytes]]


def with_title(values: Values) -> None:
    doc = json.loads(values["item:x"]["doc"])
    values["item:x"]["doc"] = json.dumps(doc | {"title": "tampered"}).encode()


def with_vector(values: Values) -> None:
    values["user:ada"]["vector"] = bytes(len(values["user:ada"]["vector"]))


def with_version(values: Values) -> None:
    topic, partition, offset = values["recs:bo"]["v"].decode().rsplit("/", 2)
    values["recs:bo"]["v"] = f"{topic}/{partition}/{int(offset) - 1}".encode()


def with_other_log(values: Values) -> None:
    values["recs:bo"]["v"] = b"another-topic-id/0/0"


def without(values: Values) -> None:
    del values["recs:bo"]


def with_only_a_version(values: Values) -> None:
    values["recs:bo"] = {"v": values["recs:bo"]["v"]}


def with_extra(values: Values) -> None:
    values["recs:nobody"] = values["recs:bo"]


def with_a_foreign_hash(values: Values) -> None:
    values["user:session"] = {"token": b"1"}


def with_what_was_deleted(values: Values) -> None:
    values["user:gone"] = values["user:gone"] | {"doc": b"{}"}


def with_more_fields(values: Values) -> None:
    values["item:x"]["note"] = b"mine"


@pytest.mark.parametrize(
    ("corrupt", "key", "what"),
    [
        (with_title, "item:x", "doc.title"),
        (with_vector, "user:ada", "vector"),
        (with_version, "recs:bo", "version"),
        (with_other_log, "recs:bo", "version"),
        (without, "recs:bo", "value"),
        (with_only_a_version, "recs:bo", "value"),
        (with_extra, "recs:nobody", "value"),
        (with_a_foreign_hash, "user:session", "value"),
        (with_what_was_deleted, "user:gone", "value"),
        (with_more_fields, "item:x", "note"),
    ],
)
def test_each_value_that_is_not_the_fold_is_named(
    world: Audited, corrupt: Callable[[Values], None], key: str, what: str
) -> None:
    values = world.values()
    corrupt(values)
    report = world.verify(values)
    finding = the_only(report)
    assert (finding.check, finding.key, finding.what) == ("redis", key, what)
    assert [pair.are_equal for pair in report.pairs] == [False, True]


def test_a_value_of_another_type_is_named(world: Audited) -> None:
    report = world.verify({**world.values(), "item:x": None})
    assert found(report) == [("item:x", "type")]


def test_marks_that_are_gone_say_that_redis_was_wiped(world: Audited) -> None:
    report = world.verify({**world.values(), BEGUN: {}})
    assert {key for key, _ in found(report)} == {BEGUN}


def test_a_document_of_an_earlier_version_with_fewer_fields_is_the_same(world: Audited) -> None:
    values = world.values()
    doc = json.loads(values["item:x"]["doc"])
    del doc["summary"]  # empty, as by default
    values["item:x"]["doc"] = json.dumps(doc, indent=1).encode()
    report = world.verify(values)
    assert report.is_good(strict=True)
    assert all(pair.are_equal for pair in report.pairs)
