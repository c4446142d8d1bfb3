"""The web service: routes, validation of requests, and errors as JSON with a code and a sentence.

    GET  /                the page
    GET  /api/health      which run is served, and the limits
    POST /api/caption     one picture as multipart/form-data or application/json -> captions (scripts/web/answers.py)
    GET  /scenes/K.png    a scene, if the model was trained on scenes
    GET  /api/metrics     counts and latencies, to this machine only (scripts/web/metrics.py)
    GET  /api/openapi.json    all this for programs (scripts/web/openapi.py)

Nothing of a request is written to disk, and no path in a request is ever opened.
"""
import base64
import io
import json
import re
import time
from pathlib import Path

from flask import Flask, Request, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from data.photos import MAX_SIDE
from data.pictures import MAX_PIXELS
from scripts.pages.templating import TEMPLATES
from scripts.web.answers import BadPicture
from scripts.web.decoder import DECODED
from scripts.web.metrics import Metrics
from scripts.web.openapi import description
from scripts.web.sites import foreign_host, foreign_page, local_request
from scripts.web.worker import Busy, Late

UPLOAD = 10 * 2**20                     # bytes of a picture file
# Bytes of a request: base64 takes four letters for three bytes, and JSON four more for the end of each line of 64.
BODY = UPLOAD * 4 // 3 * 17 // 16 + 2**16
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = [*(Path(__file__).parent / "page").iterdir(), TEMPLATES / "overlay.js"]
PAGE = {file.name: (file.read_bytes(), KINDS[file.suffix]) for file in FILES if file.suffix in KINDS}   # read once
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
NUMBERS = {"beam": (int, 1, 10), "temperature": (float, 0, 5), "seed": (int, 0, 2**32 - 1)}
PLAIN = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?")     # a number in a form
DATA_URL = re.compile(r"\A\s*data:[^,]{0,200};base64,", re.IGNORECASE)
CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 408: "too_slow", 413: "too_large",
         431: "too_large"}


class Refusal(Exception):
    """An error as the answer: Refusal(status, code, sentence)."""


class InMemory(Request):
    """A request whose uploads never become temporary files."""
    max_content_length = BODY

    def _get_file_stream(self, *args, **kwargs):
        return io.BytesIO()


def make_app(answers, worker, about, scenes=(), names=None):
    """The service as a Flask application.

    answers: a scripts.web.answers.Answers; worker: a scripts.web.worker.Worker; about: what /api/health says of the
    run, a dict; scenes: PNG files as bytes; names: host names that requests may use, None for any.
    """
    app = Flask(__name__, static_folder=None)
    app.request_class = InMemory
    app.after_request(_with_headers)
    for kind, handler in {Refusal: _refused, HTTPException: _http_error, Exception: _failed}.items():
        app.register_error_handler(kind, handler)
    app.extensions["metrics"] = Metrics()
    _measure(app, app.extensions["metrics"])
    app.before_request(lambda: _check_site(names))
    _add_about(app, answers, worker, about, scenes)

    @app.get("/")
    @app.get("/<name>")
    def page(name="index.html"):
        if name not in PAGE:
            raise Refusal(404, "not_found", "There is nothing here.")
        return Response(PAGE[name][0], content_type=PAGE[name][1] + "; charset=utf-8")

    @app.get("/scenes/<int:k>.png")
    def scene(k):
        if k >= len(scenes):
            raise Refusal(404, "not_found", "There is no such scene.")
        return Response(scenes[k], content_type="image/png")

    @app.post("/api/caption")
    def caption():
        picture, numbers = read_request()
        try:
            return jsonify(worker.do(answers, picture, **numbers))
        except BadPicture as error:
            reason = str(error).removeprefix("cannot be used: ")
            raise Refusal(422, "bad_picture", f"The picture cannot be used: {reason}.") from error
        except Busy:
            raise Refusal(503, "busy", "Too many requests are waiting; try again in a moment.") from None
        except Late:
            raise Refusal(504, "timeout", f"The caption was not ready within {worker.seconds:g} seconds.") from None
    return app


def _add_about(app, answers, worker, about, scenes):
    """The routes about the service itself."""
    health = _health(worker, about, scenes)

    @app.get("/api/health")
    def tell():
        return jsonify(health)

    @app.get("/api/openapi.json")
    def described():
        return jsonify(description(NUMBERS, UPLOAD, HEADERS, len(scenes)))

    @app.get("/api/metrics")
    def measured():
        if not local_request(request.environ):
            raise Refusal(403, "other_machine", "The metrics are for this machine only.")
        restarts = getattr(getattr(answers, "decoder", None), "restarts", 0)
        return jsonify({**app.extensions["metrics"].told(), "queue_ms": worker.waited.told(),
                        "decoder": {"restarts": restarts}})


def _measure(app, metrics):
    """Count and time the requests of an application."""
    def begin():
        g.began = time.monotonic()
        metrics.began()

    def end(response):
        route = f"{request.method} {request.url_rule}" if request.url_rule else "(no route)"
        metrics.ended(route, response.status_code, time.monotonic() - g.began)
        return response
    app.before_request(begin)
    app.after_request(end)


def _health(worker, about, scenes):
    """The content of /api/health."""
    return {"status": "ok", **about, "scenes": len(scenes), "seconds": worker.seconds,
            "bounds": {"upload_bytes": UPLOAD, "pixels": MAX_PIXELS, "decoded_bytes": DECODED, "side": MAX_SIDE,
                       "in_flight": worker.in_flight,
                       **{name: list(most) for name, (_, *most) in NUMBERS.items()}}}


def _check_site(names):
    """Raises Refusal if a page of another site made the browser send the request."""
    host = foreign_host(request.headers, names)
    if host is not None:
        raise Refusal(403, "other_site", f"{host!r:.80} is not a name of this service; scripts.serve has --name.")
    if foreign_page(request.method, request.headers, names):
        raise Refusal(403, "other_site", "A page of another site may not ask here.")


def read_request():
    """The picture's bytes and the numbers of a request. Raises Refusal."""
    if request.mimetype == "multipart/form-data":
        picture, fields = _multipart()
    elif request.mimetype == "application/json":
        picture, fields = _json()
    else:
        raise Refusal(415, "unsupported_type", "Send multipart/form-data or application/json.")
    if not picture:
        raise Refusal(400, "no_picture", "The picture is empty.")
    if len(picture) > UPLOAD:
        raise _too_large()
    unknown = [name for name in fields if name not in NUMBERS]
    if unknown:
        raise Refusal(400, "unknown_field", f"{unknown[0]!r:.80} is not known; expected image, {', '.join(NUMBERS)}.")
    return picture, {name: _number(name, value) for name, value in fields.items()}


def _multipart():
    files, fields = request.files, request.form
    if [name for name, _ in files.items(multi=True)] != ["image"] or any(len(v) > 1 for _, v in fields.lists()):
        raise Refusal(400, "no_picture", "Expected one file in the field 'image', and each other field once.")
    return files["image"].read(), dict(fields)


def _json():
    try:
        fields = json.loads(request.get_data())
        picture = from_base64(fields.pop("image"))
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError):
        raise Refusal(400, "bad_json", "Expected a JSON object with the picture in 'image', as base64.") from None
    return picture, fields


def from_base64(text: str) -> bytes:
    """Decode base64 (RFC 4648) as people send it -> bytes. Raises ValueError on other letters.

    The start of a data: URL may stand before it, and blanks and line ends in it. Letters may be the URL-safe ones.
    Padding may be absent.
    """
    text = DATA_URL.sub("", text, count=1)
    letters = text.encode("ascii").translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n").rstrip(b"=")
    return base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)


def _number(name, value):
    """A field as a number within its bounds."""
    kind, least, most = NUMBERS[name]
    try:
        if isinstance(value, str) and (request.is_json or not PLAIN.fullmatch(value)):
            raise ValueError
        number = kind(value)
        if isinstance(value, bool) or number != float(value) or not least <= number <= most:
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        article = "a whole number" if kind is int else "a number"
        raise Refusal(400, "bad_number", f"{name} is {value!r:.80}; expected {article} of {least} to {most}.") from None
    return number


def _too_large():
    return Refusal(413, "too_large", f"The picture is larger than {UPLOAD / 2**20:g} MB.")


def error_body(code, sentence):
    """The JSON of an error -> str."""
    return json.dumps({"error": {"code": code, "message": sentence}})


def _refused(refusal):
    status, code, sentence = refusal.args
    headers = {"Retry-After": "1"} if status == 503 else {}
    return Response(error_body(code, sentence), status, headers, content_type="application/json")


def _http_error(error):
    if error.code == 413:
        return _refused(Refusal(413, "too_large", f"The request is larger than {BODY / 2**20:.1f} MB, or has larger or "
                                                  "more fields than are known."))
    body = error_body(CODES.get(error.code, "bad_request"), error.description)
    return Response(body, error.code, error.get_headers(), content_type="application/json")


def _failed(error):
    request.environ["wsgi.errors"].write(f"error: {type(error).__name__}: {error}\n")
    return _refused(Refusal(500, "internal", "The service failed; its terminal says why."))


def _with_headers(response):
    response.headers.update(HEADERS)
    return response
