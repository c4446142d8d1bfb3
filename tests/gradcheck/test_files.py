"""python -m gradcheck FILE.py: pairs by name, shapes from docstrings or --shapes, and what cannot be checked."""
import json
import sys
import textwrap

import pytest

from gradcheck.__main__ import main

DENSE = '''
import numpy as np

def dense_forward(x, w, b):
    """A dense layer.

    - x: the batch, of shape (N, d_1, ..., d_k)
    - w: Weights of shape (D, M), where D = d_1 * ... * d_k
    - b: (M,)
    """
    return x.reshape(len(x), -1) @ w + b, (x, w)

def dense_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)
'''
SCALE = '''
def scale_forward(x, s):
    return x * s, (x, s)

def scale_backward(dout, cache):
    x, s = cache
    return dout * s, (dout * x).sum(axis=0)
'''
WRONG = '''
def square_forward(x):
    """x (N, D): any numbers."""
    return x * x, x

def square_backward(dout, x):
    return dout * x
'''


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Function: text of mylayers.py, options -> exit code, what is printed."""
    def run(text, *options):
        file = tmp_path / "mylayers.py"
        file.write_text(textwrap.dedent(text))
        modules, path = set(sys.modules), list(sys.path)
        code = main([str(file), *options])
        assert sys.path == path and "mylayers" not in set(sys.modules) - modules
        said = capsys.readouterr()
        return code, said.out + said.err
    return run


def test_all_pairs_of_a_file_with_the_shapes_of_their_docstrings(check):
    code, said = check(DENSE + WRONG.replace("dout * x", "2 * dout * x"))
    assert code == 0 and '''dense: --shapes "x=N,2,6 w=12,M b=M", from the docstring\n''' in said
    assert 'square: --shapes "x=N,D"' in said and "4 checked in" in said
    assert said.endswith("0 wrong; found pairs: 2, not checked: 0\n")


def test_a_wrong_gradient_is_reported_in_full_and_the_others_are_checked(check):
    code, said = check(WRONG + DENSE + SCALE)
    assert code == 1 and "likely cause: dx: 0.5 times the gradient everywhere" in said
    assert "2 wrong: square float64, square float32; found pairs: 3, not checked: 1" in said


def test_a_pair_without_shapes_is_named_with_a_line_to_fill_in(check, tmp_path):
    code, said = check(DENSE + SCALE, "--json", str(tmp_path / "all.json"), "--plot", str(tmp_path / "maps"))
    reason = 'no shape for x, s in the docstring: give --shapes "x=... s=..."'
    assert code == 2 and f"scale: could not be checked: {reason}" in said and "found pairs: 2, not checked: 1" in said
    found = json.loads((tmp_path / "all.json").read_text())
    assert [row["name"] for row in found["pairs"]] == ["dense", "dense"] and found["models"] == []
    assert found["skipped"] == [{"name": "scale", "reason": reason}] and len(list((tmp_path / "maps").iterdir())) == 2


def test_shapes_go_to_all_pairs_by_name_and_may_be_completed_by_docstrings(check):
    code, said = check(DENSE + SCALE + WRONG.replace("dout * x", "2 * dout * x"), "--shapes", "s=D b=M x=4,D w=D,2")
    assert code == 2 and 'scale: --shapes "x=4,D s=D", from --shapes' in said
    assert "dense: could not be checked: forward raised ValueError: operands could not be broadcast" in said
    assert 'with --shapes "x=4,D w=D,2 b=M" from --shapes' in said          # not the docstring in its place
    code, said = check(DENSE, "--shapes", "x=4,5,2 w=10,M")
    assert code == 0 and 'dense: --shapes "x=4,5,2 w=10,M b=M", from --shapes and the docstring' in said


LAYERS = {
    "conv": ("x=N,C,7,W w=6,C,HH,WW b=6 conv_param=({'stride': 2, 'pad': 1})", '''
        def conv_forward_naive(x, w, b, conv_param):
            """
            Slide F filters over a picture.

            Input:
            - x: Pictures of shape (N, C, H, W)
            - w: Filters of shape (F, C, HH, WW)
            - b: One number for each filter, of shape (F,)
            - conv_param: A dictionary with the keys
              - 'stride': how far a filter moves
              - 'pad': how many zeros surround the picture

            Returns a tuple of:
            - out: of shape (N, F, H', W')
            """
            pad, (h, v) = conv_param["pad"], w.shape[2:]
            wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
            rows, columns = wide.shape[2] - h + 1, wide.shape[3] - v + 1
            patches = np.stack([wide[:, :, i:i + rows, j:j + columns] for i in range(h) for j in range(v)], axis=2)
            kernel = w.reshape(*w.shape[:2], -1)
            return np.einsum("ncpij,fcp->nfij", patches, kernel) + b[:, None, None], (x, w, patches, pad, wide.shape)

        def conv_backward_naive(dout, cache):
            x, w, patches, pad, shape = cache
            h, v = w.shape[2:]
            dpatches = np.einsum("nfij,fcp->ncpij", dout, w.reshape(*w.shape[:2], -1))
            dwide = np.zeros(shape, dout.dtype)
            for k in range(h * v):
                i, j = divmod(k, v)
                dwide[:, :, i:i + dout.shape[2], j:j + dout.shape[3]] += dpatches[:, :, k]
            dw = np.einsum("nfij,ncpij->fcp", dout, patches).reshape(w.shape)
            return dwide[:, :, pad:-pad, pad:-pad], dw, dout.sum(axis=(0, 2, 3))
        '''),
    "max_pool": ("x=N,C,H,W pool_param=({'pool_height': 2, 'pool_width': 2, 'stride': 2})", '''
        def max_pool_forward(x, pool_param):
            """
            x -- Pictures, of shape (N, C, H, W)
            pool_param -- dictionary of 'pool_height' (rows of a region), 'pool_width' and 'stride'
            """
            (N, C, H, W), p, q = x.shape, pool_param["pool_height"], pool_param["pool_width"]
            assert H % p == 0 and W % q == 0 and pool_param["stride"] == p
            regions = x.reshape(N, C, H // p, p, W // q, q)
            out = regions.max(axis=(3, 5), keepdims=True)
            return out[:, :, :, 0, :, 0], (regions == out, x.shape)

        def max_pool_backward(dout, cache):
            winner, shape = cache
            return (winner * dout[:, :, :, None, :, None]).reshape(shape)
        '''),
    "batchnorm": ("x=N,D gamma=D beta=D bn_param=({'mode': 'train'})", '''
        def batchnorm_forward(x, gamma, beta, bn_param):
            """
            Inputs:
            x : ndarray, shape (N, D)
                The batch.
            gamma, beta : ndarray of shape (D,) and (D,)
                Scale and shift.
            bn_param : Dictionary with the keys:
              - mode: 'train' or 'test'
              - eps: a small number
              - running_mean: Array of shape (D,), the mean of earlier batches
            """
            assert bn_param["mode"] == "train"
            mean, scale = x.mean(axis=0), 1 / np.sqrt(x.var(axis=0) + bn_param.get("eps", 1e-5))
            bn_param["running_mean"] = 0.9 * bn_param.get("running_mean", 0 * mean) + 0.1 * mean
            normal = (x - mean) * scale
            return gamma * normal + beta, (normal, scale, gamma)

        def batchnorm_backward(dout, cache):
            normal, scale, gamma = cache
            d = dout * gamma
            dx = scale * (d - d.mean(axis=0) - normal * (d * normal).mean(axis=0))
            return dx, (dout * normal).sum(axis=0), dout.sum(axis=0)

        def batchnorm_backward_short(dout, cache):
            return batchnorm_backward(dout, cache)
        '''),
    "dropout": ("x=N,D dropout_param=({'mode': 'train', 'p': 0.3, 'seed': 0})", '''
        def dropout_forward(x, dropout_param):
            """
            :param x: Input, of any shape
            :param dropout_param: A dictionary with the following keys:
                - p: the probability of keeping a number
                - mode: 'train' or 'test'
                - seed: of the random numbers
            :return: out, cache
            """
            rng = np.random.default_rng(dropout_param["seed"])
            mask = (rng.random(x.shape) < dropout_param["p"]) / dropout_param["p"]
            return x * mask, mask

        def dropout_backward(dout, cache):
            return dout * cache
        '''),
    "cell": ("x=N,D prev_h=N,H prev_c=N,H Wx=D,4H Wh=H,4H b=4H", '''
        def cell_forward(x, prev_h, prev_c, Wx, Wh, b):
            """One step.

            Args:
                x (np.ndarray): the words of this step [N, D].
                prev_h, prev_c: states of the step before, each of shape (N, H)
                `Wx`: (D, 4 * H)
                Wh, b: arrays of shape (H, H*4) and [4H,]
            """
            a = x @ Wx + prev_h @ Wh + b
            gates = np.split(np.tanh(a), 4, axis=1)
            c = gates[0] * prev_c + gates[1] * gates[3]
            return gates[2] * c, c, (x, prev_h, prev_c, Wx, Wh, gates, c)

        def cell_backward(dh, dc, cache):
            x, prev_h, prev_c, Wx, Wh, (i, f, o, g), c = cache
            dc = dc + dh * o
            da = np.hstack([dc * prev_c * (1 - i**2), dc * g * (1 - f**2), dh * c * (1 - o**2), dc * f * (1 - g**2)])
            return da @ Wx.T, da @ Wh.T, dc * i, x.T @ da, prev_h.T @ da, da.sum(axis=0)
        '''),
    "embedding": ("ids=N,T<V mask=N,T<bool table=V,D", '''
        def embedding_forward(ids, mask, table):
            """
            * ids: Integer array of shape (N, T); each element i is a word, 0 <= i < V
            * mask: Boolean array (N, T), true where there is a word
            * table: a vector of each word, (V, D)
            """
            return table[ids] * mask[..., None], (ids, mask, table.shape)

        def embedding_backward(dout, cache):
            ids, mask, shape = cache
            dtable = np.zeros(shape, dout.dtype)
            np.add.at(dtable, ids, dout * mask[..., None])
            return dtable
        '''),
    "pick": ("x=N,C y=N<C eps=(1e-05) big=42,N half=3", '''
        def pick_forward(x, y, eps, big, half):
            """Returns the scores x (N, C) at their labels.

            y: vector of labels of shape (N,), where y[i] is the label of x[i] and 0 <= y[i] < C
            big: numbers of shape (C*HH*WW + 12, N)
            half: numbers of shape (H/2,)
            """
            assert eps == 1e-5 and len(half) == 3
            return x[np.arange(len(y)), y] + eps + big[0] * half[0], (x, y, big, half)

        def pick_backward(dout, cache):
            x, y, big, half = cache
            dx, dbig, dhalf = np.zeros_like(x), np.zeros_like(big), np.zeros_like(half)
            dx[np.arange(len(y)), y], dbig[0], dhalf[0] = dout, dout * half[0], dout @ big[0]
            return dx, dbig, dhalf
        '''),
    "attend": ("h=N,H A=N,H,L regions=N<2", '''
        def forward_attend(h, A, regions=None):
            """h (N, H), A (N, H, L), regions None or integer (N,): how many count -> out (N, L), cache."""
            return np.einsum("nh,nhl->nl", h, A), A.sum(axis=2), (h, A)

        def backward_attend(dout, cache, dsum):
            h, A = cache
            return np.einsum("nl,nhl->nh", dout, A), h[:, :, None] * dout[:, None] + dsum[:, :, None]
        '''),
}


@pytest.mark.parametrize("name", LAYERS)
def test_styles_of_docstrings(name, check):
    shapes, text = LAYERS[name]
    code, said = check("import numpy as np\n" + textwrap.dedent(text))
    assert code == 0, said
    assert f'{name}: --shapes "{shapes}", from the docstring\n' in said.replace("_naive", "")


def test_sizes_that_forward_refuses_are_changed(check):
    code, said = check('''
        def halves_forward(x, y):
            """x: of shape (rows, width); y: of shape (rows, size)"""
            if x.shape[1] % 2 or x.shape != y.shape:
                raise ValueError("odd")
            return x * y, (x, y)
        def halves_backward(dout, cache):
            return dout * cache[1], dout * cache[0]
        ''')
    assert code == 0 and 'halves: --shapes "x=4,4 y=4,4", from the docstring, with other sizes' in said


def test_what_forward_says_is_the_reason(check):
    code, said = check('''
        def log_forward(x):
            """x: (N, D)"""
            return __import__("numpy").log(x), x
        def log_backward(dout, x):
            return dout / x
        def todo_forward(x):
            """x: (N, D)"""
            raise NotImplementedError("write me")
        def todo_backward(dout, cache):
            raise NotImplementedError("write me")
        def empty_forward(ids):
            """ids: integers of shape (N,)"""
        def empty_backward(dout, cache):
            pass
        ''')
    assert code == 2 and "log: could not be checked: forward returned NaN" in said
    assert 'todo: could not be checked: forward raised NotImplementedError: write me, with --shapes "x=N,D"' in said
    assert "empty: could not be checked: no floating arrays" in said and "found pairs: 3, not checked: 3" in said


@pytest.mark.parametrize("forward, backward, reason", [
    ("return None, x", "dout, cache", "forward returned None before the cache"),
    ("return x * 1", "dout, cache", "forward returned an array (4, 3) of float64, expected (out, cache)"),
    ("return x * 1, x", "dout, x, w", "backward takes (dout, x, w), expected 1 upstream gradient, one for each"),
    ("return x * 1, x, x", "dout, cache", "backward takes (dout, cache), expected 2 upstream gradients"),
])
def test_functions_that_are_called_in_another_way_are_not_called_wrong(forward, backward, reason, check):
    code, said = check(f'''
        def own_forward(x):
            "x: (N, D)"
            {forward}
        def own_backward({backward}):
            return dout
        ''')
    assert code == 2 and f"own: could not be checked: {reason}" in said


def test_forwards_without_a_backward_and_classes_are_named(check):
    code, said = check(DENSE + '''
class Layer:
    def forward(self, x):
        return x
    def backward(self, dout):
        return dout
def lone_forward(x):
    return x, None
def feedforward(x):
    return x
def _helper_forward(x):
    return x
''')
    assert code == 2 and "lone_forward: no lone_backward\n" in said and "found pairs: 2, not checked: 1" in said
    assert "not checked: class Layer (check_layer checks it, in Python)" in said
    assert "feedforward" not in said and "helper" not in said


def test_gradients_in_double_precision_alone(check):
    code, said = check(DENSE.replace("dout.sum(axis=0)", "dout.sum(axis=0).astype(float)"))
    assert code == 0 and "dense: in float64 alone, because db is float64 for float32 inputs too" in said


@pytest.mark.parametrize("text, message", [
    ("import nolayers", "ModuleNotFoundError: No module named 'nolayers'"),
    ("def f(:", "SyntaxError"),
    ("import sys\nprint('hello')\nsys.exit('stop')", "SystemExit: stop"),
    ("x = 1", "no pair of functions x_forward and x_backward\n"),
    ("class A:\n def forward(s): pass\n def backward(s): pass", "x_backward; check_layer checks the classes A"),
])
def test_files_that_cannot_be_checked_exit_2_with_one_line(text, message, check):
    code, said = check(text)
    assert code == 2 and message in said and said.count("\n") == 1


def test_other_bad_commands(check, tmp_path, capsys):
    assert main([str(tmp_path / "nothing.py")]) == 2 and "there is no file nothing.py" in capsys.readouterr().err
    code, said = check(DENSE, "--shapes", "x")
    assert code == 2 and "--shapes: cannot read 'x'" in said
    with pytest.raises(SystemExit):
        main([str(tmp_path / "mylayers.py"), "mylayers:dense_forward"])


def test_what_files_print_and_read_from_the_command_line(check):
    code, said = check('''
        import argparse
        print("loading")
        steps = argparse.ArgumentParser().parse_args()
        def same_forward(x):
            """x: (N, D)"""
            print("forward")
            return x * 1, None
        def same_backward(dout, cache):
            return dout * 1
        if __name__ == "__main__":
            raise RuntimeError
        ''')
    assert code == 0 and "loading" not in said and "forward\n" not in said


def test_neighbours_packages_and_equal_names_in_several_files(tmp_path, capsys):
    for folder, factor in (("ann", 1), ("bob", 2)):
        (tmp_path / folder / "parts").mkdir(parents=True)
        (tmp_path / folder / "helpers.py").write_text(f"FACTOR = {factor}")
        text = WRONG.replace("dout * x", "2 / FACTOR * dout * x")
        (tmp_path / folder / "layers.py").write_text(f"from helpers import FACTOR{text}")
        (tmp_path / folder / "parts" / "base.py").write_text(DENSE)
        (tmp_path / folder / "parts" / "random.py").write_text("from .base import *")
    ann, bob = (str(tmp_path / folder / "layers.py") for folder in ("ann", "bob"))
    assert main([bob, ann]) == 1
    said = capsys.readouterr().out
    assert f"{bob}: square: --shapes" in said and said.count("square: WRONG") == 2 and "0.5 times" in said
    assert main([str(tmp_path / "ann" / "parts" / "random.py")]) == 0 and "dense" in capsys.readouterr().out
    assert main([ann, str(tmp_path / "bob" / "none.py")]) == 2 and "none.py: could not be" in capsys.readouterr().out


def test_functions_of_a_file(tmp_path, capsys):
    (tmp_path / "random.py").write_text(DENSE)
    functions = [f"{tmp_path / 'random.py'}:dense_{way}" for way in ("forward", "backward")]
    assert main([*functions, "--shapes", "x=N,D w=D,M b=M"]) == 0
    assert "dense: ok (float32" in capsys.readouterr().out
    assert main([functions[0] + "s", functions[1], "--shapes", "x=N,D w=D,M b=M"]) == 2
    assert "has no function dense_forwards" in capsys.readouterr().err
