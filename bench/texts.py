"""Items and users of an invented shop, by the thousand: plausible sentences of real words, drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

import orjson

from glowplug.events import Event, Interaction, ItemCreated, UserCreated, event_type

# Topic; things that are sold for it; what one does with them; and where.
WORDS = """
running
  trail shoe, running vest, head torch, interval watch
  run before work, train for a marathon, jog with the dog
  in the hills, along the canal
baking
  proofing basket, dough scraper, oven stone, rye flour
  bake sourdough, knead brioche, try old cake recipes
  on slow Sundays, in a tiny kitchen
astronomy
  reflector telescope, star chart, eyepiece, tracking mount
  photograph nebulae, count meteors, look for comets
  under dark skies, from the roof
gardening
  raised bed, pruning shears, tomato seedlings, compost bin
  grow vegetables, prune roses, save seeds
  on the allotment, on a windy balcony
chess
  tournament clock, endgame book, walnut board, opening repertoire
  play rapid games, solve studies, coach juniors
  at the club, in the park
cycling
  gravel bike, bike bag, tubeless tyre, rain jacket
  ride long distances, commute by bike, tour with panniers
  over mountain passes, through all weathers
photography
  prime lens, tripod, film scanner, camera strap
  take street portraits, develop film, shoot landscapes
  at first light, in foreign cities
knitting
  merino yarn, circular needles, cable pattern, row counter
  knit jumpers, design socks, dye wool
  by the stove, on the train
climbing
  climbing rope, chalk bag, approach shoe, finger board
  boulder after work, lead limestone routes, train finger strength
  in the gym, on sea cliffs
cinema
  silent film collection, noir box set, festival pass, film history
  watch old thrillers, review documentaries, collect posters
  in small theatres, late at night
coffee
  hand grinder, filter kettle, espresso machine, single origin beans
  brew filter coffee, roast small batches, practise latte art
  before anyone is awake, at the office
sailing
  folding anchor, sailing gloves, tide tables, dry bag
  race dinghies, cruise single-handed, restore wooden boats
  in light winds, around the islands
jazz
  vinyl pressing, saxophone reed, transcription book, turntable
  play in a quartet, collect records, learn improvisation
  in smoky bars, after midnight
birdwatching
  binoculars, field guide, nest box, spotting scope
  count migrating geese, ring songbirds, record dawn calls
  on the salt marsh, in old forests
electronics
  soldering iron, sensor kit, logic analyser, synthesiser module
  repair radios, build weather stations, write firmware
  in the cellar, at the makerspace
camping
  two-person tent, gas stove, sleeping mat, water filter
  hike for weeks, sleep outside in winter, cook over a fire
  far from roads, above the tree line
"""
MANNERS = (
    "light",
    "sturdy",
    "compact",
    "hand-made",
    "second-hand",
    "foldable",
    "classic",
    "quiet",
    "warm",
    "simple",
)
COLOURS = ("green", "slate", "copper", "ivory", "navy", "rust", "black", "sand", "olive", "plum")
MAKERS = ("Harrow", "Lindqvist", "Oku", "Tamsin", "Brack", "Velde", "Marlow", "Ishii", "Corran", "Dell")
PRAISE = (
    "It has lasted years of hard use without complaint.",
    "People buy it once and then a second one for a friend.",
    "The manual is short because there is little to go wrong.",
    "Every part can be replaced with an ordinary screwdriver.",
    "It weighs less than it looks and packs smaller than that.",
)


def _topics(words: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    rows = [tuple(row.strip().split(", ")) for row in words.strip().splitlines()]
    return {rows[at][0]: tuple(rows[at + 1 : at + 4]) for at in range(0, len(rows), 4)}


TOPICS = _topics(WORDS)


class Shop:
    """Endless items, users and likes; ids count from 0. Two shops of one seed are the same."""

    def __init__(self, seed: int, *, is_short: bool = False) -> None:
        """is_short: titles and single sentences only, where the number of them matters and not their length."""
        self._random = Random(seed)
        self._is_short = is_short

    def item(self, number: int, prefix: str = "item") -> ItemCreated:
        draw = self._random
        topic = draw.choice(tuple(TOPICS))
        things, deeds, places = TOPICS[topic]
        thing, manner, colour = draw.choice(things), draw.choice(MANNERS), draw.choice(COLOURS)
        title = f"{draw.choice(MAKERS)} {manner} {thing} No. {number}, {colour}"
        description = "" if self._is_short else (
            f"A {manner} {thing} in {colour} for those who {draw.choice(deeds)} {draw.choice(places)}. "
            f"{draw.choice(PRAISE)}"
        )  # fmt: skip
        tags = () if self._is_short else (topic, manner)
        return ItemCreated(
            event_id=f"{prefix}-{number}-created", event_time=datetime.now(UTC), item_id=f"{prefix}-{number}",
            title=title, description=description, attributes={"tags": tags} if tags else {},
        )  # fmt: skip

    def user(self, number: int, prefix: str = "user") -> UserCreated:
        draw = self._random
        said = [f"{_sentence(draw, topic)}." for topic in draw.sample(tuple(TOPICS), 1 if self._is_short else 2)]
        return UserCreated(
            event_id=f"{prefix}-{number}-created", event_time=datetime.now(UTC), user_id=f"{prefix}-{number}",
            text=" ".join(said),
        )  # fmt: skip

    def like(self, number: int, user_id: str, item_id: str, prefix: str = "like") -> Interaction:
        return Interaction(
            event_id=f"{prefix}-{number}", event_time=datetime.now(UTC), user_id=user_id, item_id=item_id,
            action="like",
        )  # fmt: skip

    def likes(self, count: int, users: int, items: int) -> Iterator[Interaction]:
        """Of loaded users and items, the first items liked more often, as in any shop."""
        for number in range(count):
            item = int(items * self._random.random() ** 2)
            yield self.like(number, f"user-{number % users}", f"item-{item}", "load")


def line(event: Event) -> bytes:
    """As a product writes it."""
    return orjson.dumps({"type": event_type(type(event))} | event.model_dump(mode="json", exclude_defaults=True))


def _sentence(draw: Random, topic: str) -> str:
    things, deeds, places = TOPICS[topic]
    first = f"I {draw.choice(deeds)} {draw.choice(places)}"
    if draw.random() < 0.5:
        return f"{first}, and my {draw.choice(MANNERS)} {draw.choice(things)} comes with me"
    return f"{first} and am looking for a {draw.choice(MANNERS)} {draw.choice(things)}"
