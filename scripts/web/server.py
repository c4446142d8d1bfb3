"""The waitress server that runs the service."""
import logging
import socket

from waitress.adjustments import Adjustments

from scripts.web.connections import Limits, Server
from scripts.web.service import BODY

HEADERS = 2**15                         # bytes of a request's headers


def make_server(app, in_flight, listener, limits=None):
    """A server for the application on a listening socket; server.run() ends with Ctrl-C.

    It has more threads than requests may wait for the model, so that refusals and /api/health are answered at once.
    Bodies stay in memory. limits: scripts.web.connections.Limits.
    """
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)     # a queue is normal: the worker bounds it
    # Few bytes at a time: the answers to all requests that fit in them wait in memory if nobody reads them.
    adjustments = Adjustments(sockets=[listener], threads=in_flight + 4, ident=None, recv_bytes=2**13,
                              max_request_header_size=HEADERS, max_request_body_size=BODY, inbuf_overflow=2 * BODY,
                              clear_untrusted_proxy_headers=False)      # nobody trusts them, and they show a proxy
    return Server(app, listener, limits or Limits(), app.extensions["metrics"], adjustments)


def listen(host, port):
    """A socket that listens there. Raises ValueError or OSError, one line."""
    if not 0 <= port < 2**16:
        raise ValueError(f"--port {port}: expected 0 to {2**16 - 1}")
    try:
        host.encode("idna")                             # as the socket does, which is left open where that fails
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while ")[0]     # what Python adds
        raise OSError(f"{host}:{port}: cannot listen there ({reason}): choose another --host or --port") from error
