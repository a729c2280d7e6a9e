"""What the demo shows: every word fits into 100 columns, and says what the events say."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console, RenderableType

from glowplug.demo import cast, keep, pages
from glowplug.demo.catalogue import read
from glowplug.demo.outside import Arrived, Heard, answering
from glowplug.events import Basis, Explanation, ItemCreated, Recommendations, Recommended, UserCreated
from glowplug.profiles.choice import Choice, Found, choose, decide
from glowplug.settings import ProfileSettings, load
from producers.lines import Line, parse
from tests.support.demo import profile_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WHY = Explanation(kind="interest", text="matches your interest “astrophotography”", field="interests")
ITEMS = {item.item_id: item for item in map(ItemCreated.model_validate_json, read("items.jsonl"))}


def shown(renderable: RenderableType, width: int = 100) -> str:
    text = io.StringIO()
    Console(file=text, width=width).print(renderable)
    return text.getvalue()


def listed(*item_ids: str, user_id: str = cast.ADA, covers: tuple[str, ...] = ()) -> Recommendations:
    return Recommendations(
        user_id=user_id,
        reason="user.created",
        stage="provisional",
        covers=covers,
        basis=Basis(text=0.9, profile=0, behaviour=0, popularity=0.1),
        items=tuple(
            Recommended(item_id=each, rank=rank, score=1 / rank, title=ITEMS[each].title, explanation=WHY)
            for rank, each in enumerate(item_ids, start=1)
        ),
        encoder="fake",
        epoch=1,
        source_event_time=NOW,
        generated_at=NOW,
    )


@pytest.mark.parametrize(
    ("profiles", "words"),
    [
        (decide(ProfileSettings(), Found()), "by encoder (auto: no CUDA device here), from the words of users"),
        (choose(ProfileSettings(model="endpoint")), "by endpoint, from the words of users"),
        (choose(ProfileSettings(model="off")), "profiles   off"),
    ],
    ids=["chosen", "named", "off"],
)
def test_the_status_says_which_profile_model_works_and_why(profiles: Choice, words: str) -> None:
    assert words in shown(pages.running(load(), "fake", profiles, ["recommender"], "in memory"))


def test_a_list_names_title_domain_language_score_and_reason() -> None:
    text = shown(pages.list_table(listed("shop-001"), ITEMS))
    for word in (
        ITEMS["shop-001"].title,
        "shop",
        str(ITEMS["shop-001"].attributes["language"]),
        "1.000",
        "matches",
    ):
        assert word in text


@pytest.mark.parametrize("first", range(0, len(ITEMS), 50))
def test_lists_in_every_script_keep_their_columns(first: int) -> None:
    ids = list(ITEMS)[first : first + pages.SHOWN]
    rows = shown(pages.list_table(listed(*ids), ITEMS)).splitlines()
    assert all(Console().render_str(row, markup=False).cell_len <= 100 for row in rows)
    assert sum(ITEMS[each].domain in row for each, row in zip(ids, rows[3::2], strict=False)) > 0


def test_a_move_says_up_down_new_or_nothing() -> None:
    found = pages.moves(["a", "b", "c"], ["c", "b", "d", "a"])
    assert [move.arrow.plain for move in found] == ["▲ 2", "=", "★ new", "▼ 3"]


def test_items_that_left_the_list_are_named() -> None:
    text = shown(pages.moved_table(["shop-001", "shop-002"], listed("shop-002", "shop-003"), ITEMS))
    assert "▲ 1" in text
    assert f"off the list: {ITEMS['shop-001'].title}" in text


def test_the_mix_of_languages_counts_the_first_items() -> None:
    by_language: dict[str, list[str]] = {}
    for item in ITEMS.values():
        by_language.setdefault(pages.language(item), []).append(item.item_id)
    ids = (*by_language["zh"][:2], *by_language["en"][:1], *by_language["ja"][:1])
    assert pages.mix(listed(*ids), ITEMS, 3) == "2 Chinese, 1 English"


def test_an_audience_tells_who_has_the_item_on_their_list() -> None:
    ada = cast.ada(NOW)
    silent = UserCreated(event_id="e", event_time=NOW, user_id="u-2")
    text = shown(pages.audience_table([(ada, cast.ADA, 0.7), (silent, "u-2", 0.1)], {cast.ADA: 1}))
    assert "now 1." in text
    assert "—" in text
    assert "photograph" in text


def test_a_user_without_words_is_shown_by_what_there_is() -> None:
    user = UserCreated(event_id="e", event_time=NOW, user_id="u", attributes={"age": 30, "country": "US"})
    assert pages.said(user) == "age 30, country US"
    assert pages.said(user.model_copy(update={"interests": ("chess",)})) == "chess"


def test_timing_shows_both_measurements_and_what_the_list_rests_on() -> None:
    text = " ".join(shown(pages.timing(listed("shop-001"), 141.4, 149.6)).split())
    assert "141 ms" in text
    assert "150 ms" in text
    assert "90% their words, 10% popularity" in text


def test_two_lists_stand_side_by_side_with_what_moved_and_what_fell() -> None:
    first = listed(*(f"shop-00{number}" for number in range(1, 10)))
    refined = listed(*(f"shop-00{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 1)))
    text = shown(pages.compared_table(first, refined, ITEMS))
    assert all(len(row) <= 100 for row in text.splitlines())
    assert text.count("▲ 1") == pages.SHOWN
    assert f"no longer among the first {pages.SHOWN}: {ITEMS['shop-001'].title} (1 → 9)" in " ".join(text.split())


def test_refined_timing_shows_profile_and_list() -> None:
    text = " ".join(shown(pages.refined_timing(listed("shop-001"), 120.4, 131.6)).split())
    assert "120 ms after the event the profile is there, 132 ms after it the refined list." in text


@pytest.mark.parametrize("no_color", [True, False])
def test_marks_are_brackets_where_styles_do_not_show(no_color: bool) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, no_color=no_color)
    assert pages.is_plain(terminal) is no_color
    assert pages.is_plain(Console(file=io.StringIO()))


def test_what_was_read_is_shown_in_the_users_own_words() -> None:
    ada = cast.ada(NOW)
    profile = profile_of(ada, avoid=(("video-games", "Video games"),), interests=(("astronomy", "nebulae"),))
    text = shown(pages.read_panel(ada, profile, is_plain=True))
    assert "to photograph [nebulae]" in text
    assert "[-Video games-]" in text
    assert "avoids  video games ← [-Video games-]" in text


def test_brackets_in_what_users_write_are_no_markup() -> None:
    user = cast.ada(NOW).model_copy(update={"text": "[bold red]not bold[/]"})
    assert "[bold red]not bold[/]" in shown(pages.event_panel(user, "said"))


def test_what_users_write_cannot_steer_the_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe"
    ada = cast.ada(NOW).model_copy(update={"text": hostile, "interests": (hostile,)})
    item = ITEMS["shop-001"].model_copy(update={"title": hostile})
    mine = listed("shop-001").items[0].model_copy(update={"title": hostile})
    both = listed("shop-001").model_copy(update={"items": (mine,)})
    for renderable in (
        pages.event_panel(ada, "said"),
        pages.read_panel(ada, profile_of(ada), is_plain=True),
        pages.list_table(both, ITEMS),
        pages.compared_table(both, both, ITEMS),
        pages.moved_table(["shop-001"], listed("shop-002"), {**ITEMS, "shop-001": item}),
        pages.audience_table([(ada, cast.ADA, 0.7)], {}),
    ):
        text = shown(renderable)
        assert "owned" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_deeds_and_the_new_item_are_of_the_catalogue_or_new_to_it() -> None:
    titles = {item.title for item in ITEMS.values()}
    assert {title for _, title in cast.ADAS_DEEDS} <= titles
    assert cast.TRACKER not in ITEMS
    assert cast.withdrawn(NOW).available is False
    assert cast.withdrawn(NOW).title == cast.tracker(NOW).title


def test_the_first_list_that_covers_an_event_answers_it() -> None:
    heard = Heard()
    for covers in ((), ("e-1",), ("e-1", "e-2")):
        heard.lists[cast.ADA].append(Arrived(listed("shop-001", covers=covers), NOW))
    found = answering(heard, cast.ADA, "e-1")
    assert found is not None
    assert found.event.covers == ("e-1",)
    assert answering(heard, cast.MEI, "e-1") is None
    assert heard.holders("shop-001") == {cast.ADA}


def test_instructions_name_this_stacks_addresses() -> None:
    settings = load(
        kafka={"bootstrap_servers": "127.0.0.1:4711"},
        redis={"url": "redis://127.0.0.1:4712"},
        observe={"port": 4713},
    )
    commands = [command for _, command in keep.instructions(settings, "/usr/bin/python3", NOW)]
    send = "GLOWPLUG_OBSERVE__PORT=4713 /usr/bin/python3 -m producers.publish - --bootstrap-servers 127.0.0.1:4711"
    assert [command.endswith(send) for command in commands] == [True, True, False, False]
    assert "RedisView('redis://127.0.0.1:4712').recommendations('me')" in commands[2]
    assert commands[3] == "http://127.0.0.1:4713/metrics"


def test_events_in_the_instructions_are_valid_and_of_the_catalogue() -> None:
    commands = [command for _, command in keep.instructions(load(), "python", NOW)[:2]]
    events = [command.split("'")[1].encode() for command in commands]
    assert [line.topic for line in parse(events, 10_000) if isinstance(line, Line)] == ["users", "interactions"]
    assert keep.LIKED in ITEMS
