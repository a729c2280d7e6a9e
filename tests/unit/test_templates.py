"""Items and users as text: what the encoder reads, and what it must never see."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowplug.errors import BadSettings, SchemaViolation
from glowplug.events import ItemCreated, UserCreated
from glowplug.settings import AttributeDeclaration, DomainSettings, Settings
from glowplug.text.clean import clean, passages, sentences, summary
from glowplug.text.hashes import content_hash
from glowplug.text.statements import ATTRIBUTES_WEIGHT, MOST_PASSAGES, PASSAGE_CHARS, Statements, weighted_mean
from glowplug.text.template import ItemTemplate, item_templates

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
YEAR = AttributeDeclaration(type="number", meaning="year of release")
GENRES = AttributeDeclaration(type="list", meaning="genres")


def item(**fields: object) -> ItemCreated:
    return ItemCreated(event_id="e", event_time=NOON, item_id="i", **fields)  # type: ignore[arg-type]  # of any field


def user(**fields: object) -> UserCreated:
    return UserCreated(event_id="e", event_time=NOON, user_id="u", **fields)  # type: ignore[arg-type]  # of any field


def template(text: str = "{title}\n{description}\n{attributes}", **declared: AttributeDeclaration) -> ItemTemplate:
    return ItemTemplate("films", DomainSettings(item_template=text, item_attributes=declared))


def test_the_default_template_gives_title_description_and_attributes_by_their_meaning() -> None:
    text = template(year=YEAR, genres=GENRES).text(
        item(title="Alien", description="In space.", attributes={"genres": ("horror", "sf"), "year": 1979.0})
    )
    assert text == "Alien\nIn space.\nyear of release: 1979\ngenres: horror, sf"


def test_undeclared_attributes_are_included_under_their_own_name() -> None:
    assert template().text(item(attributes={"mood": "dark"})) == "mood: dark"


def test_the_order_of_attributes_in_the_event_does_not_change_the_text() -> None:
    one = template(year=YEAR).text(item(attributes={"b": 1.5, "a": "x", "year": 1979.0}))
    other = template(year=YEAR).text(item(attributes={"year": 1979.0, "a": "x", "b": 1.5}))
    assert one == other == "year of release: 1979\na: x\nb: 1.5"


def test_what_is_short_stands_before_what_is_long_and_may_be_cut_off() -> None:
    cast = tuple(f"Actor {n}" for n in range(10))
    text = template(year=YEAR).text(item(attributes={"cast": cast, "genres": ("horror", "sf"), "year": 1979.0}))
    assert [line.split(":")[0] for line in text.splitlines()] == ["year of release", "genres", "cast"]


def test_a_line_whose_fields_are_all_empty_is_left_out_with_its_words() -> None:
    by_year = template("{title}\nReleased in {attributes.year}", year=YEAR)
    assert by_year.text(item(title="Alien", attributes={"year": 1979.0})) == "Alien\nReleased in 1979"
    assert by_year.text(item(title="Alien")) == "Alien"


def test_an_item_that_says_nothing_has_no_text() -> None:
    assert template().text(item(title="\u200b \t", attributes={"tags": ()})) == ""


@pytest.mark.parametrize("hostile", ["{0.__class__}", "{attributes.year}", "%s {", "{{title}}", "{description}"])
def test_braces_in_an_event_are_only_braces(hostile: str) -> None:
    text = template(year=YEAR).text(item(title=hostile, description="plain", attributes={"year": 1979.0}))
    assert text.split("\n")[0] == hostile


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{titel}", r"domains\.films\.item_template names \{titel\}"),
        ("{title.__class__}", "fields are title"),
        ("{}", "fields are title"),
        ("{attributes.yaer}", r"declared under domains\.films\.item_attributes"),
        ("{title", "a lone '{'"),
        ("{{title}}", "a lone '{'"),
    ],
)
def test_a_template_that_names_no_field_stops_the_start(text: str, says: str) -> None:
    with pytest.raises(BadSettings, match=says):
        template(text, year=YEAR)


def test_every_domain_has_its_template_and_default_is_always_there() -> None:
    settings = Settings(domains={"films": DomainSettings(item_template="{title}")})
    assert set(item_templates(settings)) == {"default", "films"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("1979", r"attributes\.year is 1979, a category, and is declared as a number"),
        (("a",), r"attributes\.year is \('a',\), a list, and is declared as a number"),
    ],
)
def test_a_declared_attribute_of_another_type_is_refused(value: object, says: str) -> None:
    with pytest.raises(SchemaViolation, match=says):
        template(year=YEAR).text(item(attributes={"year": value}))
    with pytest.raises(SchemaViolation, match=says):
        Statements(DomainSettings(user_attributes={"year": YEAR})).of(user(attributes={"year": value}))


def test_the_hash_of_a_template_covers_its_text_and_its_declarations() -> None:
    hashes = {
        template().hash,
        template("{title}").hash,
        template(year=YEAR).hash,
        template(year=AttributeDeclaration(type="number", meaning="year")).hash,
        template(year=YEAR, genres=GENRES).hash,
    }
    assert len(hashes) == 5
    assert template(year=YEAR).hash == template(year=YEAR).hash


def test_the_hash_of_a_content_tells_one_text_from_its_two_halves() -> None:
    assert content_hash(["ab"]) != content_hash(["a", "b"])


# ---- clean -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("cafe\u0301", "café"),
        ("a\u202eb\u2066c\u200bd\ufeffe", "abcde"),  # bidirectional, zero-width
        ("a\U000e0041\U000e0042b", "ab"),  # tags
        ("a\ufe01\ufe02\U000e0101b", "ab"),  # variation selectors
        ("a\x00\x1bb", "ab"),
        ("a \t\u3000 b\xa0c", "a b c"),
        ("a\r\n\r\n \u2028b", "a\nb"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # spelt so
        ("می\u200c\u200dخواهم", "میخواهم"),
        ("a\u200db", "ab"),
        ("喜欢科幻小说", "喜欢科幻小说"),
    ],
)
def test_hidden_characters_go_and_what_is_read_stays(text: str, read: str) -> None:
    assert clean(text) == read


@given(st.text(alphabet=st.characters(), max_size=60) | st.text("ab \n\u200c\u0301می\u061c\ufe0f", max_size=30))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    ("text", "short"),
    [("short", "short"), ("one two three four", "one two…"), ("一二三四五六七八九十一二三", "一二三四五六七八九…")],
)
def test_a_summary_is_cut_at_a_space_where_there_is_one(text: str, short: str) -> None:
    assert summary(text, 10) == short


@given(st.text("ab. 。\n", max_size=200), st.integers(4, 40))
def test_passages_lose_nothing_but_space_and_keep_the_limit(text: str, limit: int) -> None:
    pieces = passages(clean(text), limit, 1_000)
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


# ---- users -----------------------------------------------------------------------------------------------


def test_a_user_states_text_interests_and_attributes_with_their_weights() -> None:
    statements = Statements(DomainSettings(user_attributes={"age": AttributeDeclaration(type="number")})).of(
        user(text="I read a lot.", interests=("sf", "jazz", " sf "), attributes={"age": 30.0, "city": "Oslo"})
    )
    assert [(one.field, one.text, one.weight) for one in statements] == [
        ("text", "I read a lot.", 1.0),
        ("interests", "sf", 0.5),
        ("interests", "jazz", 0.5),
        ("attributes", "age: 30\ncity: Oslo", ATTRIBUTES_WEIGHT),
    ]


def test_each_sentence_of_a_text_is_a_statement_of_its_own_so_that_it_can_be_quoted() -> None:
    statements = Statements(DomainSettings()).of(user(text="I photograph nebulae. On Sundays I bake bread."))
    assert [(one.text, round(one.weight, 2)) for one in statements] == [
        ("I photograph nebulae.", 0.47),
        ("On Sundays I bake bread.", 0.53),
    ]


def test_sentences_end_where_their_script_says_and_short_ones_stay_with_their_neighbour() -> None:
    assert sentences("我喜欢天文，周末去山里看星星。也喜欢做面包和蛋糕，还有咖啡！", 100, 8) == (
        "我喜欢天文，周末去山里看星星。",
        "也喜欢做面包和蛋糕，还有咖啡！",
    )
    assert sentences("Hi! I like version 2.5 of it.", 100, 8) == ("Hi! I like version 2.5 of it.",)


@given(st.text("ab. 。\n!", max_size=300), st.integers(8, 60), st.integers(1, 5))
def test_sentences_keep_both_limits_and_lose_nothing_that_fits(text: str, limit: int, most: int) -> None:
    pieces = sentences(clean(text), limit, most)
    assert len(pieces) <= most
    assert all(0 < len(piece) <= limit for piece in pieces)
    joined = "".join("".join(pieces).split())
    assert "".join(text.split()).startswith(joined)


def test_a_long_text_becomes_statements_that_share_its_weight() -> None:
    statements = Statements(DomainSettings()).of(user(text="A sentence of words. " * 150))
    assert len(statements) == MOST_PASSAGES
    assert all(len(one.text) <= PASSAGE_CHARS and one.text.endswith(".") for one in statements)
    assert sum(one.weight for one in statements) == pytest.approx(1.0)


def test_a_user_who_says_nothing_states_nothing() -> None:
    assert Statements(DomainSettings()).of(user(text=" \u200b", interests=("\u200b",))) == ()


def test_the_mean_of_statements_is_weighted_and_of_unit_length() -> None:
    east, north = np.array([1, 0], np.float16), np.array([0, 1], np.float16)
    mean = weighted_mean([east, north], [3.0, 4.0])
    assert mean is not None
    assert mean.tolist() == pytest.approx([0.6, 0.8])


def test_statements_that_cancel_out_have_no_mean() -> None:
    east = np.array([1, 0], np.float16)
    assert weighted_mean([east, -east], [1.0, 1.0]) is None
    assert weighted_mean([], []) is None
