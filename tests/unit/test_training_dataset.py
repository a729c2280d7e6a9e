"""Atomic files as arrays with typed fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from glowplug.errors import BadInputFile
from glowplug.settings import AttributeDeclaration, DomainSettings
from glowplug.training.dataset import Dataset, read_folder
from glowplug.training.texts import item_texts

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


def read(tmp_path: Path, inter: str, item: str = "", user: str = "", **options: object) -> Dataset:
    for suffix, text in (("inter", inter), ("item", item), ("user", user)):
        if text:
            (tmp_path / f"set.{suffix}").write_text(text, encoding="utf-8")
    threshold = options.get("threshold")
    domain = options.get("domain", DomainSettings())
    assert isinstance(domain, DomainSettings)
    return read_folder(tmp_path, domain, threshold if isinstance(threshold, float) else None)


def pairs(data: Dataset) -> list[tuple[str, str, bool]]:
    return [
        (data.users.ids[user], data.items.ids[item], bool(positive))
        for user, item, positive in zip(data.user, data.item, data.positive, strict=True)
    ]


def test_interactions_are_in_order_of_time_and_the_latest_of_a_pair_counts(tmp_path: Path) -> None:
    data = read(tmp_path, INTER + "u\ta\t5\t30\nu\tb\t4\t10\nv\ta\t1\t20\nu\ta\t2\t40\n")
    assert pairs(data) == [("u", "b", True), ("v", "a", False), ("u", "a", False)]


@pytest.mark.parametrize(("scale", "threshold"), [((1, 5), 4.0), ((0, 1), 0.75), ((1, 10), 7.75), ((-10, 10), 5.0)])
def test_three_quarters_of_the_scale_is_a_yes(tmp_path: Path, scale: tuple[int, int], threshold: float) -> None:
    worst, best = scale
    data = read(tmp_path, INTER + f"u\ta\t{worst}\t1\nu\tb\t{best}\t2\n")
    assert data.threshold == threshold
    assert data.positive.tolist() == [False, True]


def test_a_threshold_can_be_given(tmp_path: Path) -> None:
    assert read(tmp_path, INTER + "u\ta\t3\t1\nu\tb\t5\t2\n", threshold=3.0).positive.all()


def test_without_ratings_everything_is_a_yes_and_without_times_the_file_tells_the_order(tmp_path: Path) -> None:
    data = read(tmp_path, "user_id:token\titem_id:token\nu\tb\nu\ta\n")
    assert data.threshold is None
    assert pairs(data) == [("u", "b", True), ("u", "a", True)]


def test_columns_get_the_kind_that_their_values_show(tmp_path: Path) -> None:
    rows = "".join(
        f"i{at}\tA title\t{at * 3}\t{at % 3}\tred, blue\tone two three four five six seven eight nine ten\n"
        for at in range(20)
    )
    inter = INTER + "".join(f"u\ti{at}\t5\t{at}\n" for at in range(20))
    header = "item_id:token\ttitle:token_seq\tweight:token\tshelf:token\ttags:token_seq\treview:token_seq\n"
    data = read(tmp_path, inter, header + rows)
    assert {field.name: field.kind for field in data.items.fields} == {
        "title": "title",
        "weight": "number",
        "shelf": "category",
        "tags": "list",
        "review": "text",
    }
    tags = next(field for field in data.items.fields if field.name == "tags")
    assert tags.values[0] == ("red", "blue")


def test_a_declared_type_goes_before_what_the_values_show(tmp_path: Path) -> None:
    domain = DomainSettings(item_attributes={"shelf": AttributeDeclaration(type="number")})
    data = read(tmp_path, INTER + "u\ta\t5\t1\n", "item_id:token\tshelf:token\na\t7\n", domain=domain)
    assert [(field.kind, field.values) for field in data.items.fields] == [("number", (7.0,))]


def test_an_item_without_a_row_has_empty_fields_and_its_id_for_a_text(tmp_path: Path) -> None:
    data = read(tmp_path, INTER + "u\ta\t5\t1\nu\tb\t5\t2\n", "item_id:token\ttitle:token_seq\na\tAlpha\n")
    assert data.items.fields[0].values == ("Alpha", None)
    assert item_texts(data.items) == ["Alpha", "b"]


def test_a_text_starts_with_the_title_and_names_attributes(tmp_path: Path) -> None:
    item = "item_id:token\tyear:float\ttitle:token_seq\tplot:token_seq\na\t1999\tAlpha\tA long story.\n"
    assert item_texts(read(tmp_path, INTER + "u\ta\t5\t1\n", item).items) == ["Alpha\nA long story.\nyear: 1999"]


@pytest.mark.parametrize(
    ("inter", "said"),
    [("", "0 files named \\*.inter"), (INTER, "no interactions"), (INTER + "u\t\t5\t1\n", "line 2 has no item_id")],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, inter: str, said: str) -> None:
    with pytest.raises(BadInputFile, match=said):
        read(tmp_path, inter)


def test_fields_have_the_names_that_they_have_in_events(tmp_path: Path) -> None:
    """What training reads of an item has to be there when it is served."""
    item = (
        "item_id:token\tclass:token_seq\tname:token_seq\tmovie_title:token_seq\tplot:token_seq\tabstract:token_seq\n"
        "a\tdrama\tThe name\tThe title\tA long story.\tAnd more.\n"
        "b\tcomedy\t\tAnother title\t\tOnly this.\n"
    )
    found = {field.name: field for field in read(tmp_path, INTER + "u\ta\t5\t1\nu\tb\t5\t2\n", item).items.fields}
    assert set(found) == {"title", "description", "genre"}
    assert found["title"].values == ("The name", "Another title")
    assert found["description"].values == ("A long story.\nAnd more.", "Only this.")
    assert found["genre"].values == (("drama",), ("comedy",))
