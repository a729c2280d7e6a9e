"""What the engine promises when processes are killed, stopped or fenced, on a real Apache Kafka."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import Producer

from glowplug.stream.killpoints import POINTS
from tests.support.counting import Counting, Running, expected
from tests.support.engine import Bench
from tests.support.kafka import QUIET, producing, send, unique_prefix
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka
PATIENCE_S = 60.0  # a dead member's session, 6 s, and what two cores need for a dozen processes
AT_ONCE = 4  # processes: more would only wait for each other


def send_mixed(bench: Bench, records: int, start: int = 0) -> tuple[list[tuple[str, int]], list[bytes]]:
    """Valid records of five keys, and among them an invalid one in seven: what was sent of either."""
    valid: list[tuple[str, int]] = []
    invalid: list[bytes] = []
    with producing(bench.kafka) as producer:
        for number in range(start, start + records):
            key = f"k{number % 5}"
            if number % 7 == 3:
                body = b"{broken %d" % number
                invalid.append(body)
                send(producer, bench.name("interactions"), key, body)
            else:
                valid.append((key, number))
                send(producer, bench.name("interactions"), key, {"n": number})
    return valid, invalid


def check_exactly_once(bench: Bench, valid: list[tuple[str, int]], invalid: list[bytes]) -> None:
    """Waits until everything is told, then looks for anything that is told twice or wrongly."""
    letters = [letter.value for letter in bench.read("dead_letters")]
    assert bench.told() == expected(valid)
    assert sorted(value for value in letters if value is not None) == sorted(invalid)


def wait_for_outputs(bench: Bench, count: int) -> None:
    wait_until(
        lambda: len(bench.read("user_states")) + len(bench.read("dead_letters")) >= count,
        PATIENCE_S,
        f"not {count} records come out",
    )


def test_a_kill_at_any_point_loses_nothing_and_doubles_nothing(kafka: str) -> None:
    def kill_and_restart(point: str) -> None:
        bench = Bench(kafka, unique_prefix())
        bench.create()
        valid, invalid = send_mixed(bench, 70)
        # The second passing: then a first batch is committed, and there is a state to restore.
        with bench.process(kill_at=f"counting:{point}:2", GLOWPLUG_KAFKA__INSTANCE="0") as process:
            assert process.wait(PATIENCE_S) == -signal.SIGKILL, "it does not come to this point"
        more, broken = send_mixed(bench, 14, start=70)
        with bench.process(GLOWPLUG_KAFKA__INSTANCE="0"):
            wait_for_outputs(bench, 84)
        check_exactly_once(bench, valid + more, invalid + broken)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        tests = {point: pool.submit(kill_and_restart, point) for point in POINTS}
    failures = {point: test.exception() for point, test in tests.items() if test.exception() is not None}
    assert not failures


def test_a_worker_frozen_beyond_its_session_has_its_batch_refused_when_it_thaws(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    bench = Bench(kafka, prefix)
    bench.create()
    valid, invalid = send_mixed(bench, 70)
    with bench.process(COUNTING_GATE=str(tmp_path)) as frozen:
        wait_until((tmp_path / "begun").exists, PATIENCE_S, "no batch is begun")
        frozen.send_signal(signal.SIGSTOP)
        with Running(Counting(), bench.settings()):
            wait_for_outputs(bench, 70)  # those of the frozen batch among them
            (tmp_path / "open").touch()
            frozen.send_signal(signal.SIGCONT)
            more, broken = send_mixed(bench, 35, start=70)
            wait_for_outputs(bench, 105)
            wait_until(lambda: bench.members() == 2, PATIENCE_S, "the thawed worker does not come back")
        last, faulty = send_mixed(bench, 35, start=105)
        wait_for_outputs(bench, 140)

    check_exactly_once(bench, valid + more + last, invalid + broken + faulty)


def test_a_fenced_worker_renews_its_clients_and_goes_on(kafka: str, prefix: str) -> None:
    bench = Bench(kafka, prefix)
    bench.create()
    valid, invalid = send_mixed(bench, 35)

    with Running(step := Counting(), bench.settings(instance="0")) as running:
        wait_for_outputs(bench, 35)
        rival = Producer({"bootstrap.servers": kafka, "transactional.id": f"{prefix}-counting-0", **QUIET})
        rival.init_transactions(10)
        more, broken = send_mixed(bench, 35, start=35)
        wait_for_outputs(bench, 70)

    assert running.failure is None
    assert step.restored, "the state was not restored"
    check_exactly_once(bench, valid + more, invalid + broken)


def test_sigterm_of_a_process_ends_it_after_the_commit(kafka: str, prefix: str) -> None:
    bench = Bench(kafka, prefix)
    bench.create()
    valid, invalid = send_mixed(bench, 70)
    with bench.process() as process:
        wait_for_outputs(bench, 70)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    check_exactly_once(bench, valid, invalid)
