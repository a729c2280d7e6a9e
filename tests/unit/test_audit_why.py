"""A user's list is told from the log: what they said and did, what each score adds up from, what was filtered."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from glowplug.audit.story import Story, Term, strongest
from glowplug.audit.views import print_report, print_story
from glowplug.audit.why import why
from glowplug.audit.world import World
from tests.support.audited import Audited
from tests.support.events import at, embedding, packed, source

X, Y = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
NEAR_X, NEAR_Y, MIXED = [0.875, 0.25, 0.0], [0.25, 0.875, 0.0], [0.5, 0.5, 0.5]


@pytest.fixture
def world() -> Audited:
    audited = Audited(epoch_minimum=1.0, popularity_full=10.0, certainty=1.0)
    items = {"x": X, "y": Y, "near-x": NEAR_X, "near-y": NEAR_Y, "mixed": MIXED}
    for item_id, vector in items.items():
        audited.item(item_id, vector, title=f"The {item_id}")
    audited.item("away", X, available=False)
    audited.settle()
    audited.user("ada", X, blocked=["near-x"], said="rings and moons", field="interests", event_id="signup-1")
    audited.act("ada", "x", "purchase", event_id="buy-1", seconds=60)
    audited.act("ada", "y", "dislike", event_id="no-1", seconds=120)
    audited.act("ada", "never-heard-of", "like", seconds=180, event_id="early-1")
    for _ in range(3):
        audited.driver.tick(10)
        audited.settle()
    return audited


def story_of(audited: Audited, user_id: str = "ada") -> Story:
    story = why(World(audited.snapshot(), audited.settings), user_id)
    assert story is not None
    return story


def printed(story: Story) -> str:
    out = io.StringIO()
    print_story(story, Console(file=out, width=400, highlight=False))
    return out.getvalue()


def test_the_terms_of_every_score_add_up_to_it(world: Audited) -> None:
    items = story_of(world).items
    assert [item.item_id for item in items] == world.latest("user_states", "ada")["published"]
    for item in items:
        assert item.score is not None
        assert sum(term.adds for term in item.terms) == pytest.approx(item.score, abs=1e-12)
        assert item.score == item.sent
        assert [term.what for term in item.terms] == [
            "interests “rings and moons”", "disliked “The y”", "liked “The x”",
            "popularity", "freshness", "rounding",
        ]  # fmt: skip
        assert abs(item.terms[-1].adds) < 1e-3  # of float16


def test_what_matters_most_is_kept_and_the_rest_adds_up() -> None:
    terms = [Term("a", 0.1), Term("b", -0.5), Term("c", 0.2), Term("d", 0.01)]
    kept, rest = strongest(terms, 2)
    assert kept == [terms[1], terms[2]]
    assert rest.adds == pytest.approx(0.11)


def test_behaviour_is_told_latest_first_with_its_weight_in_the_vector(world: Audited) -> None:
    deeds = story_of(world).deeds
    assert [(deed.item_id, deed.action, deed.weight) for deed in deeds] == [
        ("never-heard-of", "like", 1.0), ("y", "dislike", -1.0), ("x", "purchase", 1.5),
    ]  # fmt: skip
    assert deeds[0].adds == 0  # its item is not known
    assert deeds[1].adds < 0 < deeds[2].adds


def test_what_was_filtered_is_told_with_the_reason(world: Audited) -> None:
    misses = {miss.item_id: miss.why for miss in story_of(world).misses}
    assert misses["x"] == "seen: purchase on 2026-02-01 00:01"
    assert misses["near-x"] == "blocked by the user"
    assert misses["away"] == "unavailable"


def test_versions_epoch_and_mark_are_those_of_the_log(world: Audited) -> None:
    story = story_of(world)
    assert story.source is not None
    assert story.event is not None
    assert (story.source.event_id, story.version) == ("signup-1", 0)
    assert (story.epoch, story.newest.epoch) == (world.latest("item_stats", "epoch")["epoch"],) * 2
    assert story.mark
    assert story.event.covers
    assert story.remarks == ()


def test_a_profile_is_among_the_words(world: Audited) -> None:
    profile = {
        "type": "user.profile", "user_id": "ada", "state": "ready", "vector": packed(Y), "avoid_vector": packed(X),
        "embedding": embedding(), "source": source("users", "signup-1"), "generated_at": at(),
    }  # fmt: skip
    world.say("user_profiles", "ada", profile)
    world.settle()
    words = {(one.field, one.text): one.adds for one in story_of(world).words}
    assert words["profile", ""] > 0
    assert words["avoid", "what the profile says to keep away from"] < 0


def test_an_item_that_waits_is_remarked_with_the_list_as_it_will_be(world: Audited) -> None:
    world.item("new", X, read=False)
    remarks = story_of(world).remarks
    assert remarks[0] == "changes past the mark wait to be matched with this list: new"
    assert remarks[1].startswith("made anew now, the list would be: new, ")


def test_a_record_that_waits_is_remarked(world: Audited) -> None:
    world.user("ada", Y, read=False)
    (first, *_) = story_of(world).remarks
    assert first == "work in progress: its record in user-vectors waits for the recommender"


def test_a_listed_item_that_is_gone_has_no_score(world: Audited) -> None:
    world.change("user_states", "ada", lambda state: state | {"published": ["never-heard-of"]})
    (item,) = story_of(world).items
    assert (item.score, item.terms) == (None, ())


def test_a_user_who_waits_or_was_deleted_has_a_story_without_a_list(world: Audited) -> None:
    world.act("early", "x")
    world.leave("ada")
    waiting, deleted = story_of(world, "early"), story_of(world)
    assert (waiting.status, len(waiting.deeds), waiting.items) == ("waiting", 1, ())
    assert (deleted.status, deleted.deeds, deleted.items) == ("deleted", (), ())
    assert "user early: waiting" in printed(waiting)
    assert "user ada: deleted" in printed(deleted)


def test_nobody_has_no_story(world: Audited) -> None:
    assert why(World(world.snapshot(), world.settings), "nobody") is None


def test_the_page_says_it_all_in_plain_lines(world: Audited) -> None:
    page = printed(story_of(world))
    for words in (
        "user ada: active, warm list",
        "because of interaction, for early-1",
        "event signup-1); the list is of version 0",
        "rings and moons",
        "purchase",
        "freshness",
        "blocked by the user",
        "the newest is",
        "mark: items are in the lists up to",
    ):
        assert words in page
    assert "\x1b" not in page


def test_control_characters_of_titles_do_not_reach_the_terminal(world: Audited) -> None:
    world.item("x", X, title="Blue\x1b[2J")
    world.settle()
    assert "\x1b" not in printed(story_of(world))


# ---- the report ------------------------------------------------------------------------------------------


def report_of(audited: Audited, *, strict: bool = False) -> str:
    out = io.StringIO()
    print_report(audited.verify(), strict=strict, console=Console(file=out, width=400, highlight=False))
    return out.getvalue()


def test_a_report_ends_with_its_verdict(world: Audited) -> None:
    assert report_of(world).splitlines()[-1] == "topics, Redis and index agree"
    world.item("new", X, read=False)
    assert report_of(world).splitlines()[-1].startswith("topics, Redis and index agree (")
    assert "moving: work in progress (--strict)" in report_of(world, strict=True).splitlines()[-1]


def test_a_report_names_the_first_ten_differences_and_counts_all(world: Audited) -> None:
    for n in range(12):
        world.user(f"u{n}", X)
    world.settle()
    for n in range(12):
        world.change("user_states", f"u{n}", lambda state: state | {"version": 77})
    report = report_of(world)
    assert "differences (12, the first 10):" in report
    assert report.count(" 77") == 10
    assert report.splitlines()[-1].startswith("12 differences")
