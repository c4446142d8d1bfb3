"""scripts.campaign serve: what it counts of a service that holds, and of one that does not."""
import os
import threading

import pytest

pytest.importorskip("waitress", reason="the page needs waitress: pip install -e \".[serve]\"")

from waitress.server import create_server  # noqa: E402

from scripts.campaigns import hostile_requests as hostile  # noqa: E402
from scripts.campaigns import serve  # noqa: E402


@pytest.fixture
def attack(monkeypatch):
    """A function: some steps of the attack against an address -> the counts, by the first words of their promises."""
    monkeypatch.setattr(hostile, "bombs", lambda: [hostile.png(300, 20_000, 1, 0, 1 / 8)])
    monkeypatch.setattr(serve, "EARLY", 10)

    def counts(address, steps):
        attack = serve.Attack(address, os.getpid(), seed=3)
        for k in range(steps):
            attack.step(k)
        return {" ".join(tally.promise.split()[:2]): tally.count() for tally in attack.tallies()}
    return counts


def test_a_service_that_holds(attack, scene_service, monkeypatch):
    monkeypatch.setattr(serve, "GROWTH", 1000)              # of this process, with all that it has been doing
    counts = attack(scene_service[1], 3)
    assert [count.faults for count in counts.values()] == [0] * 6
    assert counts["ordinary requests"].tried == 12 and counts["picture bombs"].tried == 1
    assert counts["requests of"].tried == 3 and counts["growth of"].tried == 1


def test_a_service_that_does_not(attack):
    def fails(environ, start_response):
        start_response("200 OK" if environ.get("HTTP_ORIGIN") else "500 Failed", [("Content-Length", "0")])
        return []
    server = create_server(fails, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    counts = attack(server.socket.getsockname(), 2)
    server.task_dispatcher.shutdown()
    server.close()
    thread.join(5)
    assert counts["ordinary requests"].faults == 8 and counts["requests of"].faults == 2
    assert counts["picture bombs"].faults == 1 and counts["requests answered"].faults >= 9
    assert "after" in counts["ordinary requests"].examples[0]


def test_the_crowd_stays_as_large_as_it_is(scene_service, monkeypatch):
    monkeypatch.setattr(hostile, "CROWD", 60)
    monkeypatch.setattr(hostile, "PAUSE", 0.01)
    metrics = scene_service[0].extensions["metrics"]
    before = metrics.told()["connections"]["accepted"]
    with hostile.Crowd(scene_service[1]):
        while metrics.told()["connections"]["accepted"] < before + 80:      # 50 may stay: others come again
            assert hostile.ask(scene_service[1], "GET", "/api/health") == 200
