"""A server of files on this machine, which cuts connections, forgets files and knows no Range, as tests ask it."""
import contextlib
import functools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scripts.datasets.downloads import BLOCK

CUT = 2 * BLOCK


class Handler(BaseHTTPRequestHandler):
    """`contents` by path or name, from `Range`; names in `cut` end early while `cuts` last; plain.zip has no Range."""

    def do_GET(self):
        server = self.server
        asked = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        server.asked.append((self.path, asked))
        name = self.path.rpartition("/")[2]
        content = server.contents.get(self.path, server.contents.get(name))
        if content is None:
            return self.send_error(404)
        start = 0 if name == "plain.zip" else asked
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = name in server.cut and server.cuts > 0
        server.cuts -= cut
        return self.wfile.write(content[start:start + CUT] if cut else content[start:])

    def log_message(self, *args):
        """Nothing on the tests' standard error."""


@contextlib.contextmanager
def serving():
    """A server with `contents` (path or name -> bytes), `cut` (names), `cuts` (how often) and `asked` (path, start)."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.contents, server.asked, server.cut, server.cuts = {}, [], {"cut.zip", "plain.zip"}, 0
    thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
