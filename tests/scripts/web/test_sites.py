"""Whose page or machine asks: the headers Origin and Host, the address; and the metrics, which are for one machine."""
import pytest

pytest.importorskip("flask", reason="the page needs Flask: pip install -e \".[serve]\"")

from scripts import serve  # noqa: E402
from scripts.web.application import host_names  # noqa: E402
from scripts.web.metrics import Times  # noqa: E402
from scripts.web.service import make_app  # noqa: E402
from scripts.web.worker import Worker  # noqa: E402


def client_of(*options):
    args = serve.parse(["RUN", "--scenes", *options])
    return make_app(None, Worker(), {}, names=host_names(args.host, args.name)).test_client()


NAMED, PORT, OPEN = ("--name=Captions.example",), ("--name=captions.example:8443",), ("--host=0.0.0.0",)


@pytest.mark.parametrize("options, host, origin, fine", [
    ((), "localhost:8000", "http://localhost:8000", True), ((), "127.0.0.1:8000", "http://127.0.0.1:8000", True),
    ((), "[::1]:8000", "http://[::1]:8000", True), ((), "LOCALHOST:8000", "http://localhost:8000", True),
    ((), "localhost", "http://localhost", True), ((), "localhost:80", "http://localhost", True),
    ((), "localhost:8000", None, True),
    ((), "localhost:8000", "https://evil.example", False), ((), "localhost:8000", "null", False),
    ((), "localhost:8000", "", False), ((), "localhost:8000", "http://localhost:3000", False),
    ((), "localhost:8000", "http://localhost", False), ((), "localhost:8000", "http://127.0.0.1:8000", False),
    ((), "localhost:8000", "http://localhost:8000.evil.example", False),
    ((), "localhost:8000", "http://localhost:8000@evil.example", False),
    ((), "localhost:8000", "http://localhost:8000, http://evil.example", False),
    ((), "localhost:8000", "http://[localhost:8000", False), ((), "localhost:8000", "file://localhost:8000", False),
    ((), "localhost:8000", "http://localhost:99999999", False),
    (NAMED, "captions.example", "https://captions.example", True),
    (NAMED, "127.0.0.1:8000", "https://captions.example", True),                # a front server that uses its own Host
    (NAMED, "127.0.0.1:8000", "https://captions.example:443", True),
    (NAMED, "captions.example:8443", "https://captions.example:8443", True),
    (NAMED, "127.0.0.1:8000", "https://captions.example:8443", False),
    (PORT, "127.0.0.1:8000", "https://captions.example:8443", True),
    (PORT, "captions.example", "https://captions.example:8443", True),
    (NAMED, "captions.example", "https://evil.example", False),
    (NAMED, "127.0.0.1:8000", "https://captions.example.evil.example", False),
    (OPEN, "192.0.2.7:8000", "http://192.0.2.7:8000", True), (OPEN, "192.0.2.7:8000", "http://evil.example", False)])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_foreign_origin_is_refused(options, host, origin, fine, method):
    headers = {"Host": host, **({} if origin is None else {"Origin": origin})}
    url, expected = ("/api/caption", 415) if method == "POST" else ("/api/health", 200)
    response = client_of(*options).open(url, method=method, headers=headers)
    assert response.status_code == (expected if fine else 403)
    assert fine or response.get_json()["error"]["code"] == "other_site"


def test_a_name_may_have_a_port():
    for host, status in (("captions.example", 200), ("captions.example:1", 200), ("captions.example.org", 403)):
        assert client_of(*PORT).get("/api/health", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("environ, status", [
    ({"REMOTE_ADDR": "127.0.0.1"}, 200), ({"REMOTE_ADDR": "::1"}, 200), ({"REMOTE_ADDR": "192.0.2.7"}, 403),
    ({"REMOTE_ADDR": "192.0.2.7", "SERVER_ADDR": "192.0.2.7"}, 200), ({"REMOTE_ADDR": ""}, 403),
    ({"REMOTE_ADDR": "192.0.2.8", "SERVER_ADDR": "192.0.2.7"}, 403),
    ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.7"}, 403),
    ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.7"}, 403)])
def test_the_metrics_are_for_this_machine(environ, status):
    response = client_of(*OPEN).get("/api/metrics", environ_overrides=environ)
    assert response.status_code == status
    assert status == 200 or response.get_json()["error"]["code"] == "other_machine"


def test_the_metrics_count_by_route_and_status():
    client = client_of()
    for _ in range(3):
        client.get("/api/health")
    client.get("/page.js")
    client.get("/secret")
    client.post("/api/caption", data=b"secret", headers={"Origin": "http://secret.example"})
    client.open("/api/secret", method="SECRET")
    metrics = client.get("/api/metrics").get_json()
    assert metrics["requests"] == {"GET /api/health": {"200": 3}, "GET /<name>": {"200": 1, "404": 1},
                                   "POST /api/caption": {"403": 1}, "(no route)": {"404": 1}}
    assert metrics["in_flight"] == 1 and metrics["seconds"] >= 0 and metrics["decoder"] == {"restarts": 0}
    assert metrics["latency_ms"]["GET /api/health"]["last"]["count"] == 3
    assert metrics["connections"] == {"open": 0, "accepted": 0, "evicted": 0, "late": 0}
    assert metrics["queue_ms"]["since_start"] == {"count": 0, "mean": 0, "median": 0, "p90": 0, "p99": 0, "max": 0}
    assert "secret" not in str(metrics)


def test_times_are_told_exactly_of_the_last_and_nearly_since_the_start():
    times = Times()
    for k in range(1, 1501):
        times.add(k / 1000)
    last, whole = times.told()["last"], times.told()["since_start"]
    assert last == {"count": 1000, "mean": 1000.5, "median": 1000, "p90": 1400, "p99": 1490, "max": 1500}
    assert whole["count"] == 1500 and whole["mean"] == 750.5 and whole["max"] == 1500
    for name, value in (("median", 750), ("p90", 1350), ("p99", 1485)):
        assert whole[name] == pytest.approx(value, rel=0.05)


def test_the_queue_of_the_model_is_timed():
    worker = Worker()
    assert worker.do(int, "3") == 3
    worker.close()
    assert worker.waited.told()["last"]["count"] == 1
