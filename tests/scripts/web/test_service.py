"""The web service: what it answers, its bounds, and a hundred kinds of bodies that are none."""
import base64
import io
import json
import socket
import threading
import urllib.request

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("flask", reason="the page needs Flask: pip install -e \".[serve]\"")

from scripts import serve  # noqa: E402
from scripts.commandline.command import run  # noqa: E402
from scripts.web import service  # noqa: E402
from scripts.web.application import host_names, scene_files  # noqa: E402
from scripts.web.service import BODY, PAGE, UPLOAD, make_app  # noqa: E402
from scripts.web.worker import Busy, Late, Worker  # noqa: E402

URL, FORM = "/api/caption", "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def picture():
    return scene_files()[0]


@pytest.fixture
def client(scene_service):
    return scene_service[0].test_client()


def as_json(picture, **fields):
    return {"image": base64.b64encode(picture).decode(), **fields}


def multipart(picture):
    """A picture as a body with the boundary b; Flask's own client would put a large one into a temporary file."""
    return (b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n' + picture
            + b"\r\n--b--\r\n")


def refused(response, status, code):
    error = response.get_json()["error"]
    return response.status_code == status and error["code"] == code and error["message"].endswith(".")


def test_both_forms_give_the_captions_of_a_beam_search(client, picture, scene_answers):
    answer = client.post(URL, json=as_json(picture, beam=4)).get_json()
    form = {"image": (io.BytesIO(picture), "x.png"), "beam": "4"}
    assert answer == client.post(URL, data=form).get_json() == json.loads(json.dumps(scene_answers(picture, 4)))
    assert len(answer["alternatives"]) == 3 and answer["grid"] == [7, 7]
    for caption in (answer, *answer["alternatives"]):
        words = caption["words"]
        assert caption["caption"] == " ".join(words) and len(caption["log_probs"]) == len(words)
        assert len(caption["attention"]) == len(caption["others"]) == len(words)
        assert all(np.shape(m) == (7, 7) and np.sum(m) == pytest.approx(1, abs=1e-3) for m in caption["attention"])
        assert caption["log_prob"] < sum(caption["log_probs"]) <= 0        # <END> counts too
    assert answer["words"]


SENT = {
    "data URL": lambda text: f"data:image/png;base64,{text}",
    "data URL with parameters": lambda text: f" DATA:image/png;name=a.png;charset=utf-8;Base64,{text}",
    "data URL without a type": lambda text: f"data:;base64,{text}",
    "lines of 76": lambda text: "\r\n".join(text[i:i + 76] for i in range(0, len(text), 76)) + "\r\n",
    "lines after a data URL": lambda text: "data:image/png;base64,\n" + "\n".join(text[i:i + 64] for i in
                                                                                 range(0, len(text), 64)),
    "blanks and tabs": lambda text: f" {text[:7]} \t{text[7:]}\n",
    "URL-safe": lambda text: text.replace("+", "-").replace("/", "_"),
    "URL-safe without padding": lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
    "without padding": lambda text: text.rstrip("="),
}


@pytest.mark.parametrize("how", SENT)
@pytest.mark.parametrize("more", range(3))
def test_base64_is_taken_as_people_send_it(how, more):
    content = bytes(range(256)) + b"\xff" * more                # with + and /, and 0 to 2 letters of padding
    text = base64.b64encode(content).decode()
    assert "+" in text and "/" in text and service.from_base64(SENT[how](text)) == content


def test_a_data_url_gives_the_captions_of_its_picture(client, picture):
    text = base64.b64encode(picture).decode()
    sent = "data:image/png;base64," + "\n".join(text[i:i + 76] for i in range(0, len(text), 76))
    answers = [client.post(URL, json={"image": image, "beam": 2}).get_json() for image in (text, sent)]
    assert answers[0] == answers[1] and answers[0]["words"]


@pytest.mark.parametrize("image", ["data:image/png,aGk=", "data:image/png;base64;aGk=", "aGk=aGk=", "aG$k", "a", "äGk=",
                                   "%61GkA", "data:" + "x" * 10**6, "aGkA\x00", "a" * 5])
def test_what_is_not_base64_is_refused_in_a_sentence(image, client):
    assert refused(client.post(URL, json={"image": image}), 400, "bad_json")


def test_the_largest_picture_fits_in_lines(client):
    text = base64.b64encode(bytes(UPLOAD)).decode()
    sent = "\r\n".join(text[i:i + 64] for i in range(0, len(text), 64))
    assert refused(client.post(URL, json={"image": sent}), 422, "bad_picture")          # not too large


def test_words_have_the_probabilities_and_maps_of_the_models_own_steps(scene_answers, picture):
    model, image = scene_answers.model, Image.open(io.BytesIO(picture))
    answer, state = scene_answers(picture, beam=1), model.initial_state(scene_answers.features([image]))
    word = model.word_to_idx["<START>"]
    for t, (text, log_p) in enumerate(zip(answer["words"], answer["log_probs"])):
        scores, state = model.step(np.array([word]), state)
        p = np.exp(scores[0].astype(float)) / np.exp(scores[0].astype(float)).sum()
        word = model.word_to_idx[text]
        assert log_p == pytest.approx(np.log(p[word]), abs=1e-3)
        assert np.allclose(np.ravel(answer["attention"][t]), state.attention[0], atol=1e-4)
        others = [model.word_to_idx[other] for other, _ in answer["others"][t]]
        p[[model.word_to_idx["<NULL>"], model.word_to_idx["<START>"]]] = 0      # are never chosen
        assert word not in others and len(others) == 3 and np.diff(p[others]).max() <= 0
        assert p.argmax() in (word, others[0])


def test_draws_follow_the_seed_and_are_all_different(client, picture):
    first, same, other = (client.post(URL, json=as_json(picture, beam=10, temperature=0.4, seed=s)).get_json()
                          for s in (1, 1, 2))
    assert first == same != other
    captions = [first, *first["alternatives"]]
    assert len({tuple(c["words"]) for c in captions}) == len(captions) and 1 < len(captions) < 10
    assert all(a["log_prob"] >= b["log_prob"] for a, b in zip(captions, captions[1:]))


def test_health_page_and_scenes(client):
    health = client.get("/api/health").get_json()
    assert health["status"] == "ok" and health["scenes"] == 12 and health["bounds"]["upload_bytes"] == UPLOAD
    assert b"<h1>" in client.get("/").data and client.get("/scenes/11.png").content_type == "image/png"
    assert set(PAGE) == {"index.html", "page.css", "page.js", "icon.svg", "overlay.js"}
    for response in (client.get("/"), client.get("/nothing"), client.post(URL)):
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert refused(client.get("/scenes/12.png"), 404, "not_found") and client.get(URL).status_code == 405
    assert b"http" not in b"".join(content for content, _ in PAGE.values()).replace(b"http://www.w3.org/2000/svg", b"")


@pytest.mark.parametrize("path", ["/../setup.cfg", "/%2e%2e/setup.cfg", "/..%2fsetup.cfg", "//etc/passwd", "/.%00",
                                  "/service.py", "/page/../service.py", "/scenes/../../setup.cfg", "/scenes/-1.png"])
def test_no_file_is_reachable(client, path):
    assert client.get(path).status_code in (404, 308) and b"[metadata]" not in client.get(path).data


def test_bounds_on_what_is_sent(client, picture):
    assert refused(client.post(URL, json=as_json(bytes(UPLOAD + 1))), 413, "too_large")
    assert refused(client.post(URL, data=multipart(bytes(BODY)), content_type=FORM), 413, "too_large")
    assert refused(client.post(URL, data=picture, content_type="image/png"), 415, "unsupported_type")
    cut = client.post(URL, json=as_json(picture[:-60]))
    assert refused(cut, 422, "bad_picture") and cut.data.count(b"cannot be used") == 1
    large = io.BytesIO()
    Image.new("L", (20_000, 20)).save(large, "PNG")
    assert refused(client.post(URL, json=as_json(large.getvalue())), 422, "bad_picture")


def bodies(picture):
    """A hundred kinds of bodies, none of them right but for some pictures with damage that does not matter."""
    rng, good = np.random.default_rng(3), json.dumps(as_json(picture)).encode()
    form, kind = multipart(picture), FORM
    for cut in rng.integers(0, len(good) - 1, 12):
        yield "application/json", good[:cut]
    for cut in rng.integers(0, len(form), 12):
        yield kind, form[:cut]
    for values in ("null", "[]", "3", '"x"', "{}", "[" * 100_000, '{"a":' * 100_000, "\x00", "{]", "NaN", "1" * 5000):
        yield "application/json", values.encode()
    for image in (None, 3, True, [], {}, "", "====", "aGk", "é", "data:image/png;base64,aGk=", "aGk=\n", "\ud800"):
        yield "application/json", json.dumps({"image": image}).encode()
    numbers = (None, "x", [], {}, True, -1, 1e400, float("nan"), 10**400, "9" * 5000, "1_0", "٣x", 2.5)
    for name, value in [(name, value) for name in ("beam", "temperature") for value in numbers]:
        if (name, value) != ("temperature", 2.5):
            yield "application/json", json.dumps(as_json(picture, **{name: value})).encode()
    for field in ("path", "url", "__class__", "Image"):
        yield "application/json", json.dumps(as_json(picture, **{field: "/etc/passwd"})).encode()
    for old, new in ((b"image", b"photo"), (b'; filename="x.png"', b""), (b"\r\n", b"\n"), (b"form-data", b"mixed"),
                     (b"--b--", b"--c--"), (b'name="image"', b'name="\xff\xfe"'), (picture, b"")):
        yield kind, form.replace(old, new)
    for other in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"", "", "x",
                  "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"):
        yield other, form
    yield "application/json", b"\xff\xfe" + good
    yield kind, form.replace(b"--b--\r\n", b"") + form
    for place in rng.integers(0, len(picture), 12):                     # pictures with a damaged byte, then cut ones
        yield kind, form.replace(picture, picture[:place] + bytes([picture[place] ^ 255]) + picture[place + 1:])
    for cut in rng.integers(1, len(picture), 6):
        yield kind, form.replace(picture, picture[:cut])


def test_malformed_bodies_are_refused_in_json(client, picture):
    count, statuses = 0, []
    for kind, body in bodies(picture):
        response = client.post(URL, data=body, content_type=kind)
        count, statuses = count + 1, [*statuses, response.status_code]
        assert response.status_code in (200, 400, 413, 415, 422), (kind, body[:200], response.data)
        assert response.status_code == 200 or {"code", "message"} == set(response.get_json()["error"])
    assert count >= 100 and statuses.count(200) <= 12
    assert client.post(URL, json=as_json(picture)).status_code == 200


@pytest.mark.parametrize("request_", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\na b\r\n\r\n",
                                      b"POST /api/caption HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
                                      b"POST /api/caption HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                                      b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
                                      b"POST /api/caption HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"])
def test_requests_that_never_reach_the_service_are_refused_in_json_too(scene_service, request_):
    with socket.create_connection(scene_service[1], timeout=10) as connection:
        connection.sendall(request_)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"413", b"431") and json.loads(body)["error"]["code"] in (
        "bad_request", "too_large")


@pytest.mark.parametrize("host, named, status", [
    ("127.0.0.1", {}, 200), ("localhost:8000", {}, 200), ("[::1]:8000", {}, 200), ("LOCALHOST", {}, 200),
    ("evil.example", {}, 403), ("evil.example:8000", {}, 403), ("127.0.0.1.evil.example", {}, 403), ("", {}, 403),
    ("captions.example", {"name": "Captions.example"}, 200), ("evil.example", {"host": "0.0.0.0"}, 200),
    ("127.0.0.9:1", {"host": "127.0.0.9"}, 200)])
def test_another_sites_name_for_this_machine_is_refused(host, named, status):
    """A page may point its own name at 127.0.0.1, and read the answers as its own site's."""
    args = serve.parse(["RUN", "--scenes", *[f"--{option}={value}" for option, value in named.items()]])
    client = make_app(None, Worker(), {}, names=host_names(args.host, args.name)).test_client()
    response = client.get("/api/health", headers={"Host": host})
    assert response.status_code == status and (status == 200 or refused(response, 403, "other_site"))


def test_another_sites_page_may_not_ask(client, picture):
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        response = client.post(URL, json=as_json(picture, beam=1), headers={"Sec-Fetch-Site": site})
        assert response.status_code == status and (status == 200 or refused(response, 403, "other_site"))
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200          # a link


def test_too_many_fields_are_not_called_a_large_picture(client, picture):
    body = multipart(picture)[:-len(b"--b--\r\n")]
    body += b"".join(b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % i for i in range(2000))
    response = client.post(URL, data=body + b"--b--\r\n", content_type=FORM)
    assert refused(response, 413, "too_large") and b"more fields than are known" in response.data


def test_those_who_hang_up_do_no_harm(scene_service):
    for sent in (b"", b"POST /api/caption HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc", b"GET / HTTP/1.1\r\n\r\n"):
        socket.create_connection(scene_service[1]).close()
        with socket.create_connection(scene_service[1]) as connection:
            connection.sendall(sent)
    host, port = scene_service[1]
    with urllib.request.urlopen(f"http://{host}:{port}/api/health", timeout=10) as response:
        assert json.load(response)["status"] == "ok"


def test_one_at_a_time_with_bounds_on_waiting():
    worker, gate, began = Worker(in_flight=2, seconds=0.05), threading.Event(), threading.Event()

    def slow():
        began.set()
        gate.wait(10)
        return threading.current_thread().name
    with pytest.raises(Late):
        worker.do(slow)                                     # goes on behind our back, and keeps its place
    assert began.is_set()
    ran = []
    with pytest.raises(Late):
        worker.do(ran.append, 1)
    waiting = threading.Thread(target=lambda: pytest.raises(Late, worker.do, slow))
    waiting.start()
    waiting.join()
    worker._places.acquire()                                # as if a second one was waiting
    with pytest.raises(Busy):
        worker.do(slow)
    worker._places.release()
    gate.set()
    worker.close()
    assert not ran                                          # late before it began: never done


@pytest.mark.parametrize("error, status, code", [(Busy, 503, "busy"), (Late, 504, "timeout"),
                                                 (KeyError, 500, "internal")])
def test_failures_of_the_worker_have_a_code(error, status, code, picture, capsys):
    class Failing(Worker):
        def do(self, *args, **kwargs):
            raise error("secret")
    client = make_app(None, Failing(), {}).test_client()
    response = client.post(URL, json=as_json(picture))
    assert refused(response, status, code) and b"secret" not in response.data
    assert ("secret" in capsys.readouterr().err) == (status == 500)


def test_uploads_stay_in_memory(client, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a temporary file")
    for name in ("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(f"tempfile.{name}", refuse)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", refuse)
    response = client.post(URL, data=multipart(bytes(5 * 2**20)), content_type=FORM)
    assert refused(response, 422, "bad_picture")


@pytest.mark.parametrize("arguments, message", [
    (["RUN"], "RUN: no such run"), (["RUN", "--scenes", "--port", "70000"], "--port 70000"),
    (["RUN", "--scenes"], "RUN: no such run"), (["RUN", "--scenes", "--port", "TAKEN"], "cannot listen there"),
    (["RUN", "--scenes", "--host", "é" + "b" * 70], "choose another --host or --port")])
def test_the_command_line_says_what_is_wrong(arguments, message, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = [a.replace("TAKEN", str(taken.getsockname()[1])) for a in arguments]
        if arguments == ["RUN", "--scenes"]:
            arguments += ["--port", "0"]
        with pytest.raises(SystemExit) as ended:
            run(lambda: serve.main(arguments))
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_the_page_is_packaged():
    import configparser
    from pathlib import Path
    config = configparser.ConfigParser()
    config.read(Path(service.__file__).parents[2] / "setup.cfg")
    patterns = config["options.package_data"]["scripts"].split()
    assert all(any(Path("web/page", name).match(pattern) for pattern in patterns) for name in PAGE)
