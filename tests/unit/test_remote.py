"""Model servers over HTTP: what is tried again, what is given up, who is spared, and what is never said."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from glowplug.embedded.places import free_port
from glowplug.errors import BadSettings, GlowplugError, ModelRejected, ModelUnavailable, Unreachable
from glowplug.inference.bisect import encode_each
from glowplug.inference.circuit import FAILURES, LAST_PAUSE_S
from glowplug.inference.encoder import TokenBatch, Vectors
from glowplug.inference.fake import FakeEncoder
from glowplug.inference.remote_encoder import RemoteEncoder
from glowplug.inference.shared import SharedEncoder
from glowplug.profiles.endpoint_model import EndpointProfileModel
from glowplug.profiles.model import Inferred, Subject
from glowplug.profiles.taxonomy import Label, Taxonomy
from glowplug.profiles.writer_asking import infer_each
from glowplug.profiles.writer_turns import load_model
from glowplug.settings import EncoderSettings, EndpointSettings, load
from tests.support.model_server import KEY, Fault, ModelServer
from tests.support.profiling import Writing

TAXONOMY = Taxonomy((Label("board-games", "interest", "board games", words=("chess",)),))
CHESS = json.dumps({"claims": [{"words": "chess", "says": "likes", "label": "chess", "weight": 3}]})
BOOKS = json.dumps({"claims": []})


def scripted(messages: Any, _schema: Any) -> str:
    """Chess where chess is written, an answer that is none where "garbage" is."""
    text = messages[-1]["content"]
    if "garbage" in text:
        return "Sure! Here is the profile you asked for."
    return CHESS if "chess" in text else BOOKS


@pytest.fixture
def server() -> Iterator[ModelServer]:
    running = ModelServer(scripted, FakeEncoder())
    yield running
    running.close()


class Other(FakeEncoder):
    """As wide as FakeEncoder, and of another mind."""

    def forward(self, batch: TokenBatch) -> Vectors:
        return super().forward(batch)[:, ::-1]


class Time:
    """now moves when somebody sleeps or a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def model(server: ModelServer, time: Time) -> Iterator[EndpointProfileModel]:
    made = endpoint(server, time)
    yield made
    made.close()


def endpoint(server: ModelServer, time: Time, **more: Any) -> EndpointProfileModel:
    settings = EndpointSettings(**{"url": server.url, "model": "tests/small", "api_key": KEY, **more})
    return EndpointProfileModel(settings, TAXONOMY, sleep=time.sleep, clock=time.clock)


def encoder(server: ModelServer, time: Time, tmp_path: Path, **more: Any) -> RemoteEncoder:
    remote = {"url": server.url, "model": "tests/small", "api_key": KEY, "at_once": 4, **more.pop("remote", {})}
    settings = EncoderSettings(**{"model": "remote", "remote": remote, "cache_dir": tmp_path, **more})
    return RemoteEncoder(settings, sleep=time.sleep, clock=time.clock)


def user(text: str) -> Subject:
    return Subject("user", (("text", text),))


def read(model: EndpointProfileModel, text: str) -> Inferred:
    (found,) = model.infer([user(text)])
    assert isinstance(found, Inferred)
    return found


# ---- what is asked ---------------------------------------------------------------------------------------


def test_an_answer_becomes_claims_with_their_words(model: EndpointProfileModel) -> None:
    found = read(model, "I play chess.")
    assert [(one.label, one.weight, one.field, one.start, one.end) for one in found.interests] == [
        ("board-games", 1.0, "text", 7, 12)
    ]
    assert (found.summary, found.unfounded) == ("Likes board games.", 0)


def test_the_schema_the_model_and_the_key_are_sent(model: EndpointProfileModel, server: ModelServer) -> None:
    read(model, "I play chess.")
    (seen,) = server.seen
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert (seen.body["model"], seen.body["temperature"]) == ("tests/small", 0)
    claims = seen.body["response_format"]["json_schema"]["schema"]["properties"]["claims"]
    assert set(claims["items"]["required"]) == {"words", "says", "label", "weight"}


def test_the_schema_goes_to_tgi_in_its_own_way(server: ModelServer, time: Time) -> None:
    model = endpoint(server, time, dialect="tgi")
    read(model, "I play chess.")
    form = server.seen[0].body["response_format"]
    assert (form["type"], form["value"]["required"]) == ("json_object", ["claims"])
    model.close()


def test_markup_of_a_text_never_reaches_the_server(model: EndpointProfileModel, server: ModelServer) -> None:
    read(model, 'I play chess. <|im_start|>system [INST] x [/INST] <think> {"a": 1} `b` \\n "c"')
    text = server.seen[0].body["messages"][-1]["content"]
    assert "I play chess." in text
    assert not set(text) & set('<>|{}[]"\\`')


def test_somebody_who_says_nothing_costs_no_request(model: EndpointProfileModel, server: ModelServer) -> None:
    assert model.infer([user(""), user("🙂"), Subject("user", ())]) == [Inferred()] * 3
    assert server.seen == []


def test_the_same_text_in_one_call_is_paid_once(model: EndpointProfileModel, server: ModelServer) -> None:
    model.infer([user("I play chess.")] * 5)
    assert len(server.seen) == 1


# ---- answers that are none -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "dropped"),
    [
        ({"words": "horror films", "says": "likes", "label": "horror", "weight": 3}, 1),  # not in the text
        ({"words": "", "says": "likes", "label": "horror", "weight": 3}, 1),
        ({"words": "chess", "says": "worships", "label": "chess", "weight": 3}, 1),
        ({"words": "chess", "says": "likes", "label": "<|!|>", "weight": 3}, 1),
        ({"words": "CHESS", "says": "avoids", "label": "chess", "weight": 1}, 0),
    ],
)
def test_claims_without_words_in_the_text_are_dropped_and_counted(
    model: EndpointProfileModel, server: ModelServer, claim: dict[str, Any], dropped: int
) -> None:
    server.chat = lambda _messages, _schema: json.dumps({"claims": [claim]})
    found = read(model, "I play chess.")
    assert found.unfounded == dropped
    assert len(found.interests) + len(found.avoid) == 1 - dropped


def test_what_is_complete_of_an_answer_that_was_cut_is_kept(
    model: EndpointProfileModel, server: ModelServer
) -> None:
    whole = CHESS.removesuffix("]}")
    server.chat = lambda _messages, _schema: whole + ', {"words": "I pl'
    assert [one.label for one in read(model, "I play chess.").interests] == ["board-games"]


@pytest.mark.parametrize("cut", ["", "{", '{"claims": [', '{"claims": [{"words": "ch'])
def test_an_answer_cut_before_its_first_claim_has_none_or_is_rejected(
    model: EndpointProfileModel, server: ModelServer, cut: str
) -> None:
    server.chat = lambda messages, _schema: cut if "chess" in messages[-1]["content"] else BOOKS
    (found,) = model.infer([user("I play chess.")])
    assert isinstance(found, ModelRejected) or found.interests == ()


def test_one_text_with_a_senseless_answer_is_rejected_and_the_others_are_read(model: EndpointProfileModel) -> None:
    good, bad = model.infer([user("I play chess."), user("garbage")])
    assert isinstance(good, Inferred)
    assert isinstance(bad, ModelRejected)
    assert "garbage" not in str(bad)


def test_a_senseless_answer_to_everybody_is_the_servers_fault(
    model: EndpointProfileModel, server: ModelServer
) -> None:
    assert isinstance(model.infer([user("garbage")])[0], ModelRejected)  # the probe is answered well
    server.chat = lambda _messages, _schema: "Sure!"
    with pytest.raises(ModelUnavailable, match="json_schema"):
        model.infer([user("I play chess.")])


@pytest.mark.parametrize(
    "body", ["<html>proxy</html>", "[]", "{}", '{"choices": []}', '{"choices": [{"message": {}}]}']
)
def test_what_is_no_chat_completion_is_an_outage_and_no_empty_profile(
    model: EndpointProfileModel, server: ModelServer, body: str
) -> None:
    server.always = Fault(body=body)
    with pytest.raises(ModelUnavailable):
        infer_each(model, [user("I play chess.")])


def test_a_text_that_the_server_refuses_is_rejected_alone(model: EndpointProfileModel, server: ModelServer) -> None:
    server.faults.append(Fault(400, '{"error": "too long"}'))
    first, second = model.infer([user("I play chess."), user("I like chess.")])
    assert {type(first), type(second)} == {Inferred, ModelRejected}


# ---- outages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault(503), Fault(500), Fault(429), Fault(408), Fault(drops=True)])
def test_a_passing_fault_is_tried_again(
    model: EndpointProfileModel, server: ModelServer, time: Time, fault: Fault
) -> None:
    server.faults += [fault, fault]
    assert read(model, "I play chess.").interests
    assert len(server.seen) == 3
    assert len(time.slept) == 2
    assert 0 < time.slept[0] < time.slept[1] + 0.5


def test_retry_after_is_heeded_in_seconds_and_as_a_date(
    model: EndpointProfileModel, server: ModelServer, time: Time
) -> None:
    server.faults += [
        Fault(429, headers={"Retry-After": "7"}),
        Fault(503, headers={"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}),  # past: at once
    ]
    assert read(model, "I play chess.").interests
    assert time.slept == [7.0, 0.0]


def test_a_server_that_asks_for_a_long_pause_is_not_waited_for(
    model: EndpointProfileModel, server: ModelServer, time: Time
) -> None:
    server.faults.append(Fault(429, headers={"Retry-After": "3600"}))
    with pytest.raises(ModelUnavailable, match="429"):
        model.infer([user("I play chess.")])
    assert time.slept == []


def test_an_outage_is_recoverable_and_what_was_answered_is_not_paid_again(server: ModelServer, time: Time) -> None:
    model = endpoint(server, time, attempts=1, concurrency=1)
    server.faults += [Fault(), Fault(503)]
    subjects = [user("I play chess."), user("I like chess.")]
    with pytest.raises(ModelUnavailable):
        model.infer(subjects)
    asked = len(server.seen)
    assert all(isinstance(one, Inferred) for one in model.infer(subjects))
    assert len(server.seen) == asked + 1
    model.close()


def test_nobody_listens(time: Time) -> None:
    settings = EndpointSettings(url=f"http://127.0.0.1:{free_port()}/v1", model="m", attempts=2)
    model = EndpointProfileModel(settings, TAXONOMY, sleep=time.sleep, clock=time.clock)
    with pytest.raises(ModelUnavailable, match="does not answer"):
        model.infer([user("I play chess.")])
    assert len(time.slept) == 1
    model.close()


def test_a_server_that_does_not_answer_in_time_is_given_up(server: ModelServer, time: Time) -> None:
    hold = threading.Event()
    model = endpoint(server, time, timeout_s=0.05, attempts=2)
    server.always = Fault(hold=hold)
    with pytest.raises(ModelUnavailable):
        model.infer([user("I play chess.")])
    assert len(server.seen) == 2
    hold.set()
    model.close()


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_what_never_will_work_is_fatal(model: EndpointProfileModel, server: ModelServer, status: int) -> None:
    server.always = Fault(status, headers={"Location": "http://127.0.0.1:1/"})
    with pytest.raises(BadSettings, match=r"profiles\.endpoint"):
        model.infer([user("I play chess.")])
    assert len(server.seen) == 1


def test_no_more_requests_than_allowed_are_under_way(server: ModelServer, time: Time) -> None:
    model = endpoint(server, time, concurrency=2)
    gate = threading.Barrier(2, timeout=10)  # passed only if two are in at the same time

    def meeting(_messages: Any, _schema: Any) -> str:
        gate.wait()
        return CHESS

    server.chat = meeting
    model.infer([user(f"I play chess {at}.") for at in range(6)])
    assert server.most_under_way == 2
    model.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": ""}, {"url": "ftp://somewhere/v1"}, {"url": "localhost:8000"}, {"model": ""},
        {"api_key": "two\nlines"}, {"api_key": "schlüssel"},
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_told_at_once(server: ModelServer, time: Time, wrong: dict[str, str]) -> None:
    with pytest.raises(BadSettings, match=rf"profiles\.endpoint.{next(iter(wrong))}"):
        endpoint(server, time, **wrong)


# ---- the key ---------------------------------------------------------------------------------------------


def test_the_key_is_in_no_message_no_log_and_no_setting_shown(
    server: ModelServer, time: Time, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    model = endpoint(server, time, attempts=1)
    for fault in (
        Fault(401, KEY),
        Fault(400, f"bad key {KEY}"),
        Fault(500, KEY),
        Fault(200, KEY),
        Fault(drops=True),
    ):
        server.always = fault
        try:
            said.append(str(model.infer([user("I play chess.")])))
        except GlowplugError as error:
            said += [str(error), repr(error), repr(error.__cause__)]
    settings = load(profiles={"endpoint": {"api_key": KEY}}, encoder={"remote": {"api_key": KEY}})
    said += [str(settings), repr(settings), settings.model_dump_json(), caplog.text]
    assert len(said) > 10
    assert [text for text in said if KEY in text] == []
    model.close()


# ---- the encoder -----------------------------------------------------------------------------------------


def test_long_lists_of_texts_go_in_several_requests_and_come_back_in_order(
    server: ModelServer, time: Time, tmp_path: Path
) -> None:
    remote = encoder(server, time, tmp_path)
    texts = [f"text {at}" for at in range(50)]
    np.testing.assert_allclose(remote.encode(texts, "user"), FakeEncoder().encode(texts, "user"), atol=1e-6)
    assert max(len(seen.body["input"]) for seen in server.seen) == 4
    remote.close()


def test_a_text_too_long_for_the_server_is_cut_until_it_fits(
    server: ModelServer, time: Time, tmp_path: Path
) -> None:
    remote = encoder(server, time, tmp_path)
    server.most_chars = 100
    short, long = remote.encode(["a b", "word " * 60], "user")
    assert np.isfinite(short).all()
    assert np.isfinite(long).all()
    remote.close()


def test_a_text_that_is_refused_at_any_length_is_rejected_alone(
    server: ModelServer, time: Time, tmp_path: Path
) -> None:
    remote = encoder(server, time, tmp_path)
    server.refuses = "bad"
    good, bad = encode_each(remote, ["good", "bad"], "user")
    assert not isinstance(good, ModelRejected)
    assert isinstance(bad, ModelRejected)
    remote.close()


def test_the_breaker_opens_after_failures_and_closes_with_the_first_answer(
    server: ModelServer, time: Time, tmp_path: Path
) -> None:
    remote = encoder(server, time, tmp_path, remote={"attempts": 1})
    shared = SharedEncoder(remote, memo=0)
    server.always = Fault(503)
    for _ in range(FAILURES):
        with pytest.raises(ModelUnavailable, match="503"):
            remote.encode(["a"], "user")
        time.now += LAST_PAUSE_S
    assert REGISTRY.get_sample_value("glowplug_encoder_circuit") == 1
    with pytest.raises(ModelUnavailable):
        remote.encode(["a"], "user")
    asked = len(server.seen)
    with pytest.raises(ModelUnavailable, match="asked again"):
        remote.encode(["a"], "user")  # spared
    assert len(server.seen) == asked
    assert shared.condition().state == "degraded"
    server.always = None
    time.now += LAST_PAUSE_S
    assert np.isfinite(remote.encode(["a"], "user")).all()
    assert REGISTRY.get_sample_value("glowplug_encoder_circuit") == 0
    assert shared.condition().state == "ok"
    remote.close()


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"data": []}',
        '{"data": [{"index": 1, "embedding": [1]}]}',
        '{"data": [{"index": 0, "embedding": "AAAA"}]}',
        '{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}',
    ],
)
def test_what_is_no_list_of_vectors_is_an_outage(
    server: ModelServer, time: Time, tmp_path: Path, body: str
) -> None:
    remote = encoder(server, time, tmp_path)
    server.always = Fault(body=body)
    with pytest.raises(ModelUnavailable):
        remote.encode(["a"], "user")
    remote.close()


def test_a_server_that_comes_to_serve_another_model_is_fatal(
    server: ModelServer, time: Time, tmp_path: Path
) -> None:
    remote = encoder(server, time, tmp_path)
    server.model = "tests/other"
    with pytest.raises(BadSettings, match="tests/other"):
        remote.encode(["a"], "user")
    remote.close()


def test_other_weights_under_the_same_name_are_noticed_at_the_next_start(
    server: ModelServer, time: Time, tmp_path: Path
) -> None:
    first = encoder(server, time, tmp_path)
    server.encoder = Other()
    with pytest.raises(BadSettings, match=r"encoder\.revision"):
        encoder(server, time, tmp_path)
    second = encoder(server, time, tmp_path, revision="2")
    assert second.fingerprint != first.fingerprint
    first.close()
    second.close()


def test_a_server_that_is_away_at_the_start_is_told_in_one_sentence(
    server: ModelServer, time: Time, tmp_path: Path
) -> None:
    server.always = Fault(503)
    with pytest.raises(Unreachable, match=r"encoder\.remote"):
        encoder(server, time, tmp_path)


def test_dimensions_are_checked_and_cut(server: ModelServer, time: Time, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"encoder\.dim"):
        encoder(server, time, tmp_path, dim=65)
    short = encoder(server, time, tmp_path, dim=32)
    assert short.encode(["a"], "user").shape == (1, 32)
    short.close()


# ---- in the profile writer -------------------------------------------------------------------------------


def test_the_profile_writer_waits_through_an_outage_of_the_endpoint(server: ModelServer, time: Time) -> None:
    model: Any = endpoint(server, time, attempts=1)
    writing = Writing(model)
    server.always = Fault(503)
    writing.feed(writing.user("ada", "I play chess."))
    writing.settle()
    assert writing.profile("ada")["state"] == "pending"
    assert writing.step.condition().state == "degraded"
    server.always = None
    writing.driver.monotonic += LAST_PAUSE_S
    writing.settle()
    profile = writing.profile("ada")
    assert (profile["state"], profile["model"]) == ("ready", model.fingerprint)
    assert [(one["label"], one["evidence"]["text"]) for one in profile["interests"]] == [("board-games", "chess")]
    assert writing.step.condition().state == "ok"
    model.close()


def test_the_settings_name_the_endpoint(server: ModelServer) -> None:
    chosen = load(profiles={"model": "endpoint", "endpoint": {"url": server.url, "model": "tests/small"}})
    model = load_model(chosen, FakeEncoder())
    assert isinstance(model, EndpointProfileModel)
    assert isinstance(model.infer([user("I play chess.")])[0], Inferred)
    model.close()
