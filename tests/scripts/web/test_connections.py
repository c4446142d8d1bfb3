"""Connections over real sockets: silent ones, dribbling ones, such as never read; deadlines, and who has to go."""
import contextlib
import json
import re
import socket
import threading
import time

import pytest

pytest.importorskip("waitress", reason="the page needs waitress: pip install -e \".[serve]\"")
pytest.importorskip("flask", reason="the page needs Flask: pip install -e \".[serve]\"")

from scripts.web.connections import Limits  # noqa: E402
from scripts.web.server import listen, make_server  # noqa: E402
from scripts.web.service import make_app  # noqa: E402
from scripts.web.worker import Worker  # noqa: E402

HEALTH = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPLOAD = (b"POST /api/caption HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
          b"Content-Length: 4000\r\n\r\n")
PAGE = b"GET /page.js HTTP/1.1\r\n\r\n"
SILENT, HALF, BODY, NEVER_READS = b"", HEALTH[:30], UPLOAD + b"{", 300 * PAGE
PATIENT = 20                            # seconds, of the ordinary user on a busy machine


@contextlib.contextmanager
def served(**limits):
    """A service with these limits -> a function that connects to it, sends bytes and returns the socket; its app."""
    worker, listener = Worker(), listen("127.0.0.1", 0)
    app = make_app(None, worker, {"run": "test"})
    server = make_server(app, 8, listener, Limits(**limits))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    with contextlib.ExitStack() as open_ones:
        def connect(sent=b"", buffer=None):
            connection = open_ones.enter_context(socket.socket())
            if buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            connection.settimeout(PATIENT)
            connection.connect(listener.getsockname())
            connection.sendall(sent)
            return connection
        try:
            yield connect, app
        finally:
            server.task_dispatcher.shutdown()
            server.close()
            thread.join(PATIENT)
            worker.close()


def answer(connection):
    """Status and JSON of one answer; None if the connection was closed without one."""
    received = b""
    try:
        while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < length(received):
            chunk = connection.recv(65536)
            if not chunk:
                return None
            received += chunk
    except ConnectionError:
        return None
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def length(received):
    return int(received.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


def closed(connection):
    """Whether the other side closes it, when all that it had sent is read."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


def counts(app):
    return app.extensions["metrics"].told()["connections"]


@pytest.mark.parametrize("sent", [SILENT, HALF, BODY, 40 * PAGE], ids=["silent", "half", "body", "never reads"])
def test_an_ordinary_user_is_served_beside_200_that_are_not_done(sent):
    with served() as (connect, app):
        others = [connect(sent, buffer=4096) for _ in range(200)]
        assert answer(connect(HEALTH))[0] == 200
        for dribble in others[::7]:
            with contextlib.suppress(OSError):
                dribble.sendall(b"x")
        assert [answer(connect(HEALTH))[0] for _ in range(3)] == [200] * 3
        assert counts(app)["evicted"] >= 50 and counts(app)["open"] <= 110


@pytest.mark.parametrize("sent, trickle", [(HALF, b"x"), (BODY, b" "), (BODY, b"")])
def test_a_request_that_does_not_end_is_told_so(sent, trickle):
    with served(headers=0.3, request=0.6) as (connect, app):
        connection, over = connect(sent), threading.Event()

        def dribble():
            with contextlib.suppress(OSError):
                while trickle and not over.wait(0.05):
                    connection.sendall(trickle)
        thread = threading.Thread(target=dribble, daemon=True)
        thread.start()
        status, error = answer(connection)
        over.set()
        thread.join()
        assert (status, error["error"]["code"]) == (408, "too_slow") and closed(connection)
        assert counts(app)["late"] == 1 and answer(connect(HEALTH))[0] == 200


@pytest.mark.parametrize("sent, limits", [(SILENT, {"idle": 0.3}), (NEVER_READS, {"request": 0.3}),
                                          (b"\r\n\r\n" * 3, {"headers": 0.3}), (HEALTH, {"idle": 0.3})])
def test_who_sends_nothing_or_reads_nothing_is_hung_up_on(sent, limits):
    with served(**limits) as (connect, app):
        connection = connect(sent, buffer=4096)
        wait_for(lambda: counts(app)["late"] and not counts(app)["open"])
        assert closed(connection)


def wait_for(condition):
    end = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_slow_upload_that_ends_is_answered():
    with served(headers=0.3, request=PATIENT) as (connect, _):
        connection = connect(UPLOAD)
        for _ in range(8):
            time.sleep(0.06)
            connection.sendall(b" " * 500)
        status, error = answer(connection)
        assert (status, error["error"]["code"]) == (400, "bad_json")


def test_a_kept_connection_may_ask_again():
    with served(headers=0.2, request=0.2, idle=PATIENT) as (connect, app):
        connection = connect(HEALTH)
        assert answer(connection)[0] == 200
        time.sleep(0.5)                                     # between two requests, more than one may take
        connection.sendall(HEALTH)
        assert answer(connection)[0] == 200 and not counts(app)["late"]


@pytest.mark.parametrize("limits", [{"connections": 3}, {"address": 3}, {"held_bytes": 2}])
def test_who_has_waited_longest_has_to_go(limits):
    with served(**limits) as (connect, app):
        first = []
        for _ in range(3):
            first.append(connect(BODY))
            wait_for(lambda: counts(app)["accepted"] == len(first) and (counts(app)["open"] or counts(app)["evicted"]))
        connect()
        assert closed(first[0])
        wait_for(lambda: counts(app)["evicted"] == 1)
        first[1].sendall(b" " * 3999)
        assert answer(first[1])[0] == 400                   # was not done, and still there


def test_an_upload_that_moves_has_not_waited():
    with served(connections=2) as (connect, app):
        upload = connect(UPLOAD.replace(b"4000", b"90000"))
        wait_for(lambda: counts(app)["accepted"] == 1)
        silent = connect()
        wait_for(lambda: counts(app)["open"] == 2)
        upload.sendall(b" " * 30_000)
        time.sleep(0.3)                                     # is read
        connect()
        assert closed(silent)
        upload.sendall(b" " * 60_000)
        assert answer(upload)[0] == 400


def with_slow_page(app):
    """Add a page that is answered when the second of these is set; each request for it releases the first."""
    began, gate = threading.Semaphore(0), threading.Event()

    @app.get("/slow/<one>/<two>")
    def slow(one, two):
        began.release()
        gate.wait(PATIENT)
        return {}
    return began, gate


def test_who_is_being_answered_does_not_have_to_go():
    with served(connections=2) as (connect, app):
        began, gate = with_slow_page(app)
        busy = connect(HEALTH.replace(b"/api/health", b"/slow/a/b"))
        assert began.acquire(timeout=PATIENT)
        for _ in range(5):
            connect()
        assert answer(connect(HEALTH))[0] == 200
        gate.set()
        assert answer(busy) == (200, {})


def test_who_pipelines_and_never_reads_takes_nobodys_turn():
    with served(connections=2) as (connect, app):
        began, gate = with_slow_page(app)
        for _ in range(2):
            connect(b"GET /slow/a/b HTTP/1.1\r\n\r\n" + 300 * b"GET / HTTP/1.1\r\n\r\n", buffer=4096)
            assert began.acquire(timeout=PATIENT)
        gate.set()
        assert answer(connect(HEALTH))[0] == 200            # in place of one of them
        assert app.extensions["metrics"].told()["requests"].get("GET /", {}).get("200", 0) < 200
        wait_for(lambda: counts(app)["evicted"] == 1)


def test_who_asks_for_more_before_reading_goes_before_who_is_slow():
    with served(address=3) as (connect, app):
        slow = connect(BODY)
        wait_for(lambda: counts(app)["open"] == 1)
        for _ in range(2):
            connect(NEVER_READS, buffer=4096)
        wait_for(lambda: counts(app)["open"] == 3)
        connect()
        wait_for(lambda: counts(app)["evicted"] == 1)
        slow.sendall(b" " * 3999)
        assert answer(slow)[0] == 400


def test_pipelined_requests_are_answered_in_turn():
    post = b"POST /api/caption HTTP/1.1\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    sent = [HEALTH, b"\r\n\r\n" + HEALTH.replace(b"health", b"nothing"), post + b"Content-Length: 2\r\n\r\n{}",
            post + b"\r\n", post + b"Transfer-Encoding: chunked\r\n\r\n3\r\n{ }\r\n0\r\n\r\n", 400 * HEALTH,
            HEALTH.replace(b"Host", b"Connection: close\r\nHost"), HEALTH]
    with served() as (connect, _):
        connection, received = connect(b"".join(sent)), b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
    codes = list(map(int, re.findall(rb"HTTP/1.1 (\d+)", received)))
    assert [code for code in codes if code != 100] == [200, 404, 400, 400, 400] + 401 * [200]
