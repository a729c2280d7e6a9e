"""A made-up data set of any size as RecBole atomic files: long-tailed, with tastes that show in what items say.

Each item belongs to one of many topics, which its title's words, genre and brand betray; each user likes a few
topics, more or less by age group. How often items are met falls as a power law, and new items come all the time.
No rating: each interaction is a yes. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TOPICS = 400
WORDS = 6_000  # made-up ones; each topic uses some of them
TOPIC_WORDS = 40
OWN_WORDS, OTHER_WORDS = 4, 2  # of a title: of its topic, of any
TASTES = 4  # topics that a user likes
STRAY = 0.15  # of interactions, with items of any topic
AGES, BRANDS = 6, 300
TAIL = 0.9  # exponent of the power law; MovieLens' and shops' lie about there
SPAN_S = 180 * 86_400
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il", "os", "um")]


def write(folder: Path, users: int, items: int, interactions: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    topic = rng.integers(TOPICS, size=items)
    fame = (1.0 + rng.permutation(items).astype(np.float64)) ** -TAIL
    born = np.sort(rng.random(items) ** 2)[rng.permutation(items)] * SPAN_S  # most are there from early on
    age = rng.integers(AGES, size=users)
    tastes = (rng.integers(TOPICS, size=(users, TASTES)) + age[:, None] * (TOPICS // AGES) // 2) % TOPICS
    _write_items(folder / f"{folder.name}.item", topic, born, rng)
    lines = ["user_id:token\tage:float\tregion:token"]
    regions = rng.integers(12, size=users)
    lines += [f"u{at}\t{18 + 9 * age[at] + at % 9}\tregion {regions[at]}" for at in range(users)]
    (folder / f"{folder.name}.user").write_text("\n".join(lines) + "\n", encoding="utf-8")
    who, what = _pairs(users, interactions, topic, fame, tastes, rng)
    when = born[what] + rng.random(len(what)) * (SPAN_S - born[what])
    order = np.argsort(when, kind="stable")
    with (folder / f"{folder.name}.inter").open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("user_id:token\titem_id:token\ttimestamp:float\n")
        stream.writelines(f"u{who[at]}\ti{what[at]}\t{when[at]:.0f}\n" for at in order)


def _write_items(path: Path, topic: NDArray[np.int64], born: NDArray[np.float64], rng: np.random.Generator) -> None:
    words = ["".join(rng.choice(SYLLABLES, rng.integers(2, 4))) for _ in range(WORDS)]
    of_topic = rng.integers(WORDS, size=(TOPICS, TOPIC_WORDS))
    own = of_topic[topic[:, None], rng.integers(TOPIC_WORDS, size=(len(topic), OWN_WORDS))]
    chosen = np.hstack([own, rng.integers(WORDS, size=(len(topic), OTHER_WORDS))])
    brand = (topic * 7 + rng.integers(4, size=len(topic))) % BRANDS
    price = np.exp(rng.normal(3 + topic % 5 / 2, 0.5))
    lines = ["item_id:token\ttitle:token_seq\tgenres:token_seq\tbrand:token\tprice:float\tlisted:float"]
    lines += [
        f"i{at}\t{' '.join(words[word] for word in chosen[at])}\tgenre{topic[at] // 10}, topic{topic[at]}\t"
        f"brand {brand[at]}\t{price[at]:.2f}\t{born[at]:.0f}"
        for at in range(len(topic))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _pairs(
    users: int,
    interactions: int,
    topic: NDArray[np.int64],
    fame: NDArray[np.float64],
    tastes: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct pairs; every user and every item is in one at least."""
    by_topic = [np.flatnonzero(topic == one) for one in range(TOPICS)]
    chance = [fame[found] / fame[found].sum() if len(found) else fame[found] for found in by_topic]
    activity = rng.pareto(1.5, users) + 0.3
    count = 3 * interactions  # many are drawn twice
    who = np.sort(rng.choice(users, count, p=activity / activity.sum()))
    wanted = tastes[who, rng.integers(TASTES, size=count)]
    what = rng.choice(len(topic), count, p=fame / fame.sum())
    loyal = rng.random(count) >= STRAY
    for one, found in enumerate(by_topic):
        rows = np.flatnonzero((wanted == one) & loyal)
        if len(found):
            what[rows] = found[rng.choice(len(found), len(rows), p=chance[one])]
    items = len(topic)
    everyone = np.arange(max(users, items))
    pair = np.unique(np.r_[everyone % users * items + everyone % items, who * items + what])
    first = np.isin(pair, everyone % users * items + everyone % items)
    rest = rng.permutation(pair[~first])[: max(interactions - first.sum(), 0)]
    kept = np.r_[pair[first], rest]
    return kept // items, kept % items


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    write(given.folder, given.users, given.items, given.interactions, given.seed)


if __name__ == "__main__":
    main()
