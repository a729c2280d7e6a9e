"""Atomic files to events: which column becomes the title, the description, an attribute. One pass, settable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from glowplug.data.atomic import AtomicFile, Row, Value, as_number
from glowplug.errors import BadInputFile, shown
from glowplug.events import MAX_LIST, MAX_TEXT_CHARS, Attributes, Interaction, ItemCreated, UserCreated

START = datetime(2000, 1, 1, tzinfo=UTC)  # of data sets whose interactions have no time: any fixed moment does


@dataclass(frozen=True, slots=True)
class Conversion:
    """How one data set's columns are read.

    titles:       the first of these that a row has is its title.
    descriptions: running text; all that a row has, joined by line breaks.
    numbers:      token columns that hold numbers; a value that is none is left out, so the type stays the same.
    dropped:      columns that say nothing of taste.
    renamed:      column to attribute name.
    ratings:      the data set's worst and best rating, which become 0 and 1.
    """

    name: str
    domain: str = "default"
    item_id: str = "item_id"
    user_id: str = "user_id"
    rating: str = "rating"
    timestamp: str = "timestamp"
    titles: tuple[str, ...] = ("title", "name", "movie_title", "item_name", "product_name", "book_title")
    descriptions: tuple[str, ...] = ("description", "plot", "overview", "summary", "synopsis", "abstract", "text")
    numbers: frozenset[str] = frozenset({"age", "year", "release_year", "price"})
    dropped: frozenset[str] = frozenset({"zip_code", "zipcode", "url", "image_url"})
    renamed: Mapping[str, str] = field(default_factory=lambda: {"class": "genre", "release_year": "year"})
    ratings: tuple[float, float] = (1.0, 5.0)

    @property
    def running_text(self) -> frozenset[str]:
        return frozenset((*self.titles, *self.descriptions))


@dataclass(frozen=True, slots=True)
class Rating:
    """One row of .inter: `at` is its time, `line` its place in the file."""

    at: datetime
    line: int
    user_id: str
    item_id: str
    value: float | None


def items(file: AtomicFile, how: Conversion, at: datetime) -> Iterator[ItemCreated]:
    """`at`: the event time, for atomic files know none of items. Raises BadInputFile."""
    for number, row in file.rows(whole=how.running_text):
        item_id = _required(file, number, row, how.item_id)
        title = next((str(row[name]) for name in how.titles if name in row), "")
        texts = [str(row[name]) for name in how.descriptions if name in row]
        used = {how.item_id, *how.descriptions, *how.titles}
        try:
            yield ItemCreated(
                event_id=f"{how.name}:item:{item_id}",
                event_time=at,
                item_id=item_id,
                domain=how.domain,
                title=title,
                description="\n".join(texts)[:MAX_TEXT_CHARS],
                attributes=_attributes(row, used, how),
            )
        except ValidationError as error:
            raise _unfit(file, number, error) from error


def users(file: AtomicFile, how: Conversion, signed_up: Mapping[str, datetime]) -> Iterator[UserCreated]:
    """`signed_up`: by user id; who is not in it signed up at the earliest of them. Raises BadInputFile."""
    earliest = min(signed_up.values(), default=START)
    for number, row in file.rows():
        user_id = _required(file, number, row, how.user_id)
        try:
            yield UserCreated(
                event_id=f"{how.name}:user:{user_id}",
                event_time=signed_up.get(user_id, earliest),
                user_id=user_id,
                domain=how.domain,
                attributes=_attributes(row, {how.user_id}, how),
            )
        except ValidationError as error:
            raise _unfit(file, number, error) from error


def ratings(file: AtomicFile, how: Conversion) -> list[Rating]:
    """All interactions by time, then by line: about 200 bytes each, held at once. Raises BadInputFile."""
    rows: list[Rating] = []
    for number, row in file.rows():
        stamp = row.get(how.timestamp)
        at = datetime.fromtimestamp(stamp, UTC) if isinstance(stamp, float) else START + timedelta(seconds=number)
        user_id = _required(file, number, row, how.user_id)
        rows.append(
            Rating(at, number, user_id, _required(file, number, row, how.item_id), _rating(file, number, row, how))
        )
    rows.sort(key=lambda rating: (rating.at, rating.line))
    return rows


def interaction(rating: Rating, how: Conversion) -> Interaction:
    """A row without a rating is a view."""
    return Interaction(
        event_id=f"{how.name}:interaction:{rating.line}",
        event_time=rating.at,
        user_id=rating.user_id,
        item_id=rating.item_id,
        action="view" if rating.value is None else "rating",
        value=rating.value,
    )


def _rating(file: AtomicFile, number: int, row: Row, how: Conversion) -> float | None:
    value = row.get(how.rating)
    if value is None:
        return None
    worst, best = how.ratings
    if not isinstance(value, float) or not worst <= value <= best:
        raise BadInputFile(
            f"{file.path.name} line {number}: {how.rating} {shown(value)} is no number from {worst:g} to {best:g}"
        )
    return (value - worst) / (best - worst)


def _attributes(row: Row, used: set[str], how: Conversion) -> Attributes:
    found: Attributes = {}
    for name, value in row.items():
        if name in used or name in how.dropped:
            continue
        typed = _typed(name, value, how)
        if typed is not None:
            found[how.renamed.get(name, name)] = typed
    return found


def _typed(name: str, value: Value, how: Conversion) -> float | str | tuple[str, ...] | None:
    if isinstance(value, tuple):
        return tuple(f"{entry:g}" if isinstance(entry, float) else entry for entry in value[:MAX_LIST])
    if name in how.numbers and isinstance(value, str):
        return as_number(value)
    return value


def _required(file: AtomicFile, number: int, row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise BadInputFile(
            f"{file.path.name} line {number} has no {name}: the column must be a token and filled in"
        )
    return value


def _unfit(file: AtomicFile, number: int, error: ValidationError) -> BadInputFile:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return BadInputFile(f"{file.path.name} line {number}: {where} {shown(first['input'])}: {first['msg']}")
