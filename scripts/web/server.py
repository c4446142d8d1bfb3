"""The waitress server that runs the service: limits on connections and bodies, and its own errors as JSON."""
import logging
import socket

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import create_server
from waitress.task import ErrorTask

from scripts.web.service import BODY, CODES, HEADERS, error_body

IDLE = 30                               # seconds after which an idle connection is closed
CONNECTIONS = 100


class JsonErrorTask(ErrorTask):
    """waitress's own answer to requests that it cannot read or that are too large."""

    def execute(self):
        error = self.request.error
        body = error_body(CODES.get(error.code, "bad_request"), f"{error.reason}.").encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend([("Content-Type", "application/json"), *HEADERS.items()])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class CarefulParser(HTTPRequestParser):
    """waitress's parser crashes on a Content-Length with more digits than Python converts; this one refuses it."""

    def parse_header(self, header_plus):
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError(str(error)) from error


class JsonChannel(HTTPChannel):
    error_task_class, parser_class = JsonErrorTask, CarefulParser


def make_server(app, in_flight, listener):
    """A server for the application on a listening socket; server.run() ends with Ctrl-C.

    It has more threads than requests may wait for the model, so that refusals and /api/health are answered at once.
    Bodies stay in memory.
    """
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)     # a queue is normal: the worker bounds it
    server = create_server(app, sockets=[listener], threads=in_flight + 4, channel_timeout=IDLE, cleanup_interval=5,
                           connection_limit=CONNECTIONS, max_request_body_size=BODY, inbuf_overflow=2 * BODY,
                           ident=None)
    server.channel_class = JsonChannel
    return server


def listen(host, port):
    """A socket that listens there. Raises ValueError or OSError, one line."""
    if not 0 <= port < 2**16:
        raise ValueError(f"--port {port}: expected 0 to {2**16 - 1}")
    try:
        host.encode("idna")                             # as the socket does, which is left open where that fails
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"{host}:{port}: cannot listen there ({reason}): choose another --host or --port") from error
