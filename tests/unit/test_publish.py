"""producers/publish.py: lines in, valid events out, and what it says about the others."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from glowplug.embedded.kafka_builtin import BuiltinBroker
from glowplug.errors import BadInputFile, BadTopics, Unreachable
from glowplug.observe.health import Health
from glowplug.observe.server import serve
from glowplug.settings import ObserveSettings, Settings, load
from glowplug.stream.clients import murmur2_partition
from producers.lines import BadLine, Line, lines_of, parse
from producers.publish import main, publish

LIMIT = 2_000
WHEN = "2026-11-24T12:00:00Z"


def line(**fields: object) -> bytes:
    return json.dumps({"event_id": "e-1", "event_time": WHEN} | fields, ensure_ascii=False).encode() + b"\n"


ITEM = line(type="item.created", item_id="i-1", title="A lamp", attributes={"price": 9.5, "tags": ["warm"]})
USER = line(type="user.created", user_id="u-1", text="喜欢看星星")
CLICK = line(type="interaction", user_id="u-1", item_id="i-1", action="click")
BROKEN = b'{"type": "item.created"\n'


def parsed(*lines: bytes) -> list[Line | BadLine]:
    return list(parse(lines, LIMIT))


def problem(bad: bytes) -> str:
    (only,) = parsed(bad)
    assert isinstance(only, BadLine)
    return only.problem


# ---- reading ---------------------------------------------------------------------------------------------


def test_the_type_decides_topic_and_key() -> None:
    deleted = line(type="item.deleted", item_id="i-9")
    assert [(each.topic, each.key) for each in parsed(ITEM, USER, CLICK, deleted) if isinstance(each, Line)] == [
        ("items", "i-1"),
        ("users", "u-1"),
        ("interactions", "u-1"),
        ("items", "i-9"),
    ]


def test_an_event_is_sent_as_it_was_written() -> None:
    written = line(type="user.deleted", user_id="u-1", our_own_field=[1, {"kept": True}])
    (only,) = parsed(written)
    assert isinstance(only, Line)
    assert only.value == written.strip()


def test_blank_lines_are_ignored_and_counted() -> None:
    assert [each.number for each in parsed(b"\n", ITEM, b"  \r\n", CLICK)] == [2, 4]


def test_a_byte_order_mark_is_no_part_of_the_first_event() -> None:
    assert isinstance(parsed(b"\xef\xbb\xbf" + ITEM)[0], Line)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (BROKEN, ("not JSON", "one whole event on each line")),
        (b'{"type": "item.created", "price": NaN}', ("NaN", "leave such a field out")),
        (b'{"type": "\xff"}', ("byte 11 (0xff) is not UTF-8", "save the file as UTF-8")),
        (b"[1, 2]", ("no JSON object", "curly brackets")),
        (b"{}", ("type is missing", "interaction")),
        (b'{"type": ["item.created"]}', ("is no input event",)),
        (line(type="item.bought"), ("type item.bought is no input event", "item.created")),
        (line(type="interaction", user_id="u", action="view"), ("item_id is missing: add it",)),
        (line(type="interaction", user_id="u", item_id="i", action="hug"), ("action hug", "'view'")),
        (line(type="interaction", user_id="u", item_id="i", action="rating", value=4), ("value 4", "1")),
        (line(type="interaction", user_id="u", item_id="i", action="rating"), ("value belongs to",)),
        (line(type="item.created", item_id=7), ("item_id 7", "put it in quotes")),
        (line(type="item.created", item_id=""), ("item_id ''", "at least one character")),
        (line(type="item.created", item_id="i", title="x" * 1_001), ("title", "1000 characters", "shorten it")),
        (line(type="item.created", item_id="i", attributes={"size": {"cm": 1}}), ("attributes.size", "a list")),
        (line(type="item.created", item_id="i", attributes={"a": "x" * 1_001}), ("attributes.a xxx", "shorten")),
        (line(type="item.created", item_id="i", event_time="yesterday"), ("event_time yesterday", "RFC 3339")),
        (line(type="item.created", item_id="i", description="x" * LIMIT), ("2,000 bytes", "shorten")),
    ],
)
def test_a_bad_line_names_field_value_and_fix(bad: bytes, said: tuple[str, ...]) -> None:
    text = problem(bad)
    assert all(words in text for words in said), text
    assert "\n" not in text


def test_of_a_line_that_is_too_long_only_the_limit_is_kept() -> None:
    stream = io.BytesIO(b"a" * 25 + b"\nb\n" + b"c" * 10 + b"\n" + b"d" * 40)
    assert [len(each) for each in lines_of(stream, 10)] == [11, 2, 11, 11]


# ---- sending ---------------------------------------------------------------------------------------------


@pytest.fixture
def broker() -> Iterator[BuiltinBroker]:
    with BuiltinBroker() as started:
        started.create_topics(("items", "users", "interactions", "elsewhere"), partitions=3)
        yield started


@pytest.fixture
def settings(broker: BuiltinBroker) -> Settings:
    return load(kafka={"bootstrap_servers": broker.bootstrap, "builtin": True})


def records(broker: BuiltinBroker, topic: str) -> dict[str, int]:
    """Partition by key of everything in the topic."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader", "fetch.wait.max.ms": 2})
    try:
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=5)[1] for p in range(3)]
        consumer.assign([TopicPartition(topic, p, 0) for p in range(3)])
        found: dict[str, int] = {}
        for message in consumer.consume(sum(ends), timeout=5) if sum(ends) else ():
            assert message.error() is None
            key = message.key()
            assert isinstance(key, bytes)
            found[key.decode()] = message.partition() or 0
        return found
    finally:
        consumer.close()


@pytest.mark.embedded
def test_events_lie_where_kafkas_default_partitioner_looks_for_them(
    broker: BuiltinBroker, settings: Settings
) -> None:
    users = [line(type="user.created", event_id=f"e-{n}", user_id=f"u-{n}") for n in range(40)]
    report = publish(users, settings)
    assert report.sent == {"users": 40}
    found = records(broker, "users")
    assert found == {f"u-{n}": murmur2_partition(f"u-{n}".encode(), 3) for n in range(40)}


@pytest.mark.embedded
def test_nothing_is_sent_after_a_bad_line(broker: BuiltinBroker, settings: Settings) -> None:
    with pytest.raises(BadInputFile, match=r"line 2: .*1 to items.*nothing after it"):
        publish([ITEM, BROKEN, USER], settings)
    assert set(records(broker, "items")) == {"i-1"}
    assert records(broker, "users") == {}


@pytest.mark.embedded
def test_skip_goes_on_and_counts(settings: Settings) -> None:
    report = publish([ITEM, BROKEN, USER, CLICK, b"{}\n"], settings, on_error="skip")
    assert report.sent == {"items": 1, "users": 1, "interactions": 1}
    assert [bad.number for bad in report.bad] == [2, 5]
    assert report.summary().startswith("sent 1 to interactions, 1 to items, 1 to users in")


@pytest.mark.embedded
def test_a_named_topic_takes_every_line(broker: BuiltinBroker, settings: Settings) -> None:
    assert publish([ITEM, USER], settings, topic="elsewhere").sent == {"elsewhere": 2}
    assert set(records(broker, "elsewhere")) == {"i-1", "u-1"}


@pytest.mark.embedded
def test_a_topic_that_does_not_exist_is_refused(broker: BuiltinBroker) -> None:
    other = load(kafka={"bootstrap_servers": broker.bootstrap, "topics": {"items": "shop.items"}})
    with pytest.raises(BadTopics, match=r"shop\.items.*glowplug topics"):
        publish([ITEM], other)


@pytest.mark.embedded
def test_the_gate_is_asked_before_each_event_and_the_rate_is_kept(settings: Settings) -> None:
    now, asked = [0.0], []
    events = [line(type="user.deleted", user_id=f"u-{n}") for n in range(11)]
    publish(
        events,
        settings,
        rate=5,
        gate=lambda: asked.append(now[0]),
        clock=lambda: now[0],
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
    )
    assert len(asked) == 11
    assert now[0] == pytest.approx(2.0)


def test_a_broker_that_nobody_named_is_asked_for() -> None:
    with pytest.raises(Unreachable, match="--bootstrap-servers"):
        publish([ITEM], load(kafka={"bootstrap_servers": ""}))


# ---- command line ----------------------------------------------------------------------------------------


@pytest.fixture
def bootstrap(broker: BuiltinBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the built-in broker; /health beside it, which the command asks first, says: no lag."""
    server = serve(ObserveSettings(port=0), Health())
    monkeypatch.setenv("GLOWPLUG_OBSERVE__PORT", str(server.port))
    yield broker.bootstrap
    server.close()


@pytest.mark.embedded
def test_the_command_sends_a_file_and_sums_up(
    tmp_path: Path, bootstrap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(ITEM + b"\n" + USER + CLICK)
    assert main([str(file), "--bootstrap-servers", bootstrap]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "sent 1 to interactions, 1 to items, 1 to users in" in said.err


@pytest.mark.embedded
def test_the_command_stops_with_the_code_of_a_bad_file(
    tmp_path: Path, bootstrap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(ITEM + BROKEN + USER)
    assert main([str(file), "--bootstrap-servers", bootstrap]) == BadInputFile.exit_code
    assert "line 2: not JSON" in capsys.readouterr().err


@pytest.mark.embedded
def test_the_command_skips_when_told_and_lists_what_it_skipped(
    tmp_path: Path, bootstrap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(ITEM + BROKEN + USER)
    assert main([str(file), "--bootstrap-servers", bootstrap, "--on-error", "skip"]) == 0
    said = capsys.readouterr().err
    assert "line 2: not JSON" in said
    assert "bad lines skipped: 1" in said


def test_a_file_that_is_not_there_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.jsonl", "--bootstrap-servers", "127.0.0.1:1"]) == BadInputFile.exit_code
    assert "nowhere.jsonl" in capsys.readouterr().err
