"""Kinds that want points for wrong work, or whose answers cost the grader more than they should."""
from scripts.campaigns.hostile_kinds import Kind

NUMERIC = 5.39                      # points of a right forward with a backward by differences
DIFFERENCES = '''
def _moved(cache, k, i, by):
    parts = [part.astype(type(by) if isinstance(by, complex) else part.dtype) for part in cache]
    parts[k][i] += by
    return _forward(*parts)
def _forward(x, prev_h, Wx, Wh, b):
    return np.tanh(x @ Wx + prev_h @ Wh + b)
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    return _forward(x, prev_h, Wx, Wh, b), (x, prev_h, Wx, Wh, b)
def _numeric(dout, cache):
    grads = [np.zeros_like(part) for part in cache]
    for k, grad in enumerate(grads):
        for i in np.ndindex(grad.shape):
            grad[i] = %s
    return tuple(grads)
'''
CENTRAL = DIFFERENCES % ("((_moved(cache, k, i, 1e-6) - _moved(cache, k, i, -1e-6)) * dout).sum() / 2e-6")
COMPLEX = DIFFERENCES % ("(_moved(cache, k, i, 1e-30j).imag * dout).sum() / 1e-30")
PLAIN = "def rnn_step_backward(dout, cache):\n    return _numeric(dout, cache)\n"
IN_THREAD = '''
import threading
def rnn_step_backward(dout, cache):
    found = []
    thread = threading.Thread(target=lambda: found.extend(_numeric(dout, cache)))
    thread.start(); thread.join()
    return tuple(found)
'''
UNTRACED = '''
import sys
def rnn_step_backward(dout, cache):
    before = sys.gettrace()
    sys.settrace(None)
    grads = _numeric(dout, cache)
    sys.settrace(before)
    return grads
'''
ZEROS = '''
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    return np.zeros_like(prev_h), (x, prev_h, Wx, Wh, b)
def rnn_step_backward(dout, cache):
    return tuple(np.zeros_like(part) for part in cache)
'''
LINEAR = '''
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    return prev_h + b + x.sum() + Wx.sum() + Wh.sum(), (x, prev_h, Wx, Wh, b)
def rnn_step_backward(dout, cache):
    x, prev_h, Wx, Wh, b = cache
    t = dout.sum()
    return np.zeros_like(x) + t, dout + 0, np.zeros_like(Wx) + t, np.zeros_like(Wh) + t, dout.sum(0)
'''
FRAMES = '''import sys
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_locals.items()):
            if name in ("goldens", "expected", "grads"): return value, None
        frame = frame.f_back
'''
FORGE = '''import sys
    frame = sys._getframe()
    while "answers" not in frame.f_locals:
        frame = frame.f_back
    text = %r
    frame.f_locals["answers"].write(b"".join([(%s).to_bytes(8, "little"), len(text).to_bytes(4, "little"), text]))
    frame.f_locals["answers"].flush()
'''
NOTHING = b'{"dict": {"notes": {"list": []}, "value": null}}'
MANY = b'{"dict": {"notes": {"list": []}, "value": {"list": [' + b'{"unknown": "a"}, ' * 400_000 + b'1]}}}'


def wrong(name, tries, code="", step="", solution=ZEROS, most=0.0, **options):
    """A kind whose solution is wrong."""
    return Kind(name, tries, code, step, solution, most, **options)


KINDS = [
    wrong("zeros", "a forward of zeros with its own gradient"),
    wrong("a linear forward", "a sum of everything, which has a gradient", solution=LINEAR),
    wrong("central differences", "a backward by central differences", solution=CENTRAL + PLAIN, most=NUMERIC),
    wrong("the complex step", "a backward by the complex step", solution=COMPLEX + PLAIN, most=NUMERIC),
    wrong("differences in a thread", "where nobody watches", solution=CENTRAL + IN_THREAD, most=NUMERIC),
    wrong("differences untraced", "sys.settrace(None) in the backward", solution=CENTRAL + UNTRACED, most=NUMERIC),
    wrong("differences in made code", "the forward is compiled under the name of a library's file",
          solution="import numpy\nexec(compile('''" + COMPLEX.replace("'''", "") + PLAIN + "''', numpy.__file__, "
               "'exec'))\n",
          most=NUMERIC),
    wrong("patches NumPy", "functions that compare say yes",
          "import numpy as np\nnp.allclose = np.array_equal = np.isclose = lambda *a, **k: True\n"
          "np.abs = np.max = lambda x, *a, **k: np.float64(0)\n"),
    wrong("patches the checker", "modules of the grader, if they are in its process",
          "import sys\nfor name, module in list(sys.modules.items()):\n"
          "    if name.startswith(('gradcheck', 'scripts')):\n        for key in list(vars(module)):\n"
          "            setattr(module, key, lambda *a, **k: '')\n"),
    wrong("patches the import", "a finder that gives modules of its own",
          "import sys, types\nclass Finder:\n    def find_spec(self, name, path=None, target=None):\n"
          "        return None\n"
          "sys.meta_path.insert(0, Finder())\nsys.modules['gradcheck'] = types.ModuleType('gradcheck')\n"),
    wrong("an array that is equal to all", "a subclass of ndarray whose comparisons are true",
          "import numpy as np\nclass Equal(np.ndarray):\n    def __eq__(self, other): return np.ones(self.shape, "
          "bool)\n"
          "    __le__ = __lt__ = __ge__ = __gt__ = __eq__\n    def __sub__(self, other): return np.zeros(self.shape)\n"
          "    __rsub__ = __sub__\n",
          solution="def rnn_step_forward(x, prev_h, Wx, Wh, b):\n    return np.zeros_like(prev_h).view(Equal), (x,)\n"
                   "def rnn_step_backward(dout, cache):\n    return (np.zeros(3).view(Equal),) * 5\n"),
    wrong("an array that changes", "an object whose __array__ gives something else each time",
          "import numpy as np\nclass Changing:\n    count = 0\n    shape, dtype, ndim = (2, 9), np.dtype(float), 2\n"
          "    def __array__(self, *a, **k):\n        Changing.count += 1\n"
          "        return np.full((2, 9), Changing.count, float)\n",
          solution="def rnn_step_forward(x, prev_h, Wx, Wh, b):\n    return Changing(), (x,)\n"
                   "def rnn_step_backward(dout, cache):\n    return (Changing(),) * 5\n"),
    wrong("right for two calls", "a count of its calls", solution="_count = 0\n" + ZEROS.replace(
        "    return np.zeros_like(prev_h), ", "    global _count\n    _count += 1\n    if _count <= 2: return np.tanh("
        "x @ Wx + prev_h @ Wh + b), (x, prev_h, Wx, Wh, b)\n    return np.zeros_like(prev_h), ")),
    wrong("looks into frames", "the right numbers in what called it", step=f"    {FRAMES}"),
    wrong("looks through all objects", "gc.get_objects for arrays of the right shape",
          step="    import gc\n    for other in gc.get_objects():\n"
               "        if isinstance(other, np.ndarray) and other.shape == prev_h.shape: return other, (x,)\n"),
    wrong("clears its notes", "the grader's list of what was refused, in a frame",
          "import os, sys\nattempt = None\ntry:\n    os.kill(1, 0)\nexcept Exception: pass\nframe = sys._getframe()\n"
          "while frame:\n    frame.f_locals.get('notes', []).clear()\n    frame = frame.f_back\n"),
    wrong("forges an answer", "writes to the grader's pipe", step=f"    {FORGE % (NOTHING, 'len(text) + 4')}"),
    wrong("writes to all descriptors", "an answer to each open file",
          "import os\nfor fd in range(3, 20):\n    try: os.write(fd, b'\\x05' + bytes(7) + b'\\1\\0\\0\\0' + b'1')\n"
          "    except OSError: pass\n"),
    wrong("closes all descriptors", "so that nobody can ask", "import os\nos.closerange(0, 64)\n"),
    Kind("claims 64 MB", "an answer of 100 bytes that claims 64 MB, and never comes",
         step=f"    {FORGE % (bytes(80), '1 << 26')}    import time; time.sleep(300)\n", seconds=1.0, most=0),
    Kind("400,000 objects", "an answer of as many unknown objects",
         step="    return [object()] * 400000, None\n", most=0),
    Kind("400,000 objects forged", "the same, written to the pipe",
         step=f"    {FORGE % ('MANY', 'len(text) + 4')}".replace("'MANY'", "b'%s' % (" + repr(MANY[:52]) + " + " + repr(
             MANY[52:70]) + " * 400000 + b'1]}}}')"), most=0),
    Kind("lists in lists", "an answer 900 lists deep",
         step="    deep = []\n    for k in range(900): deep = [deep]\n    return deep, None\n", most=0),
    Kind("a huge array", "an answer of 800 MB", step="    return np.zeros(10 ** 8), None\n", most=0),
    Kind("an enormous number", "10 ** 4000", step="    return 10 ** 4000, None\n", most=0),
    Kind("prints without end", "megabytes on standard output",
         step="    for k in range(2000): print('x' * 100000)\n"),
    Kind("a name without end", "an exception whose type has a name of 1 MB, with control characters",
         step="    raise type('\\x1b[2J' + 'x' * 10 ** 6, (Exception,), {})('\\x1b]0;x\\a' * 10 ** 5)\n", most=0),
    Kind("an exception that cannot be shown", "__str__ that loops",
         step="    raise type('E', (Exception,), {'__str__': lambda self: str(self)})()\n", most=0),
    Kind("an object that cannot be shown", "__repr__ that never returns",
         step="    class Slow:\n        def __repr__(self):\n            while True: pass\n"
              "    return Slow(), None\n", most=0,
         seconds=1.0),
    Kind("asks to be stopped", "raises KeyboardInterrupt and SystemExit", step="    raise KeyboardInterrupt\n", most=0),
    Kind("recursion", "a function that calls itself", step="    return rnn_step_forward(x, prev_h, Wx, Wh, b)\n"
         "", most=0),
    Kind("changes the environment", "variables, the working folder, the search path, the random state",
         "import os, sys, numpy as np\nos.environ.clear(); os.chdir('/'); sys.path.clear(); np.random.seed(0)\n"
         "np.seterr(all='raise')\n"),
    Kind("changes Python", "builtins that do something else",
         "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.len = lambda x: 0\n", most=10),
]
