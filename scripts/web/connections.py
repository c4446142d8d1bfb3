"""Connections of the service: deadlines, whatever trickles in, and room for new ones in place of the longest waiting.

A connection waits while it has no complete request: nobody works for it, and it can be closed without harm to others.
"""
import contextlib
import time
from collections import Counter
from typing import NamedTuple

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error

from scripts.web.service import BODY, CODES, HEADERS, error_body

PIECE = 2**12                           # bytes that show that a client is sending, and not keeping a connection open
TURN = 0.1                              # seconds between two looks at the deadlines, and that a new client is left
AT_ONCE = 8                             # connections that are accepted before others are read


class Limits(NamedTuple):
    """What connections may take."""
    connections: int = 100              # in all
    address: int = 50                   # of one address
    idle: float = 30.0                  # seconds without a request
    headers: float = 10.0               # from the first byte of a request to the end of its headers
    request: float = 30.0               # from its first byte to its last; for the answer as much again
    held_bytes: int = 16 * BODY         # of all bodies


class RequestTimeout(Error):
    """waitress's errors have no 408."""
    code, reason = 408, "Request Timeout"


class JsonErrorTask(ErrorTask):
    """waitress's own answer to requests that it cannot read or that are too large."""

    def execute(self):
        error = self.request.error
        body = error_body(CODES.get(error.code, "bad_request"), f"{error.reason}.").encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend([("Content-Type", "application/json"), *HEADERS.items()])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.channel.server.metrics.unread(error.code)
        self.write(body)


class Task(WSGITask):
    """A request's task; its environment has the address that was asked."""

    def get_environment(self):
        environ = super().get_environment()
        with contextlib.suppress(OSError):                  # hung up meanwhile
            environ["SERVER_ADDR"] = self.channel.socket.getsockname()[0]
        return environ


class CarefulParser(HTTPRequestParser):
    """waitress's parser crashes on a Content-Length of very many digits; and what it does not support is status 400.

    A complete request keeps in `rest` what was sent after it.
    """
    rest = b""

    def received(self, data):
        used = super().received(data)
        if not self.completed:
            return used
        self.expect_continue = False                        # there is nothing left to wait for
        if self.empty:
            return used
        self.rest = data[used:]
        return len(data)

    def parse_header(self, header_plus):
        try:
            super().parse_header(header_plus)
        except (ValueError, TransferEncodingNotImplemented) as error:
            raise ParsingError(str(error)) from error


class Channel(HTTPChannel):
    """A connection that knows since when it waits. It reads no request before the answer to the last is sent."""
    task_class, error_task_class, parser_class = Task, JsonErrorTask, CarefulParser

    def __init__(self, server, *args, **kwargs):
        self._turn = server.turns
        self._opened = self.since = self.moved = time.monotonic()       # its state began; it sent or was sent something
        self.between, self._sent = True, 0                      # between two requests; bytes of a piece
        self._rest, self._answered = b"", False                 # what was sent after the request that is answered
        super().__init__(server, *args, **kwargs)

    def received(self, data):
        self._sent += len(data)
        if self.between:
            self.since, self.between = time.monotonic(), False
        if self._sent >= PIECE:
            self.moved, self._sent = time.monotonic(), 0
        return super().received(data)

    def service(self):
        self._rest, self._answered = self.requests[0].rest, True
        super().service()
        self._answered = False
        self.since = self.moved = time.monotonic()
        self.between = True
        if self._rest:
            self.server.pull_trigger()                          # for go_on

    def readable(self):
        return not self.requests and not self._rest and super().readable()

    def go_on(self):
        """Read what was sent after a request whose answer is sent."""
        if self._rest and self.between and not (self.requests or self.total_outbufs_len):
            data, self._rest = self._rest, b""
            self.received(data)

    @property
    def waits(self):
        """Whether nobody works for it, though there was time to send a request, and for us to read it."""
        if self.requests or self.greedy:
            return self.greedy and not self._answered
        return self.server.turns > self._turn + 1 and time.monotonic() > self._opened + TURN

    @property
    def greedy(self):
        """Whether it asks for more before it has read the last answer, or does not read that."""
        return bool(self._rest or self.total_outbufs_len or any(request.rest for request in self.requests[:1]))

    def held_bytes(self):
        return sum(request.body_bytes_received for request in (*self.requests, self.request) if request is not None)

    def patience(self, limits):
        """Seconds that it may go on waiting in the state it is in."""
        if self.total_outbufs_len:
            return limits.request                               # the other side does not read
        if self.between:
            return limits.idle
        return limits.request if self.request is not None and self.request.headers_finished else limits.headers

    def give_up(self):
        """Answer a request that does not end; close what does not even read."""
        with self.requests_lock:
            late = self.request
            if late is None or self.total_outbufs_len or self.requests:
                return self.handle_close()
            if not late.headers_finished:
                late.parse_header(b"GET / HTTP/1.0\r\n")        # what an error's answer asks for
            late.error, late.completed, self.request = RequestTimeout(""), True, None
            self.requests.append(late)
        return self.server.add_task(self)


class Server(TcpWSGIServer):
    """waitress's server with Limits; `metrics` counts what they did."""
    channel_class = Channel

    def __init__(self, app, listener, limits, metrics, adjustments):
        self.limits, self.metrics, self.turns, self._next, self._more = limits, metrics, 0, 0.0, 0
        info = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(app, _sock=listener, adj=adjustments, sockinfo=info, bind_socket=False)

    def run(self):
        """Serve until the server is closed; Ctrl-C ends it with KeyboardInterrupt, as any command."""
        try:
            while self.accepting:
                wasyncore.loop(TURN, use_poll=True, map=self._map, count=1)
                self._tend()
                self.turns += 1
        except (SystemExit, KeyboardInterrupt):
            self.task_dispatcher.shutdown()
            raise
        finally:
            wasyncore.close_all(self._map, ignore_all=True)

    def readable(self):
        """Whether a new connection has room, or somebody waits who can make room."""
        channels = list(self.active_channels.values())
        return self.accepting and (len(channels) < self.limits.connections or any(c.waits for c in channels))

    def handle_accept(self):
        """Several at a time, but few enough that each is read before it has waited longest."""
        self._more = AT_ONCE
        while self._more:
            self._more -= 1
            super().handle_accept()

    def accept(self):
        found = super().accept()
        if found is None:
            self._more = 0
        else:
            self.metrics.count("accepted")
            self._make_room(found[1][0])
        return found

    def _make_room(self, *new):
        """Close connections above the limits, when those of the addresses `new` have come; some may have to stay."""
        channels = list(self.active_channels.values())
        crowds = Counter([*(channel.addr[0] for channel in channels), *new])
        for address, number in crowds.items():
            for _ in range(number - self.limits.address):
                self._evict([channel for channel in channels if channel.addr[0] == address], crowds)
        for _ in range(len(self.active_channels) + len(new) - self.limits.connections):
            self._evict(channels, crowds)

    def _tend(self):
        """Close what is past its deadline, and bodies if all together grow too large."""
        now, channels = time.monotonic(), list(self.active_channels.values())
        for channel in channels:
            channel.go_on()
        if sum(channel.held_bytes() for channel in channels) > self.limits.held_bytes:
            self._evict([channel for channel in channels if channel.held_bytes()])
        if now < self._next:
            return
        self._next = now + TURN
        self._make_room()
        for channel in channels:
            if not channel.requests and now - channel.since > channel.patience(self.limits):
                self.metrics.count("late")
                channel.give_up()
        self.metrics.open = len(self.active_channels)

    def _evict(self, channels, crowds=None):
        """Close a greedy one, else the one that has sent nothing for longest, of the address with most connections."""
        waiting = [channel for channel in channels if channel.waits and channel.connected]
        if waiting:
            crowds = crowds or Counter()
            first = min(waiting, key=lambda channel: (-crowds[channel.addr[0]], not channel.greedy, channel.moved))
            first.handle_close()
            self.metrics.count("evicted")
