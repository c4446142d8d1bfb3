"""What the service counts for who runs it: requests by route and status, latencies, connections, the model's queue."""
import math
import threading
import time
from collections import Counter, defaultdict, deque

LAST = 1000                             # times that are kept as they are
STEPS = 8                               # of the times since the start: so many classes for a doubling
UNREAD = "(not read)"                   # the route of what is no request, or too large, or too late
QUANTILES = {"median": 0.5, "p90": 0.9, "p99": 0.99}


class Times:
    """Times in seconds: the last ones exactly, those since the start to 5 %."""

    def __init__(self):
        self._last, self._classes, self._sum, self._most = deque(maxlen=LAST), Counter(), 0.0, 0.0

    def add(self, seconds):
        """Not for two threads at once."""
        self._last.append(seconds)
        self._classes[round(STEPS * math.log2(max(seconds, 1e-6)))] += 1
        self._sum, self._most = self._sum + seconds, max(self._most, seconds)

    def told(self):
        """Count, mean, quantiles and maximum in milliseconds -> dict of `last` and `since_start`; others may add."""
        last = list(self._last)
        classes = [(2 ** (k / STEPS), n) for k, n in sorted(dict(self._classes).items())]
        return {"last": _told([(t, 1) for t in sorted(last)], sum(last), max(last, default=0.0)),
                "since_start": _told(classes, self._sum, self._most)}


def _told(ordered, total, most):
    """ordered: (seconds, how often), ascending."""
    count = sum(n for _, n in ordered)
    values = {"mean": total / max(count, 1), **{name: _quantile(ordered, part * count)
                                                for name, part in QUANTILES.items()}, "max": most}
    return {"count": count, **{name: round(1000 * min(value, most), 2) for name, value in values.items()}}


def _quantile(ordered, rank):
    """The first value with so many at or below it; 0 of none."""
    below = 0
    for value, n in ordered:
        below += n
        if below >= rank:
            return value
    return 0.0


class Metrics:
    """Counts since the start; nothing of a request but its route and status."""

    def __init__(self):
        self._lock, self._began = threading.Lock(), time.monotonic()
        self._answers, self._times = Counter(), defaultdict(Times)
        self._connections, self._in_flight, self.open = Counter(accepted=0, evicted=0, late=0), 0, 0

    def began(self):
        """A request has come."""
        with self._lock:
            self._in_flight += 1

    def ended(self, route, status, seconds):
        """It was answered: route, as "GET /api/health"; status; seconds that it took."""
        with self._lock:
            self._in_flight -= 1
            self._answers[route, status] += 1
            self._times[route].add(seconds)

    def unread(self, status):
        """A request that did not reach the application was answered."""
        with self._lock:
            self._answers[UNREAD, status] += 1

    def count(self, name):
        """A connection was "accepted", "evicted" for a new one, or "late" at its deadline."""
        with self._lock:
            self._connections[name] += 1

    def told(self):
        """All of it -> dict, as /api/metrics has it."""
        with self._lock:
            requests = defaultdict(dict)
            for (route, status), n in sorted(self._answers.items()):
                requests[route][str(status)] = n
            return {"seconds": round(time.monotonic() - self._began, 1), "in_flight": self._in_flight,
                    "requests": dict(requests),
                    "latency_ms": {route: times.told() for route, times in sorted(self._times.items())},
                    "connections": {"open": self.open, **self._connections}}
