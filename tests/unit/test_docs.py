"""The documentation is under test: what exists is documented, and what is documented exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glowplug.contract import reference
from glowplug.contract.commands import commands
from glowplug.contract.files import checkout
from glowplug.errors import CAUSES
from glowplug.setting_list import setting_list
from glowplug.settings import TopicNames
from tests.support.docs import ROOT, Written, fault_of, pages, written_in

DECISIONS = ROOT / "docs" / "decisions"


def page(name: str) -> str:
    return (checkout() / "docs" / "reference" / name).read_text("utf-8")


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_reference_pages_are_up_to_date(name: str) -> None:
    assert page(name) == reference.pages()[name], "run `make schemas`"


@pytest.mark.parametrize(
    ("name", "things"),
    [
        ("settings.md", [row.name for row in setting_list()]),
        ("metrics.md", [reference.metric_name(metric) for metric in reference.named_metrics()]),
        ("topics.md", list(TopicNames().model_dump().values())),
        ("errors.md", [*CAUSES, *(kind.__name__ for kind in reference.fatal_errors())]),
        ("commands.md", [command.usage for command in commands()]),
    ],
)
def test_everything_that_exists_is_documented(name: str, things: list[str]) -> None:
    assert things
    assert [line for line in page(name).splitlines() if line.endswith("|  |")] == []  # nothing without its meaning
    assert [thing for thing in things if f"`{thing}`" not in page(name)] == []


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_documentation_can_be_typed(path: Path) -> None:
    written = written_in(str(path.relative_to(ROOT)), path.read_text("utf-8"))
    assert {str(command): fault_of(command) for command in written if fault_of(command)} == {}


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_documentation_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|mailto:|#)([^)#\s]+)", path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_every_decision_is_numbered_and_listed() -> None:
    records = sorted(path.name for path in DECISIONS.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    index = (DECISIONS / "README.md").read_text("utf-8")
    assert [name for name in records if f"({name})" not in index] == []
    for name in records:
        headings = re.findall(r"^## (.+)$", (DECISIONS / name).read_text("utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], name


def test_variables_in_the_documentation_are_settings() -> None:
    known = {row.variable for row in setting_list()} | {"GLOWPLUG_CONFIG"}
    used = {name for path in pages() for name in re.findall(r"\bGLOWPLUG_[A-Z_]*[A-Z]\b", path.read_text("utf-8"))}
    assert used <= known


# ---- the test of the commands, tested ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "glowplug up",
        "$ glowplug up --broker apache --port=0",
        "glowplug topics --check && glowplug recs u-1 > list.txt",
        "GLOWPLUG_RANKING__LIST_SIZE=7 .venv/bin/glowplug settings | less  # a comment",
        "glowplug data ml-100k \\\n  --from ml-100k --to events",
        "glowplug publish events.jsonl --on-error skip",
        "python -m producers.publish events.jsonl --rate 100",
        "python -m consumers.item_embedder",
        "python -m glowplug.contract check",
        "make check KEEP=1",
        "docker compose up --nonsense",
        "python -m venv .venv",
        "cat events.jsonl | glowplug publish -",
    ],
)
def test_good_commands_pass(text: str) -> None:
    assert [fault_of(command) for command in blocks(text)] == [None] * len(blocks(text))
    assert blocks(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("glowplug upp", "there is no command glowplug upp"),
        ("glowplug", "there is no command glowplug "),
        ("glowplug up --brooker apache", "glowplug up has no option --brooker"),
        ("glowplug up --broker", "--broker needs a value"),
        ("glowplug recs", "glowplug recs USER takes 1 arguments, not 0"),
        ("glowplug publish x --sloow", "producers.publish has no option --sloow"),
        ("cat x | glowplug publsh -", "there is no command glowplug publsh -"),
        ("make demoo", "the Makefile has no target demoo"),
        ("python -m consumers.item_embeder", "there is no module consumers.item_embeder"),
        ("python3 -m glowplug.nothing.here", "there is no module glowplug.nothing.here"),
    ],
)
def test_bad_commands_are_caught(text: str, fault: str) -> None:
    assert fault in [fault_of(command) for command in blocks(text)]


def blocks(text: str) -> list[Written]:
    return list(written_in("page.md", f"Prose.\n\n```bash\n{text}\n```\n\n```text\nglowplug nonsense\n```\n"))
