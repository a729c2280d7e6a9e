"""The page of an evaluation: complete in itself, and harmless whatever the data set is called."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from glowplug.errors import BadInputFile
from glowplug.training.pages import page, write_page

HOSTILE = "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)> $\\frac{ &amp; 川菜 {{ 7*7 }}"
SVG = "{http://www.w3.org/2000/svg}"


def part(name: str, mean: float) -> dict[str, Any]:
    return {"name": name, "users": 20, "value": interval(mean)}


def interval(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.05, "high": mean + 0.05}


def line(task: str, model: str, ndcg: float, **more: Any) -> dict[str, Any]:
    names = ("recall", "ndcg", "precision", "mrr", "hit", "accuracy")
    return {
        "task": task,
        "model": model,
        "users": 40,
        "draws": 2,
        "seconds": 1.0,
        "means": {name: interval(ndcg) for name in names},
        "shape": {"coverage": 0.4, "novelty": 7.0, "popularity_bias": 1.2},
        "gaps": {},
        "leads": {},
        "at": {"recall": [0.1, 0.2, 0.3], "ndcg": [0.1, 0.2, 0.3]},
        "groups": {},
        "ages": [],
        "overlap": None,
    } | more


def document(name: str = "shop", group: str = "f", attribute: str = "gender") -> dict[str, Any]:
    lines = []
    for task in ("cold items", "cold users, k=0", "cold users, k=1", "overall"):
        ages = [part("not met in training", 0.2), part("over 1 week", 0.3)] if task == "overall" else []
        groups = {attribute: [part(group, 0.2), part("m", 0.3)]}
        lines += [
            line(task, "popularity", 0.2, groups=groups, ages=ages),
            line(
                task,
                "learned",
                0.3,
                leads={"popularity": interval(0.1)},
                groups=groups,
                ages=ages,
                overlap=interval(0.8) if task == "cold items" else None,
            ),
        ]
    return {
        "data": {
            "name": name,
            "users": 1000,
            "items": 200,
            "interactions": 5000,
            "positives": 4000,
            "threshold": 3.5,
        },
        "encoder": "fake:1",
        "glowplug": "0.1.0",
        "k": 3,
        "lines": lines,
        "choices": [],
        "curves": [{"protocol": "cold-item", "seed": 0, "model": "learned", "values": [0.1, 0.3, 0.2]}],
    }


@pytest.fixture(scope="module")
def plain() -> str:
    return page(document())


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def images(text: str) -> list[str]:
    sources = [attributes["src"] or "" for tag, attributes in Tags(text).found if tag == "img"]
    prefix = "data:image/svg+xml;base64,"
    assert all(source.startswith(prefix) for source in sources)
    return [base64.b64decode(source.removeprefix(prefix)).decode() for source in sources]


def test_every_plot_is_there_and_says_what_it_shows(plain: str) -> None:
    text = plain
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == [
        "The lead, task by task",
        "Cold users: what each like brings",
        "All methods, with intervals",
        "How long a list must be",
        "New items and old ones",
        "Accuracy and breadth",
        "Who is served how well",
        "The same items in other words",
        "How hyperparameters were chosen",
        "All figures",
    ]
    assert len(images(text)) >= 14
    assert all(attributes["alt"] for tag, attributes in Tags(text).found if tag == "img")
    assert "cold items: 0.300 against 0.200 of popularity, clearly better" in text


def test_what_was_not_measured_leaves_no_empty_section() -> None:
    bare = document()
    for one in bare["lines"]:
        one.update(groups={}, ages=[], overlap=None)
    text = page(bare | {"curves": []})
    for title in ("New items", "Who is served", "other words", "hyperparameters were chosen</h2>"):
        assert title not in text


def test_the_page_needs_nothing_from_outside_and_runs_nothing(plain: str) -> None:
    text = plain
    tags = Tags(text).found
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "embed", "form", "base", "use"}
    assert [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "href"] == []
    assert not re.search(r"url\(|@import", text)
    policy = next(one["content"] for tag, one in tags if tag == "meta" and "http-equiv" in one)
    assert policy is not None
    assert "default-src 'none'" in policy
    for image in images(text):
        tree = ElementTree.fromstring(image)  # noqa: S314  our own output
        assert not [one for one in tree.iter() if one.tag == f"{SVG}script"]
        links = [value for one in tree.iter() for name, value in one.attrib.items() if name.endswith("href")]
        assert all(link.startswith("#") for link in links)


def test_names_from_the_data_set_are_text_everywhere() -> None:
    text = page(document(name=HOSTILE, group=HOSTILE, attribute=HOSTILE))
    tags = {tag for tag, _ in Tags(text).found}
    assert "script" not in tags
    assert "&lt;script&gt;" in text
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", text, re.DOTALL)[0]
    for image in images(text):
        assert not [one for one in ElementTree.fromstring(image).iter() if one.tag == f"{SVG}script"]  # noqa: S314


def test_the_same_figures_give_the_same_page(plain: str) -> None:
    assert page(document()) == plain


def test_the_page_is_written_beside_the_figures(
    tmp_path: Path, plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glowplug.training.pages.page", lambda _: plain)
    (tmp_path / "figures.json").write_bytes(orjson.dumps(document()))
    assert write_page(tmp_path) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert write_page(tmp_path, tmp_path / "to" / "show.html").is_file()


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"lines": []}', b'{"lines": [{"task": "x"}], "k": 3}'])
def test_a_folder_without_figures_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "figures.json").write_bytes(content)
    with pytest.raises(BadInputFile, match="glowplug evaluate --out"):
        write_page(tmp_path)
