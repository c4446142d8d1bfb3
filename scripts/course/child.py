"""The process under test: it imports a submission and calls its functions on request. It judges nothing.

Requests and answers go through what were standard input and output; what the submission prints goes to standard error.
"""
import contextlib
import io
import os
import sys
import traceback
import warnings

import numpy as np

from gradcheck.snapshot import first_change, snapshot
from scripts.course import guard
from scripts.course.cache_form import copied, in_form_of
from scripts.course.evaluations import Watch
from scripts.course.wire import Reference, encode, read

WORDS = ("<NULL>", "<START>", "<END>")


def main(settings, confine):
    """Serve requests until the grader closes the pipe. confine(): confines this process, when all is imported.

    settings: supervisor.Settings. The checkout, where this file comes from, leaves the path.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    notes = []
    warnings.filterwarnings("ignore", "Casting complex values to real")         # from the checker's complex step
    _forget(settings.checkout)
    os.chdir(settings.work)
    sys.path.insert(0, settings.work)
    confine()
    guard.install(settings.work, [settings.checkout, *settings.forbidden], notes)
    server = Server()
    while True:
        try:
            request = read(requests)
        except EOFError:
            return
        answers.write(answer(server, request, notes))
        answers.flush()


def _forget(checkout):
    """Make the checkout impossible to import, even if it is installed in editable mode."""
    checkout = os.path.realpath(checkout)
    ours = {"rnnlayers", "models", "data", "gradcheck", "scripts"}
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]
    sys.path[:] = [folder for folder in sys.path if folder and os.path.realpath(folder) != checkout]
    sys.meta_path[:] = without_editable(sys.meta_path)
    sys.path_importer_cache.clear()


def without_editable(finders):
    """Those that do not find an editable installation, which would lend its modules to a folder that has fewer."""
    return [finder for finder in finders if not str(getattr(finder, "__module__", "")).startswith("__editable__")]


def answer(server, request, notes):
    """Carry out a request -> the answer as bytes: the value, or the exception."""
    try:
        message = encode({"value": getattr(server, request["do"])(*request["args"]), "notes": list(notes)})
    except BaseException as error:                              # of the submission, exits and interrupts too
        message = encode({**_raised(error), "notes": list(notes)})
    with contextlib.suppress(BaseException):                    # the submission may have put something there
        sys.stdout.flush()
    return message


def _raised(error):
    """An exception as texts. Its methods belong to the submission and may raise too."""
    try:
        return {"raised": type(error).__name__[:60], "message": str(error)[:600], "where": _where(error)[:200]}
    except BaseException:
        return {"raised": "Error", "message": "an exception that cannot be shown", "where": ""}


def _where(error):
    """The submission's line that raised, as 'rnnlayers/rnn.py, line 34: code'."""
    places = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)
    inside = [place for place in places if place.filename.startswith(sys.path[0] + os.sep)]
    if not inside or isinstance(error, (SyntaxError, NotImplementedError)):
        return ""
    name = os.path.relpath(inside[-1].filename, sys.path[0]).replace(os.sep, "/")
    return f"{name}, line {inside[-1].lineno}: {inside[-1].line}"


class Server:
    """The requests of the grader. Each call gets fresh copies of its arguments."""

    def __init__(self):
        self.layers, self.caches, self.count = {}, {}, 0

    def start(self):
        """Import the layers -> their names."""
        import rnnlayers
        import rnnlayers.optim
        self.layers = {**vars(rnnlayers.optim), **vars(rnnlayers)}
        return [name for name, value in self.layers.items() if callable(value)]

    def call(self, name, args, opaque):
        """Call a layer -> its result; with `opaque` the last part, the cache, stays in this process."""
        result = self.layers[name](*map(self._resolve, args))
        result = tuple(result) if isinstance(result, list) else result          # as unpacking takes it
        if not opaque or not isinstance(result, tuple) or not result:
            return result
        self.count += 1
        self.caches[self.count] = result[-1]
        return (*result[:-1], Reference(self.count))

    def drop(self, numbers):
        """Forget caches."""
        for number in numbers:
            self.caches.pop(number, None)

    def writes(self, forward, backward, args, before, after):
        """The arrays of the caller that forward and backward write to, "" if there are none.

        before, after: backward's arguments around the cache; backward None for a loss.
        """
        kept = snapshot(args, "")
        *outs, cache = self.layers[forward](*args)
        if path := first_change(kept, snapshot(args, "")):
            return f"{forward} writes to its argument {path}: work on a copy"
        if backward is None:
            return ""
        kept, douts = snapshot(args, ""), (before, after)
        kept_douts, kept_cache = snapshot(douts, "dout"), snapshot(cache, "cache")
        first = snapshot(self.layers[backward](*before, cache, *after), "")
        for now, then, what in ((douts, kept_douts, "dout"), (args, kept, ""), (cache, kept_cache, "cache")):
            if path := first_change(then, snapshot(now, what)):
                return f"{backward} writes to {what or 'an input of forward'}, which is not its own ({path})"
        if first_change(first, snapshot(self.layers[backward](*before, cache, *after), "")):
            return f"{backward} returns something else when it is called again with the same arguments"
        return ""

    def evaluations(self, forward, backward, args, before, after):
        """What turns up in a pair that comes from moved inputs: see evaluations.Watch. -> (moved, complex)."""
        result = self.layers[forward](*args)
        outs = [out for out in (result if isinstance(result, (tuple, list)) else [result])
                if isinstance(out, np.ndarray)]
        outs = outs[:len(before) + len(after)]
        inputs = [x for arg in args for x in (arg.values() if isinstance(arg, dict) else [arg])]
        with Watch(sys.path[0], inputs, outs) as first:         # forward could put the derivatives into its cache
            self.layers[forward](*args)
        with Watch(sys.path[0], inputs, outs) as second:
            if backward:
                self.layers[backward](*before, result[-1], *after)
        return max(first.moved, second.moved), max(first.complex, second.complex)

    def backward_with(self, forward, backward, args, before, cache, after):
        """Gradients from another cache, put into the form of the own one. Raises cache_form.CacheForm."""
        *_, own = self.layers[forward](*args)
        return self.layers[backward](*before, in_form_of(own, cache), *after)

    def captioner(self, sizes, cell, options, params, method, args, seed):
        """A CaptioningRNN with these parameters: the result of a method, and the arrays it wrote to, or ""."""
        from models import CaptioningRNN
        V, D, W, H = sizes
        words = {word: i for i, word in enumerate([*WORDS, *(f"word{i}" for i in range(V - len(WORDS)))])}
        with contextlib.redirect_stdout(io.StringIO()):
            model = CaptioningRNN(words, D, W, H, cell, np.float64, seed=0, backend="textbook", **options)
        model.params = dict(params)
        kept = snapshot((params, args), "")
        if method == "steps":                                   # scores after each of some words
            state, result = model.start(args[0]), []
            for word in args[1].T:
                scores, state = model.step(word, state)
                result.append(scores)
        elif method == "evaluations":                           # of the loss, see evaluations.Watch
            with Watch(sys.path[0], [*args, *params.values()], []) as watch:
                model.loss(*args)
            result = watch.moved, watch.complex
        else:
            rng = [] if seed is None else [np.random.default_rng(seed)]
            result = getattr(model, method)(*args, *rng)
        path = first_change(kept, snapshot((params, args), "")) or first_change(
            snapshot(params, ""), snapshot(model.params, ""))
        return result, "" if path is None else f"CaptioningRNN.{method} writes to what it was given ({path})"

    def _resolve(self, arg):
        """A copy of the cache with this number, so that no call sees what another one wrote to it."""
        return copied(self.caches[arg.number]) if isinstance(arg, Reference) else arg
