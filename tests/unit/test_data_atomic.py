"""RecBole atomic files to events."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from glowplug.data.atomic import open_atomic
from glowplug.data.conversion import Conversion, interaction, items, ratings, users
from glowplug.errors import BadInputFile

HOW = Conversion(name="shelf", domain="books")
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def written(tmp_path: Path, *lines: str, name: str = "shelf.item") -> Path:
    path = tmp_path / name
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_columns_are_typed_by_the_header(tmp_path: Path) -> None:
    file = open_atomic(
        written(tmp_path, "item_id:token\tprice:float\ttags:token_seq\tbox:float_seq", "7\t9.5\ta b\t1 2")
    )
    assert list(file.rows()) == [(2, {"item_id": "7", "price": 9.5, "tags": ("a", "b"), "box": (1.0, 2.0)})]


def test_empty_fields_are_absent_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    file = open_atomic(written(tmp_path, "item_id:token\tprice:float", "7\t", "", "8\t1"))
    assert list(file.rows()) == [(2, {"item_id": "7"}), (4, {"item_id": "8", "price": 1.0})]


def test_a_column_with_a_comma_anywhere_is_separated_by_commas_everywhere(tmp_path: Path) -> None:
    file = open_atomic(
        written(
            tmp_path,
            "item_id:token\tby:token_seq\tkind:token_seq",
            "1\tMary Ann Evans\tnovel old",
            "2\tA B, C D\tnovel",
        )
    )
    assert [row["by"] for _, row in file.rows()] == [("Mary Ann Evans",), ("A B", "C D")]
    assert [row["kind"] for _, row in file.rows()] == [("novel", "old"), ("novel",)]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "is empty"),
        (("item_id",), "item_id is no name:type"),
        (("item_id:text",), "types are token, float, token_seq, float_seq"),
        (("a:token\ta:float",), "stands twice"),
        (("a:token\tb:token", "1"), "line 2 has 1 fields and the header 2"),
        (("item_id:token\tprice:float", "1\tcheap"), "line 2: price is declared as float and holds cheap"),
        (("item_id:token\tprice:float", "1\tnan"), "finite number"),
        (("item_id:token\tprice:float", "\t1"), "line 2 has no item_id"),
    ],
)
def test_a_file_that_is_not_atomic_names_line_column_and_fix(
    tmp_path: Path, lines: tuple[str, ...], said: str
) -> None:
    path = written(tmp_path, *lines)
    with pytest.raises(BadInputFile, match=said):
        list(items(open_atomic(path), HOW, AT))


def test_bytes_that_are_not_utf_8_are_said(tmp_path: Path) -> None:
    path = tmp_path / "shelf.item"
    path.write_bytes(b"item_id:token\n\xe9\n")
    with pytest.raises(BadInputFile, match="not UTF-8"):
        open_atomic(path)


def test_columns_become_title_description_and_typed_attributes(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tplot:token_seq\tzip_code:token",
        "1\tThe Long Way\t1987\tDrama Comedy\tA road, a dog, and rain.\t12345",
    )
    (item,) = items(open_atomic(path), HOW, AT)
    assert (item.event_id, item.domain, item.event_time) == ("shelf:item:1", "books", AT)
    assert (item.title, item.description) == ("The Long Way", "A road, a dog, and rain.")
    assert item.attributes == {"year": 1987.0, "genre": ("Drama", "Comedy")}


def test_a_number_column_never_changes_its_type(tmp_path: Path) -> None:
    path = written(tmp_path, "item_id:token\tyear:token", "1\t1987", "2\tunknown")
    assert [item.attributes for item in items(open_atomic(path), HOW, AT)] == [{"year": 1987.0}, {}]


def test_a_user_signed_up_when_they_are_first_seen(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id:token\tage:token\tgender:token\tzip_code:token", "1\t24\tF\tV3N4P", "2\t\t\t")
    later = AT.replace(year=2027)
    first, second = users(open_atomic(path), HOW, {"1": later, "9": AT})
    assert (first.event_time, first.attributes) == (later, {"age": 24.0, "gender": "F"})
    assert (second.event_time, second.attributes) == (AT, {})


def test_ratings_come_by_time_and_then_as_they_stand(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "user_id:token\titem_id:token\trating:float\ttimestamp:float",
        "u\ta\t5\t300", "u\tb\t1\t100", "v\ta\t3\t100",
        name="shelf.inter",
    )  # fmt: skip
    events = [interaction(rating, HOW) for rating in ratings(open_atomic(path), HOW)]
    assert [(e.user_id, e.item_id, e.value) for e in events] == [("u", "b", 0.0), ("v", "a", 0.5), ("u", "a", 1.0)]
    assert [e.event_id for e in events] == ["shelf:interaction:3", "shelf:interaction:4", "shelf:interaction:2"]
    assert events[0].event_time == datetime(1970, 1, 1, 0, 1, 40, tzinfo=UTC)


def test_an_interaction_without_rating_and_time_is_a_view_in_file_order(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id:token\titem_id:token", "u\tb", "u\ta", name="shelf.inter")
    events = [interaction(rating, HOW) for rating in ratings(open_atomic(path), HOW)]
    assert [(e.item_id, e.action, e.value) for e in events] == [("b", "view", None), ("a", "view", None)]
    assert events[0].event_time < events[1].event_time


def test_a_rating_off_the_scale_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id:token\titem_id:token\trating:float", "u\ta\t11", name="shelf.inter")
    with pytest.raises(BadInputFile, match=r"line 2: rating 11\.0 is no number from 1 to 5"):
        ratings(open_atomic(path), HOW)
