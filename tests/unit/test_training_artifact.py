"""What is written of a head is enough to place items and users that it has never seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest

from glowplug.errors import BadInputFile
from glowplug.settings import DomainSettings, load
from glowplug.training import item_search, user_search
from glowplug.training.artifact import Artifact, read_artifact, write_artifact
from glowplug.training.dataset import Dataset, read_folder
from glowplug.training.features import features
from glowplug.training.fitting import fitted
from glowplug.training.splits import cold_item
from glowplug.training.texts import item_texts
from glowplug.training.train import CARD, FIGURES, train
from glowplug.training.trending import STEPS, Trending
from tests.support.shelf import write_shelf


class Written:
    """A head of a shelf with a fifth of its items held out, on disk and in memory."""

    def __init__(self, folder: Path) -> None:
        settings = load(encoder={"model": "fake", "cache_dir": folder / "cache"})
        self.data: Dataset = read_folder(write_shelf(folder / "shelf"), DomainSettings())
        read = features(self.data, settings.encoder, lambda _: None)
        self.texts, self.vectors = item_texts(self.data.items), read.vectors
        split = cold_item(self.data, 0)
        self.cold = split.test[0].items
        self.user_channels = read.of_users
        channels = read.of_words + read.of_items
        of_items = item_search.START | {channel.name: 0.2 for channel in channels}
        of_users = user_search.START | {channel.name: 0.5 for channel in self.user_channels}
        found = fitted(self.data, split.train, read, of_items, of_users)
        self.factors, self.model, self.trained = found.factors, found.model, found.trained
        self.folder = folder / "head"
        self.fingerprint = write_artifact(self.folder, found)

    def read(self) -> Artifact:
        return read_artifact(self.folder)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return Written(tmp_path_factory.mktemp("artifact"))


def test_a_new_item_gets_the_vector_that_training_gave_it(written: Written) -> None:
    head, cold = written.read(), written.cold
    fields = {field.name: [field.values[at] for at in cold] for field in written.data.items.fields}
    kernel = head.of_items.of(fields, [written.texts[at] for at in cold], written.vectors[cold], len(cold))
    assert kernel @ head.new_outputs == pytest.approx(written.factors.items[cold], abs=1e-4)


def test_a_new_user_gets_the_place_that_training_gave_them(written: Written) -> None:
    head, users = written.read(), np.arange(10)
    fields = {field.name: [field.values[at] for at in users] for field in written.data.users.fields}
    kernel = head.of_users.of(fields, [], np.empty((0, 0), np.float32), len(users))
    assert kernel @ head.pull == pytest.approx(written.model.prior(users, written.user_channels), abs=1e-9)


def test_a_known_user_is_the_sum_of_what_they_dealt_with(written: Written) -> None:
    head, data = written.read(), written.data
    train = np.isin(data.item, written.cold, invert=True)
    behaviour = data.matrix(train, weak=item_search.START["weak"])
    assert behaviour[:, written.trained] @ head.inputs == pytest.approx(written.factors.users, abs=1e-4)


def test_a_field_that_is_not_given_counts_as_missing(written: Written) -> None:
    head = written.read()
    kernel = head.of_items.of({}, ["The harbour"], written.vectors[:1], 1)
    assert np.isfinite(kernel).all()


def test_nothing_of_a_user_is_in_the_files_but_numbers(written: Written) -> None:
    text = (written.folder / "head.json").read_text("utf-8")
    assert not [user for user in written.data.users.ids if f'"{user}"' in text]


def test_another_format_or_no_files_are_refused(written: Written, tmp_path: Path) -> None:
    with pytest.raises(BadInputFile, match="holds no head"):
        read_artifact(tmp_path)
    for file in written.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    reading = orjson.loads((tmp_path / "head.json").read_bytes())
    (tmp_path / "head.json").write_bytes(orjson.dumps(reading | {"format": 99}))
    with pytest.raises(BadInputFile, match="format 99"):
        read_artifact(tmp_path)
    del reading["weak"]
    (tmp_path / "head.json").write_bytes(orjson.dumps(reading))
    with pytest.raises(BadInputFile, match="something missing"):
        read_artifact(tmp_path)
    (tmp_path / "head.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BadInputFile, match="holds no head"):
        read_artifact(tmp_path)


def test_training_again_with_the_same_seed_gives_the_same_head(tmp_path: Path) -> None:
    shelf = write_shelf(tmp_path / "shelf", users=60, items=50)
    settings = load(encoder={"model": "fake", "cache_dir": tmp_path / "cache"})
    cards = []
    for name in ("first", "second"):
        train(settings, shelf, tmp_path / name, seed=1, k=10, threshold=None, say=lambda _: None)
        cards.append(orjson.loads((tmp_path / name / FIGURES).read_bytes()))
        assert read_artifact(tmp_path / name).fingerprint == cards[-1]["head"]
    assert cards[0]["head"] == cards[1]["head"]
    assert cards[0]["choices"] == cards[1]["choices"]
    card = (tmp_path / "first" / CARD).read_text("utf-8")
    assert cards[0]["data"]["sha256"] in card
    assert "| cold items | learned |" in card
    weights = [(step["known"], step["weight"]) for step in cards[0]["trending"]]
    assert tuple(weights) == read_artifact(tmp_path / "first").trending.weights
    assert [known for known, _ in weights] == list(STEPS)
    assert "| things known | weight |" in card


def test_where_no_times_are_known_the_day_counts_nothing(tmp_path: Path) -> None:
    shelf = write_shelf(tmp_path / "shelf", users=60, items=50)
    (inter,) = shelf.glob("*.inter")
    rows = [line.split("\t")[:-1] for line in inter.read_text("utf-8").splitlines()]
    inter.write_text("\n".join("\t".join(row) for row in rows) + "\n", "utf-8")
    settings = load(encoder={"model": "fake", "cache_dir": tmp_path / "cache"})
    train(settings, shelf, tmp_path / "head", seed=1, k=10, threshold=None, say=lambda _: None)
    found = read_artifact(tmp_path / "head").trending
    assert found.weights == ()
    assert found.spread > 0  # where a weight is set by hand, it must not drown what users say


def test_a_head_of_before_there_was_a_day_is_read(written: Written, tmp_path: Path) -> None:
    (tmp_path / "head.safetensors").write_bytes((written.folder / "head.safetensors").read_bytes())
    reading = orjson.loads((written.folder / "head.json").read_bytes())
    del reading["trending"]
    (tmp_path / "head.json").write_bytes(orjson.dumps(reading))
    assert read_artifact(tmp_path).trending == Trending()
