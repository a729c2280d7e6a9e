"""`glowplug promote`: a trained head into the folder that recommenders follow, if it is worth more than what
serves."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from glowplug.cli_views import new_table, plain, stdout
from glowplug.errors import BadInputFile, BadSettings, NotPromoted, shown
from glowplug.heads.folder import Pointer, keep, place_of, read_pointer, step, write_pointer
from glowplug.heads.head import read_head
from glowplug.settings import Settings
from glowplug.training.dataset import read_folder
from glowplug.training.features import features
from glowplug.training.held_out import LATER, as_served, by_popularity, later_task, values
from glowplug.training.standings import Standing, Verdict, compared, over, over_nothing, read_standing


def run_promote(
    settings: Settings,
    head: Path | None,
    *,
    back: bool,
    on: Path | None,
    heads: Path | None,
    now: datetime | None = None,
) -> None:
    """Prints what serves from then on. Without `head` and `back`: what serves, and the history.

    Raises NotPromoted where it does not gain; BadSettings, BadInputFile.
    """
    folder = heads or settings.ranking.heads
    if folder is None:
        raise BadSettings(
            "there is no folder of heads: set ranking.heads, which recommenders follow, or give --heads"
        )
    if back and head is not None:
        raise BadSettings("--back takes no FOLDER: it undoes the latest promotion")
    moment = now or datetime.now(UTC)
    pointer = read_pointer(folder)
    if back:
        _undo(folder, pointer, moment)
    elif head is None:
        _print(pointer)
    else:
        _promote(settings, folder, pointer, head, on, moment)


def _undo(folder: Path, pointer: Pointer, now: datetime) -> None:
    undone = pointer.before
    if undone is None:
        raise BadSettings(f"{shown(str(folder))} knows no promotion to undo")
    write_pointer(folder, pointer.then(step("back", pointer.beneath, now)))
    _say(f"{undone.head} is taken back; {pointer.beneath or 'no head'} serves from now on")


def _promote(
    settings: Settings, folder: Path, pointer: Pointer, head: Path, on: Path | None, now: datetime
) -> None:
    fingerprint = read_head(head).fingerprint
    new = read_standing(head)
    if new.fingerprint != fingerprint:
        raise BadInputFile(
            f"{shown(str(head))} holds {fingerprint}, and its card is of {new.fingerprint}: train it anew"
        )
    if pointer.serving == fingerprint:
        raise NotPromoted(f"{fingerprint} serves already")
    serving = place_of(folder, pointer.serving) if pointer.serving is not None else None
    verdict = _judged(settings, new, serving, on)
    if not verdict.is_gain:
        why = f"it loses on {verdict.losing}" if verdict.losing else "that is no gain beyond chance"
        raise NotPromoted(f"{fingerprint} is not promoted: {verdict.told()}: {why}")
    keep(folder, head, fingerprint)
    write_pointer(folder, pointer.then(step("promote", fingerprint, now, verdict.told())))
    _say(f"{fingerprint} serves from now on: {verdict.told()}")


def _judged(settings: Settings, new: Standing, serving: Path | None, on: Path | None) -> Verdict:
    if on is None:
        return over(new, read_standing(serving)) if serving is not None else over_nothing(new)
    standings = [new, *([read_standing(serving)] if serving is not None else [])]
    if any(one.until is None for one in standings):
        raise BadInputFile(
            "--on needs times: the data of one of the two heads has none, so nothing is later than it"
        )
    since = max(one.until for one in standings if one.until is not None)
    data = read_folder(on, settings.domain("default"))
    task = later_task(data, since)
    if not data.is_timed or not len(task.users):
        moment = f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M}"
        raise BadInputFile(
            f"--on {shown(str(on))}: nobody likes anything there after {moment}, where the data of the heads ends: "
            "give data that goes on from there"
        )
    read = features(data, settings.encoder, _say)
    k = int(new.split["k"])
    found = []
    for one in standings:
        if one.encoder != read.encoder:
            raise BadInputFile(f"{one.fingerprint} reads vectors of {one.encoder}, and {read.encoder} is set")
        found.append(values(data, task, as_served(read_head(one.folder), data, read, since, settings.ranking), k))
    other = standings[1].fingerprint if serving is not None else "popularity"
    theirs = found[1] if serving is not None else values(data, task, by_popularity(data, since), k)
    return compared(new.fingerprint, other, k, {LATER: found[0]}, {LATER: theirs})


def _print(pointer: Pointer) -> None:
    _say(f"{pointer.serving or 'no head'} serves")
    if not pointer.history:
        return
    table = new_table("at", "", "serves from then on", "gain")
    for one in pointer.history:
        table.add_row(*map(plain, (f"{one.at:%Y-%m-%d %H:%M:%S %Z}", one.action, one.head or "no head", one.gain)))
    stdout().print(table)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
