"""The labelled profiles: the committed files hold together, and each check catches the mistake it is there for."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from bench.profiles.labelled import HERE, Half, Labels, load
from bench.profiles.marked import ids_of, load_marked, parsed
from bench.profiles.relevant import grades
from glowplug.errors import BadInputFile

FILES = (
    "interests.json", "bios.jsonl", "development.jsonl", "unseen.jsonl", "outside.jsonl", "attacks.jsonl",
    "relevance.json", "items.json",
)  # fmt: skip
LEARNED: tuple[Half, ...] = ("tune", "development")
MEASURED: tuple[Half, ...] = ("unseen", "outside")
FROZEN: dict[Half, str] = {
    "unseen": "e7e098701637854d85aa12724662e1a704052f375968c2013e718f5cbe66024f",
    "outside": "375794ca2a93fdafdbcc3919ffff1dd44ed2022c26dfa14ddf9ffda7ea9c949b",
}
BIOS_AT_LEAST = {"zh": 60, "en": 70, "es": 20, "de": 20, "fr": 20, "ja": 20}
HARD_KINDS = {"negation", "irony", "past", "other-people", "rambling", "near-empty", "code-switching", "attack"}


@pytest.fixture(scope="module")
def labels() -> Labels:
    return load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copy(HERE / name, tmp_path / name)
    return tmp_path


def edit_lines(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    change(rows)
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows) + b"\n")


def edit_whole(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = orjson.loads(path.read_bytes())
    change(value)
    path.write_bytes(orjson.dumps(value))


def row(rows: list[dict[str, Any]], id_: str) -> dict[str, Any]:
    return next(row for row in rows if row["id"] == id_)


def test_the_committed_files_pass_every_check(labels: Labels) -> None:
    assert len(labels.bios) >= 240
    assert labels.half("tune") == labels.bios
    assert labels.half("unseen") == labels.unseen
    assert len(labels.attacks) >= 70
    assert len(labels.relevance) >= 60


def test_bios_are_in_many_languages_and_of_every_hard_kind(labels: Labels) -> None:
    languages = Counter(bio.language for bio in labels.bios)
    assert all(languages[language] >= count for language, count in BIOS_AT_LEAST.items())
    for bios in (labels.bios, labels.unseen):
        assert {kind for bio in bios for kind in bio.kind} >= HARD_KINDS


def test_the_development_bios_are_in_twelve_languages_and_many_refuse_something(labels: Labels) -> None:
    languages = Counter(bio.language for bio in labels.development)
    assert labels.half("development") == labels.development
    assert len(labels.development) >= 400
    assert len(languages) == 12
    assert min(languages.values()) >= 10
    assert sum(bool(bio.avoid) for bio in labels.development) >= 200


@pytest.mark.parametrize("half", MEASURED)
def test_bios_to_measure_by_are_as_they_were_before_anything_was_measured_by_them(
    labels: Labels, half: Half
) -> None:
    assert sha256((HERE / f"{half}.jsonl").read_bytes()).hexdigest() == FROZEN[half]
    languages = Counter(bio.language for bio in labels.half(half))
    assert len(labels.half(half)) >= 120
    assert languages["zh"] >= 35
    assert len(languages) >= 4


def test_no_text_to_measure_by_that_names_anything_is_learned_from(labels: Labels) -> None:
    learned = {bio.text for half in LEARNED for bio in labels.half(half)} | {
        one.text for one in load_marked(labels)
    }
    measured = [bio for half in MEASURED for bio in labels.half(half) if bio.interests or bio.avoid]
    assert [bio.id for bio in measured if bio.text in learned] == []


def test_marked_texts_are_of_many_authors_and_their_marks_stand_on_words(labels: Labels) -> None:
    texts = load_marked(labels)
    assert len(texts) >= 4_000
    assert len({one.author for one in texts}) >= 7
    assert len({one.language for one in texts}) >= 12
    for one in texts:
        assert all(one.text[mark.start : mark.end].strip() for mark in one.marks)


def test_marks_are_taken_out_of_a_text_and_stand_where_they_stood() -> None:
    one = parsed(
        "somebody", "en", "list,negation", "Yes: {+chess,go-game|boards}\\nNo: {-golf|holes}, {0cats|cats}"
    )
    assert one.text == "Yes: boards\nNo: holes, cats"
    assert [(mark.stance, mark.ids, one.text[mark.start : mark.end]) for mark in one.marks] == [
        ("wanted", ("chess", "go-game"), "boards"),
        ("avoided", ("golf",), "holes"),
        ("neither", ("cats",), "cats"),
    ]
    assert ids_of(one.marks, "wanted") == {"chess", "go-game"}


def test_labels_of_items_grade_as_those_did_who_read_each_item_for_each_bio(labels: Labels) -> None:
    agreed = by_labels = by_hand = 0
    for bio in labels.bios:
        judged = labels.relevance.get(bio.id)
        if judged:
            graded = grades(bio, labels)
            agreed += len(judged.keys() & graded.keys())
            by_labels, by_hand = by_labels + len(graded), by_hand + len(judged)
    assert agreed / by_labels > 0.9
    assert agreed / by_hand > 0.8


def test_some_bios_say_nothing_that_could_be_recommended(labels: Labels) -> None:
    empty = [bio for bio in labels.bios if not bio.interests and not bio.avoid]
    assert len(empty) >= 20
    assert all(bio.kind[0] in {"near-empty", "attack"} for bio in empty)


def test_attacks_are_in_many_languages_on_users_and_on_items(labels: Labels) -> None:
    assert len({attack.language for attack in labels.attacks}) >= 5
    assert {attack.of for attack in labels.attacks} == {"user", "item"}


def test_hidden_characters_of_attacks_are_escaped_in_the_file() -> None:
    for line in (HERE / "attacks.jsonl").read_text("utf-8").splitlines():
        assert line.isprintable()


def test_what_is_broader_than_an_interest_is_neither_hit_nor_miss(labels: Labels) -> None:
    bio = next(bio for bio in labels.bios if [claim.id for claim in bio.interests] == ["bread-baking"])
    assert {"baking", "cooking"} <= labels.neutral(bio)
    assert "bread-baking" not in labels.neutral(bio)


def test_what_a_bio_avoids_is_never_neutral(labels: Labels) -> None:
    for bio in labels.bios:
        assert labels.neutral(bio).isdisjoint(claim.id for claim in bio.avoid)


BIO_MISTAKES: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "a span that the text has not": (
        lambda rows: row(rows, "en-001")["interests"][0].update(span="old pine tables"),
        "bio en-001: span old pine tables occurs 0 times",
    ),
    "a span that occurs twice": (
        lambda rows: row(rows, "en-001")["interests"][0].update(span="and"),
        "bio en-001: span and occurs 2 times",
    ),
    "an empty span": (
        lambda rows: row(rows, "en-001")["interests"][0].update(span=""),
        "bio en-001: span  occurs 0 times",
    ),
    "an id outside the vocabulary": (
        lambda rows: row(rows, "en-001")["interests"][0].update(id="carpentry"),
        "bio en-001: carpentry is not in the vocabulary",
    ),
    "one id wanted and avoided": (
        lambda rows: row(rows, "en-030")["avoid"].append(row(rows, "en-030")["interests"][0]),
        "bio en-030: rugby is labelled 2 times",
    ),
    "a preference nobody knows": (
        lambda rows: row(rows, "en-012")["preferences"]["price"].update(value="cheapish"),
        "bio en-012: preference price=cheapish",
    ),
    "a preference without its words": (
        lambda rows: row(rows, "en-012")["preferences"]["price"].update(span="no budget"),
        "bio en-012: span no budget occurs 0 times",
    ),
    "no kind": (lambda rows: row(rows, "en-001").update(kind=[]), "bio en-001: no kind"),
    "an id twice": (lambda rows: row(rows, "en-001").update(id="en-002"), "bio en-002: 2 lines have this id"),
    "the same text twice": (
        lambda rows: row(rows, "es-021").update(text=row(rows, "pt-008")["text"]),
        "2 bios have it; each text occurs once",
    ),
    "a half that is none": (lambda rows: row(rows, "en-001").update(half="test"), "half"),
    "a misspelt field": (lambda rows: row(rows, "en-001").update(avoids=[]), "avoids"),
}


@pytest.mark.parametrize("mistake", BIO_MISTAKES)
def test_a_mistake_in_the_bios_is_named(folder: Path, mistake: str) -> None:
    change, message = BIO_MISTAKES[mistake]
    edit_lines(folder / "bios.jsonl", change)
    with pytest.raises(BadInputFile) as error:
        load(folder)
    assert message in str(error.value)


ATTACK_MISTAKES: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "a goal that does not exist": (lambda rows: rows[0].update(goal="shop-999"), "goal shop-999 is no interest"),
    "no attack in it": (lambda rows: rows[0].update(attack=rows[0]["clean"]), "must be shorter than the attack"),
    "another text as the clean one": (
        lambda rows: rows[0].update(clean="Quite another bio."),
        "is not what stays when the attack is taken out",
    ),
}


@pytest.mark.parametrize("mistake", ATTACK_MISTAKES)
def test_a_mistake_in_the_attacks_is_named(folder: Path, mistake: str) -> None:
    change, message = ATTACK_MISTAKES[mistake]
    edit_lines(folder / "attacks.jsonl", change)
    with pytest.raises(BadInputFile) as error:
        load(folder)
    assert message in str(error.value)


WHOLE_MISTAKES: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "judging a bio that does not exist": (
        "relevance.json",
        lambda judged: judged.update({"en-999": {"shop-001": 1}}),
        "relevance en-999: no such bio",
    ),
    "judging an item that does not exist": (
        "relevance.json",
        lambda judged: judged["en-001"].update({"shop-999": 1}),
        "relevance en-001: shop-999 is no item",
    ),
    "a grade that is none": ("relevance.json", lambda judged: judged["en-001"].update({"shop-039": 3}), "shop-039"),
    "a bio without relevant items": (
        "relevance.json",
        lambda judged: judged["en-001"].clear(),
        "relevance en-001: judged bios have",
    ),
    "an item without labels": ("items.json", lambda items: items.pop("shop-001"), "item shop-001: labels are of"),
    "an item's label outside the vocabulary": (
        "items.json",
        lambda items: items["shop-001"].update(crime=2),
        "item shop-001: crime is not in the vocabulary",
    ),
    "an interest twice": (
        "interests.json",
        lambda whole: whole["domains"][1]["interests"].append(whole["domains"][0]["interests"][1]),
        "interest pop-music: 2 entries",
    ),
    "a name twice": (
        "interests.json",
        lambda whole: whole["domains"][0]["interests"][1].update(name="jazz music"),
        "interest name jazz music: 2 entries",
    ),
    "a broader id that does not exist": (
        "interests.json",
        lambda whole: whole["domains"][0]["interests"][1].update(broader=["noise"]),
        "interest pop-music: broader noise is no other id",
    ),
}


@pytest.mark.parametrize("mistake", WHOLE_MISTAKES)
def test_a_mistake_in_the_vocabulary_or_the_judgements_is_named(folder: Path, mistake: str) -> None:
    name, change, message = WHOLE_MISTAKES[mistake]
    edit_whole(folder / name, change)
    with pytest.raises(BadInputFile) as error:
        load(folder)
    assert message in str(error.value)


def test_more_faults_than_a_screen_holds_are_counted(folder: Path) -> None:
    edit_lines(
        folder / "bios.jsonl",
        lambda rows: [claim.update(id="nothing") for bio in rows for claim in bio["interests"][:1]],
    )
    with pytest.raises(BadInputFile, match=r"… and \d+ more"):
        load(folder)
