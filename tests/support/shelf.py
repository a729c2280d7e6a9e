"""A made-up data set with structure: readers like topics, and topics show in titles, genres, years and ages."""

from __future__ import annotations

from pathlib import Path

import numpy as np

TOPICS = ("garden", "harbour", "engine", "palace", "forest", "market")


def write_shelf(folder: Path, *, users: int = 120, items: int = 90, likes: int = 16, seed: int = 0) -> Path:
    """shelf.inter, .item and .user: each user rates mostly items of one topic, 4 or 5, and some others anything."""
    rng = np.random.default_rng(seed)
    of_item, of_user = rng.integers(len(TOPICS), size=items), rng.integers(len(TOPICS), size=users)
    folder.mkdir(parents=True, exist_ok=True)
    books = ["item_id:token\ttitle:token_seq\tgenres:token_seq\tyear:float"]
    for item, topic in enumerate(of_item):
        word = TOPICS[topic]
        books.append(f"b{item}\tThe {word} of number {rng.integers(1000)}\t{word}, book\t{1950 + 10 * topic}")
    people = ["user_id:token\tage:float\tgender:token"]
    people += [
        f"u{user}\t{20 + 8 * topic + rng.integers(4)}\t{'fm'[user % 2]}" for user, topic in enumerate(of_user)
    ]
    rows = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user, topic in enumerate(of_user):
        weight = np.where(of_item == topic, 10.0, 0.5) / (1 + np.arange(items) % 7)
        for at, item in enumerate(rng.choice(items, likes, replace=False, p=weight / weight.sum())):
            rating = rng.integers(4, 6) if of_item[item] == topic else rng.integers(1, 6)
            rows.append(f"u{user}\tb{item}\t{rating}\t{1000 + 50 * at + rng.integers(50)}")
    for suffix, lines in (("inter", rows), ("item", books), ("user", people)):
        (folder / f"shelf.{suffix}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
