"""The generated files follow the code, and `check` says where they do not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from glowplug import events
from glowplug.contract import __main__ as command
from glowplug.contract import files
from glowplug.contract.headers import header_names
from glowplug.contract.placement import ON, disagreements
from glowplug.errors import CAUSES, SchemaViolation
from glowplug.settings import TopicNames
from glowplug.stream.dead_letters import letter
from glowplug.stream.step import DeadLetter, Record
from glowplug.topics import Topic, declared


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder like the checkout, with every file as the code wants it."""
    (tmp_path / "schemas").mkdir()
    shutil.copy(files.checkout() / "schemas" / "topics.toml", tmp_path / "schemas")
    files.write(tmp_path)
    files.release(tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_this_checkout_agrees_with_its_code() -> None:
    assert files.check(files.checkout()) == []


def test_what_write_wrote_passes_and_is_not_written_again(root: Path) -> None:
    assert files.check(root) == []
    assert files.write(root) == []


def test_generated_files_end_with_one_newline_and_keep_every_script(root: Path) -> None:
    for path in files.generated():
        text = (root / path).read_text("utf-8")
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert "\\u" not in text


def test_an_edited_schema_is_shown_as_a_difference(root: Path) -> None:
    edit(root / "schemas/interaction.v1.json", '"purchase"', '"bought"')
    (line,) = files.check(root)
    assert line.startswith("schemas/interaction.v1.json: differs from the code")
    assert '-        "bought",' in line
    assert '+        "purchase",' in line


def test_a_missing_file_and_one_too_many_are_named(root: Path) -> None:
    (root / "schemas/epoch.v1.json").unlink()
    (root / "schemas/item.sold.v1.json").write_text("{}", "utf-8")
    assert files.check(root) == [
        "schemas/epoch.v1.json: is missing (`make schemas` writes it)",
        "schemas/item.sold.v1.json: no code makes this file",
    ]
    assert files.write(root) == ["wrote schemas/epoch.v1.json", "removed schemas/item.sold.v1.json"]


def test_an_input_that_asks_for_more_than_was_released_is_a_break(root: Path) -> None:
    edit(root / "schemas/released/item.deleted.v1.json", '    "event_id",\n', "")
    (line,) = files.check(root)
    assert line.startswith("item.deleted.v1.json: event_id: is required by the reader")


def test_an_output_that_leaves_what_was_released_is_a_break(root: Path) -> None:
    edit(root / "schemas/released/recommendations.v1.json", '        "prior",\n', "")
    (line,) = files.check(root)
    assert line.startswith("recommendations.v1.json: reason: 'prior' is not surely one of")


def test_an_event_type_that_was_released_cannot_vanish(root: Path) -> None:
    released = json.loads((root / "schemas/released/epoch.v1.json").read_text("utf-8"))
    gone = root / "schemas/released/item.sold.v1.json"
    gone.write_text(json.dumps(released | {"title": "item.sold"}), "utf-8")
    assert files.check(root) == ["item.sold.v1.json: was released, and no model writes or reads item.sold any more"]


def test_a_version_that_was_never_frozen_is_missed(root: Path) -> None:
    (root / "schemas/released/epoch.v1.json").unlink()
    (line,) = files.check(root)
    assert line.startswith("schemas/released/epoch.v1.json is missing")


def test_release_never_touches_what_is_frozen(root: Path) -> None:
    frozen = root / "schemas/released/epoch.v1.json"
    frozen.write_text("{}", "utf-8")
    assert files.release(root) == []
    assert frozen.read_text("utf-8") == "{}"


def changed_topic(name: str, **changes: object) -> dict[str, Topic]:
    return {**declared(), name: dataclasses.replace(declared()[name], **changes)}  # type: ignore[arg-type]  # fields are checked by dataclasses.replace at run time


@pytest.mark.parametrize(
    ("topics", "line"),
    [
        (changed_topic("items", key="id"), "[items] key id is no field of item.created"),
        (changed_topic("items", holds="item.created, item.updated"), "[items] holds does not name item.deleted"),
        (changed_topic("users", partitions=4), "user-keyed topics must have one number of partitions"),
        (changed_topic("users", cleanup="both"), "[users] cleanup is both"),
        (changed_topic("users", retention_ms=1), "[users] retention_ms belongs to cleanup 'delete'"),
        (changed_topic("item_stats", writer="the product"), "[item_stats] writer is the product"),
        ({name: topic for name, topic in declared().items() if name != "users"}, "settings.TopicNames has users"),
        ({**declared(), "orders": declared()["items"]}, "topics.toml has [orders]"),
    ],
)
def test_topics_that_do_not_fit_settings_or_events_are_named(topics: dict[str, Topic], line: str) -> None:
    assert any(found.startswith(line) for found in disagreements(topics))


def test_every_topic_says_which_events_it_holds() -> None:
    assert ON.keys() == TopicNames.model_fields.keys()
    assert {model for models in ON.values() for model in models} == {*events.INPUTS, *events.OUTPUTS}


def test_dead_letters_carry_the_headers_that_their_schema_names() -> None:
    record = Record(topic="items", partition=0, offset=1, timestamp_ms=2, key=b"i-1", value=b"{}" * 9)
    dead = DeadLetter(record, SchemaViolation("items: title is missing"))
    message = letter(dead, consumer="item_embedder", source="items", topic="dead-letters", omit_over=4)
    assert {name for name, _ in message.headers} == set(header_names())
    assert dict(message.headers)["glowplug-cause"].decode() in CAUSES


def test_the_command_ends_with_a_status_for_scripts(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "checkout", lambda: root)
    assert command.main(["check"]) == 0
    (root / "schemas/epoch.v1.json").unlink()
    assert command.main(["check"]) == 1
    assert "schemas/epoch.v1.json: is missing" in capsys.readouterr().err
    assert command.main(["write"]) == 0
    assert capsys.readouterr().out == "wrote schemas/epoch.v1.json\n"
    assert command.main(["release"]) == 0
    assert command.main([]) == command.main(["publish"]) == 2
