"""The model is slow, down or too late: what waits, in which order it is made up for, and what is dropped."""

from __future__ import annotations

import threading

from prometheus_client import REGISTRY

from glowplug.errors import BadSettings, ModelUnavailable
from glowplug.events import Source
from glowplug.inference.circuit import FAILURES, LAST_PAUSE_S
from glowplug.observe import metrics
from glowplug.profiles.model import Subject
from glowplug.profiles.pending import Job
from glowplug.profiles.writer_desk import SLOW_S
from glowplug.profiles.writer_items import ItemReader
from glowplug.stream.decode import Tombstone
from glowplug.stream.step import Record
from tests.support.profiling import Words, Writing, failing
from tests.support.waiting import wait_until

DEADLINE_S = 10.0
DOWN = ModelUnavailable("nobody answers at the endpoint")


def test_the_newest_is_read_first() -> None:
    writing = Writing(at_once=1)
    writing.feed(writing.user("a", "jazz 1"), writing.user("b", "jazz 2"))
    writing.feed(writing.user("c", "jazz 3"))
    writing.settle()
    assert writing.model.asked == ["jazz 3", "jazz 2", "jazz 1"]


def test_a_user_deleted_while_pending_is_not_read_and_not_revived() -> None:
    writing = Writing()
    writing.feed(writing.user("ada", "jazz"))
    writing.feed(writing.gone("ada"))
    writing.settle()
    assert writing.states() == [("ada", "pending"), ("ada", None)]
    assert writing.model.asked == []


def test_a_result_that_comes_after_the_delete_is_dropped() -> None:
    writing = Writing()
    writing.feed(writing.user("ada", "jazz"))
    writing.step.desk.work()
    writing.feed(writing.gone("ada"))
    writing.settle()
    assert writing.states() == [("ada", "pending"), ("ada", None)]


def test_a_result_of_an_older_version_is_dropped_and_the_newer_is_read() -> None:
    writing = Writing()
    writing.feed(writing.user("ada", "jazz"))
    writing.step.desk.work()
    writing.feed(writing.user("ada", "chess"))
    writing.settle()
    assert writing.states() == [("ada", "pending"), ("ada", "pending"), ("ada", "ready")]
    assert [one["label"] for one in writing.profile("ada")["interests"]] == ["chess"]


def test_a_result_counts_for_a_newer_version_with_the_same_text() -> None:
    writing = Writing()
    writing.feed(writing.user("ada", "jazz"))
    writing.step.desk.work()
    writing.feed(writing.user("ada", "jazz"))
    assert writing.model.asked == ["jazz"]
    assert writing.profile("ada")["state"] == "ready"
    assert writing.profile("ada")["source"]["version"] == 1


def test_while_the_model_is_down_offsets_move_and_everything_is_made_up_for_later() -> None:
    writing = Writing(failing(DOWN), at_once=1)
    for name in ("a", "b", "c", "d"):
        writing.feed(writing.user(name, "jazz"))
        writing.settle()
    assert writing.states() == [(name, "pending") for name in ("a", "b", "c", "d")]
    assert writing.step.condition().state == "degraded"
    assert "4 wait" in writing.step.condition().detail
    assert str(DOWN) in writing.step.condition().detail
    writing.model.raises = None
    writing.driver.tick(LAST_PAUSE_S)
    writing.settle()
    assert {name: writing.profile(name)["state"] for name in "abcd"} == dict.fromkeys("abcd", "ready")
    assert writing.step.condition().state == "ok"


def test_a_model_that_is_down_is_asked_less_and_less_often() -> None:
    writing = Writing(failing(DOWN))
    writing.feed(*(writing.user(f"u{n}", "jazz") for n in range(10)))
    for _ in range(600):  # ten minutes
        writing.settle()
        writing.driver.tick(1.0)
    assert FAILURES < len(writing.model.calls) < 30
    assert writing.step.desk.circuit != "closed"
    assert set(writing.model.calls[FAILURES:]) == {1}  # one user tries for all


def test_one_failure_is_no_outage() -> None:
    writing = Writing(failing(DOWN))
    writing.feed(writing.user("ada", "jazz"))
    writing.settle()
    assert writing.step.desk.circuit == "closed"


def test_a_user_on_whom_the_model_fails_stands_behind_all_others() -> None:
    writing = Writing(failing(DOWN), at_once=1)
    writing.feed(writing.user("old", "jazz old"), writing.user("new", "jazz new"))
    writing.settle()  # the newest fails
    writing.model.raises = None
    writing.driver.tick(LAST_PAUSE_S)
    writing.settle()
    assert writing.model.asked == ["jazz old", "jazz new"]


def test_a_model_that_never_will_answer_does_not_stop_the_writer() -> None:
    writing = Writing(failing(BadSettings("profiles.api_key is refused")))
    writing.feed(writing.user("ada", "jazz"))
    writing.settle()
    assert writing.states() == [("ada", "pending")]
    assert "api_key" in writing.step.condition().detail
    assert writing.step.desk.circuit == "open"


def test_a_model_that_breaks_on_everything_makes_no_dead_letters() -> None:
    writing = Writing()
    writing.model.breaks = ""
    writing.feed(writing.user("ada", "jazz"), writing.user("eve", "chess"))
    writing.settle()
    assert writing.driver.dead == []
    assert writing.step.condition().state == "degraded"


def test_a_restart_goes_on_with_what_was_pending_newest_first() -> None:
    first = Writing()
    for name in ("a", "b", "c"):
        first.driver.tick(1.0)
        first.feed(first.user(name, f"jazz {name}"))
    first.step.desk.work()  # two of them
    first.settle_done()
    second = Writing(after=first, at_once=1)
    second.settle()
    assert second.model.asked == ["jazz a"]
    assert {value["state"] for value in second.driver.latest("user_profiles").values()} == {"ready"}


def test_a_restart_without_a_result_reads_all_of_them_newest_first() -> None:
    first = Writing(failing(DOWN))
    for name in ("a", "b", "c"):
        first.driver.tick(1.0)
        first.feed(first.user(name, f"jazz {name}"))
    second = Writing(after=first, at_once=1)
    second.settle()
    assert second.model.asked == ["jazz c", "jazz b", "jazz a"]
    assert {value["state"] for value in second.driver.latest("user_profiles").values()} == {"ready"}


def test_a_user_deleted_before_the_restart_stays_deleted() -> None:
    first = Writing(failing(DOWN))
    first.feed(first.user("ada", "jazz"))
    first.feed(first.gone("ada"))
    second = Writing(after=first)
    second.settle()
    assert second.states() == []


def test_who_was_pending_under_another_model_is_read_by_the_one_of_today() -> None:
    first = Writing(failing(DOWN))
    first.feed(first.user("ada", "jazz"))
    second = Writing(Words("words:2"), after=first)
    second.settle()
    assert second.profile("ada")["model"] == "words:2"


def test_partitions_of_somebody_else_are_no_longer_worked_at() -> None:
    writing = Writing(failing(DOWN))
    writing.feed(writing.user("ada", "jazz"))
    writing.step.revoked(frozenset({0}))
    assert len(writing.step.desk) == 0


def test_an_aborted_batch_comes_again_and_nothing_is_read_twice() -> None:
    writing = Writing()
    record = writing.user("ada", "jazz")
    batch = writing.driver.batch(record)
    writing.step.step(batch)
    writing.step.desk.work()
    writing.step.step(batch)  # both times thrown away
    writing.feed(record)
    assert writing.states() == [("ada", "ready")]
    assert writing.model.asked == ["jazz"]


def told(writing: Writing) -> tuple[str, str, float]:
    """State of the model, of /health, and the gauge of the former."""
    state = writing.step.desk.state()
    value = REGISTRY.get_sample_value(
        "glowplug_profile_model_state", {"consumer": "profile_writer", "state": state}
    )
    return state, writing.step.condition().state, value or 0.0


def test_the_models_state_shows_in_metrics_and_health() -> None:
    writing = Writing(waiting=2, at_once=1)
    writing.step.desk.open()
    assert told(writing) == ("up", "ok", 1.0)
    writing.feed(*(writing.user(name, "jazz") for name in "abc"))
    assert told(writing) == ("saturated", "degraded", 1.0)
    assert "3 wait for the profile model" in writing.step.condition().detail
    writing.model.raises = DOWN
    writing.settle()
    assert told(writing) == ("down", "degraded", 1.0)
    writing.model.raises = None
    writing.driver.tick(LAST_PAUSE_S)
    writing.settle()
    assert told(writing) == ("up", "ok", 1.0)
    samples = [one for metric in metrics.profile_model_state.collect() for one in metric.samples]
    assert sum(one.value for one in samples if one.labels["consumer"] == "profile_writer") == 1


def test_a_call_that_does_not_return_shows_as_slow() -> None:
    model = Words()
    model.open.clear()
    writing = Writing(model)
    writing.feed(writing.user("ada", "jazz"))
    thread = threading.Thread(target=writing.step.desk.work)
    thread.start()
    wait_until(lambda: bool(model.calls), DEADLINE_S, "the model is not asked")
    assert writing.step.desk.state() == "up"
    writing.driver.tick(SLOW_S + 1)
    assert (writing.step.desk.state(), writing.step.condition().state) == ("slow", "degraded")
    model.open.set()
    thread.join(DEADLINE_S)
    assert writing.step.desk.state() == "up"


def test_items_that_wait_in_an_import_are_no_saturation() -> None:
    def undecoded(_: Record) -> Tombstone:
        raise AssertionError("nothing is restored here")

    desk = ItemReader(Words(), undecoded, is_threaded=False).desk
    writing = Writing()
    record = writing.user("x", "jazz")
    source = Source(topic="items", partition=0, offset=0, version=0, event_id="e", event_time=writing.driver.now)
    desk.submit([Job(f"i{n}", f"c{n}", Subject("item", ()), source, record) for n in range(500)])
    assert (desk.state(), desk.condition().state) == ("up", "ok")
    assert desk.condition().detail.startswith("500 wait for the profile model")
