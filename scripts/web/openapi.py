"""The service described for programs, OpenAPI 3.1, from the same bounds and codes as the service's own."""
from data.photos import MAX_SIDE, MIN_SIDE
from data.pictures import MAX_PIXELS

ERRORS = {                              # status -> codes; a test holds it to the code and to docs/serving.md
    400: ("bad_request", "bad_json", "no_picture", "unknown_field", "bad_number"),
    403: ("other_site", "other_machine"),
    404: ("not_found",),
    405: ("method_not_allowed",),
    408: ("too_slow",),
    413: ("too_large",),
    415: ("unsupported_type",),
    422: ("bad_picture",),
    431: ("too_large",),
    500: ("internal",),
    503: ("busy",),
    504: ("timeout",),
}
ANY = (400, 403, 408, 413, 431, 500)    # of every route: what the server cannot read, is too large, slow or foreign
SMALLEST = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFElEQVR4nGM8IafBgA0wYRUdtBIA2HwBHmyUUMcAAAAASUVORK5CYII="
BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}(==)?|[A-Za-z0-9+/]{3}=?)?$"
NUMBER, TEXT, BOOL = {"type": "number"}, {"type": "string"}, {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0}


def description(numbers, upload, headers, scenes):
    """The description -> dict.

    numbers: of the service, field -> (type, least, most); upload: bytes of a picture; headers: of all responses;
    scenes: how many are offered.
    """
    def paths():
        yield "/", _get("The page", "text/html", TEXT)
        yield "/{name}", _get("A file of the page", "text/*", TEXT, 404, parameters=[
            _in_path("name", {"enum": ["index.html", "overlay.js", "page.css", "page.js"]})])
        yield "/api/health", _get("Which run is served, and the bounds", "application/json", _health(numbers))
        yield "/api/metrics", _get("Counts and latencies, to the service's own machine", "application/json", _METRICS)
        yield "/api/openapi.json", _get("This description", "application/json", {"type": "object"})
        yield "/api/caption", {"post": {
            "summary": "Caption a picture", "operationId": "caption",
            "requestBody": {"required": True, "content": _picture(numbers, upload)},
            "responses": _responses("application/json", {"$ref": "#/components/schemas/Answer"}, headers,
                                    415, 422, 503, 504)}}
        if scenes:
            yield "/scenes/{k}.png", _get("A drawn scene", "image/png", None, 404, parameters=[
                _in_path("k", {"type": "integer", "minimum": 0, "maximum": scenes - 1})])

    def _get(summary, kind, schema, *statuses, **more):
        return {"get": {"summary": summary, **more, "responses": _responses(kind, schema, headers, *statuses)}}
    return {"openapi": "3.1.0", "info": {"title": "Captions of pictures", "version": "1"}, "paths": dict(paths()),
            "components": {"schemas": {"Answer": _answer(), "Error": _error([c for codes in ERRORS.values()
                                                                             for c in codes])}}}


def _in_path(name, schema):
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _responses(kind, schema, headers, *statuses):
    """The responses of a route: its own, the errors that any can have, and some more."""
    told = {name: {"required": True, "schema": {"const": value}} for name, value in headers.items()}
    good = {"description": "As asked", "headers": told, "content": {kind: {} if schema is None else {"schema": schema}}}
    return {"200": good, **{str(status): {
        "description": " or ".join(ERRORS[status]),
        "headers": {**told, "Retry-After": {"required": True, "schema": COUNT}} if status == 503 else told,
        "content": {"application/json": {"schema": _error(ERRORS[status])}}} for status in sorted({*ANY, *statuses})}}


def _picture(numbers, upload):
    """The two forms of a request."""
    fields = {name: {"type": "integer" if kind is int else "number", "minimum": least, "maximum": most}
              for name, (kind, least, most) in numbers.items()}
    bounds = (f"JPEG, PNG, GIF, BMP, WebP or TIFF of at most {upload:,} bytes and {MAX_PIXELS:,} pixels, sides of "
              f"{MIN_SIDE} to {MAX_SIDE:,}")
    text = {"type": "string", "pattern": BASE64, "minLength": 2, "maxLength": upload * 4 // 3 + 4,
            "contentEncoding": "base64", "description": f"{bounds}. Also a data: URL, with line breaks, or URL-safe."}
    return {"application/json": {"schema": _object({"image": text, **fields}, ["image"]),
                                 "example": {"image": SMALLEST, "beam": 2}},
            "multipart/form-data": {"schema": _object({
                "image": {"type": "string", "format": "binary", "minLength": 1, "description": bounds}, **fields},
                ["image"])}}


def _object(properties, required=None):
    return {"type": "object", "properties": properties, "additionalProperties": False,
            "required": list(properties) if required is None else required}


def _list(items, **bounds):
    return {"type": "array", "items": items, **bounds}


def _error(codes):
    return _object({"error": _object({"code": {"enum": sorted(set(codes))}, "message": {**TEXT, "minLength": 2}})})


def _answer():
    log_p = {"type": "number", "maximum": 0}
    pair = _list({"type": ["string", "number"]}, minItems=2, maxItems=2)            # a word and its log-probability
    caption = {"caption": TEXT, "words": _list(TEXT), "log_probs": _list(log_p), "log_prob": log_p, "finished": BOOL,
               "others": _list(_list(pair)),
               "attention": {"anyOf": [{"type": "null"}, _list(_list(_list({**NUMBER, "minimum": 0, "maximum": 1})))]}}
    grid = {"anyOf": [{"type": "null"}, _list({"type": "integer", "minimum": 1}, minItems=2, maxItems=2)]}
    return _object({**caption, "grid": grid, "alternatives": _list(_object(caption))})


def _health(numbers):
    bounds = {"upload_bytes": COUNT, "pixels": COUNT, "decoded_bytes": COUNT, "side": COUNT, "in_flight": COUNT,
              **{name: _list(NUMBER, minItems=2, maxItems=2) for name in numbers}}
    told = {"status": {"const": "ok"}, "run": TEXT, "model": TEXT, "attention": BOOL,
            "encoder": {"type": ["string", "null"]}, "beam": COUNT, "scenes": COUNT, "seconds": NUMBER,
            "bounds": _object(bounds)}
    return _object(told, [name for name in told if name not in ("encoder", "beam")])


_TIMES = _object(dict.fromkeys(("last", "since_start"), _object({
    "count": COUNT, **dict.fromkeys(("mean", "median", "p90", "p99", "max"), {**NUMBER, "minimum": 0})})))
_METRICS = _object({
    "seconds": NUMBER, "in_flight": COUNT, "queue_ms": _TIMES, "decoder": _object({"restarts": COUNT}),
    "requests": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": COUNT}},
    "latency_ms": {"type": "object", "additionalProperties": _TIMES},
    "connections": _object(dict.fromkeys(("open", "accepted", "evicted", "late"), COUNT))})
