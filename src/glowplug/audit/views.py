"""What `glowplug verify` and `glowplug why` print: tables at a terminal, plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from glowplug.audit.finding import Finding
from glowplug.audit.story import Listing, Story, strongest
from glowplug.audit.verify import Report
from glowplug.cli_views import new_table, plain, stdout

SHOWN = 10  # findings of each kind: the first ones lead to the cause, all of them are in --json
TERMS = 5  # of a score: the rest is told as one
LEAST = 0.00005  # a smaller term would be shown as zero
QUOTE_CHARS = 40  # of the user's words within a score


def print_report(report: Report, *, strict: bool = False, console: Console | None = None) -> None:
    out = console or stdout()
    out.print(
        plain(
            f"{report.records:,} records read; compared: {report.values:,} values, {report.lists:,} lists, "
            f"{report.vectors:,} vectors"
        )
    )
    digests = new_table("digest of", "here", "there", "")
    digests.add_row(plain("the topics, folded"), plain(report.log), plain(""), plain(""))
    for pair in report.pairs:
        told = "equal" if pair.are_equal else "differ"
        digests.add_row(*map(plain, (pair.what, pair.log, pair.other, told)))
    out.print(digests)
    for sentence in report.unchecked:
        out.print(plain(f"not checked: {sentence}"))
    _print_findings(out, "differences", report.differences, "found")
    _print_findings(out, "moving", report.moving, "moving")
    out.print(plain(_verdict(report, strict)))


def _verdict(report: Report, strict: bool) -> str:
    differences, moving = len(report.differences), len(report.moving)
    aside = f"{moving:,} moving: work in progress" if moving else ""
    if report.is_good(strict=strict):
        what = "topics, Redis and index agree" if report.lists else "what could be compared agrees"
        return f"{what} ({aside})" if aside else what
    counted = f"{differences:,} difference{'' if differences == 1 else 's'}"
    return f"{counted}; {aside}{' (--strict)' if strict else ''}" if aside else counted


def _print_findings(out: Console, title: str, findings: tuple[Finding, ...], last: str) -> None:
    if not findings:
        return
    first = f", the first {SHOWN}" if len(findings) > SHOWN else ""
    out.print(plain(f"{title} ({len(findings):,}{first}):"))
    table = new_table("check", "key", "what", "expected", "found", *(["because"] if last == "moving" else []))
    for finding in findings[:SHOWN]:
        cells = [finding.check, finding.key, finding.what, finding.expected, finding.found]
        table.add_row(*map(plain, [*cells, finding.moving] if last == "moving" else cells))
    out.print(table)


def print_story(story: Story, console: Console | None = None) -> None:
    out = console or stdout()
    for line in _head(story):
        out.print(plain(line))
    if story.words:
        table = new_table("said", "words", "weight in the vector")
        for words in story.words:
            table.add_row(*map(plain, (words.field, words.text, f"{words.adds:+.3f}")))
        out.print(table)
    if story.deeds:
        table = new_table("did", "item", "title", "when", "weight", "weight in the vector")
        for deed in story.deeds:
            action = deed.action if deed.value is None else f"{deed.action} {deed.value:g}"
            weights = (f"{deed.weight:+.2f}", f"{deed.adds:+.3f}" if deed.adds else "none")
            table.add_row(*map(plain, (action, deed.item_id, deed.title, _time(deed.event_time), *weights)))
        out.print(table)
    if story.items:
        table = new_table("#", "item", "title", "score", "which is")
        for item in story.items:
            table.add_row(*map(plain, (str(item.rank), item.item_id, item.title, _score(item), _sum(item))))
        out.print(table)
    if story.misses:
        table = new_table("not listed", "title", "score", "why")
        for miss in story.misses:
            table.add_row(*map(plain, (miss.item_id, miss.title, f"{miss.score:.4f}", miss.why)))
        out.print(table)
    for remark in story.remarks:
        out.print(plain(f"note: {remark}"))


def _head(story: Story) -> Iterable[str]:
    yield (
        f"user {story.user_id}: {story.status}{f', {story.stage} list' if story.stage else ''}; "
        f"state of {_time(story.updated_at)} in partition {story.partition}"
    )
    event = story.event
    if event is not None:
        delay_ms = (event.generated_at - event.source_event_time).total_seconds() * 1000
        covers = ", ".join(event.covers) or "no single event"
        yield f"last list: because of {event.reason}, for {covers}"
        yield f"  event {_time(event.source_event_time)}, list {_time(event.generated_at)} ({delay_ms:,.0f} ms)"
        shares = (
            ("their words", event.basis.text),
            ("their profile", event.basis.profile),
            ("their behaviour", event.basis.behaviour),
            ("popularity and freshness", event.basis.popularity),
        )
        yield f"  rests on {', '.join(f'{share:.0%} {name}' for name, share in shares if share)}"
    if story.source is not None and story.said is not None:
        source = story.source
        yield (
            f"said: version {source.version} ({source.topic}/{source.partition}@{source.offset}, "
            f"event {source.event_id}); the list is of version {story.version}"
        )
        yield f"  encoder {story.said.embedding.fingerprint}, template {story.said.embedding.template}"
    profile = story.profile
    if profile is not None:
        yield f"profile: version {profile.source.version} by {profile.model or 'an unnamed model'}"
    yield f"behaviour: {story.met:,} items met, evidence {story.evidence:.2f}, {len(story.deeds)} remembered"
    newest = story.newest
    yield (
        f"epoch: the list is of {story.epoch}, the newest is {newest.epoch} (as of {_time(newest.as_of)}, "
        f"{newest.interactions:,.0f} interactions, {newest.items:,} items, "
        f"{'with' if newest.frame is not None else 'without'} a frame)"
    )
    if story.head:
        yield f"head: the list is of {story.head}"
    if story.mark:
        places = ", ".join(f"{number}@{offset}" for number, offset in sorted(story.mark.items()))
        yield f"mark: items are in the lists up to {places} of item-vectors"


def _score(item: Listing) -> str:
    if item.score is None:
        return "gone"
    moved = item.sent is not None and item.sent != item.score
    return f"{item.score:.4f} (sent as {item.sent:.4f})" if moved else f"{item.score:.4f}"


def _sum(item: Listing) -> str:
    kept, rest = strongest(item.terms, TERMS)
    told = [term for term in (*kept, rest) if abs(term.adds) >= LEAST]
    return " ".join(f"{term.adds:+.4f} {_shortened(term.what)}" for term in told)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTE_CHARS else f"{line[: QUOTE_CHARS - 1].rstrip()}…"


def _time(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
