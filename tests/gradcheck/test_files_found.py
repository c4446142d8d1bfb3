"""python -m gradcheck FILE.py: mistakes that it must not pass over, and right layers that it must not call wrong."""
import sys
import textwrap

import pytest

from gradcheck.__main__ import main

DOUBLE = '''
def double_forward(x):
    """x: (N, D)"""
    return 2 * x, None
def double_backward(dout, cache):
    return 2 * dout
'''


@pytest.fixture
def check(tmp_path, capsys):
    """Function: text of mylayers.py, options -> exit code, what is printed."""
    def run(text, *options):
        (tmp_path / "mylayers.py").write_text("import numpy as np\n" + textwrap.dedent(text))
        code = main([str(tmp_path / "mylayers.py"), *options])
        said = capsys.readouterr()
        return code, said.out + said.err
    return run


def linear(described, name="linear"):
    """A correct linear layer with this docstring."""
    return f'''
def {name}_forward(x, w, b):
    """
{textwrap.indent(textwrap.dedent(described).strip(), "    ")}
    """
    return x @ w + b, (x, w, b)
def {name}_backward(dout, cache):
    x, w, b = cache
    db = dout.sum(axis=0)
    return dout @ w.T, x.T @ dout, db if np.ndim(b) else db.sum()
'''


@pytest.mark.parametrize("package", [True, False])
def test_equally_named_packages_beside_two_files(package, tmp_path, capsys):
    for folder, factor in (("ann", 2), ("bob", 3)):
        (tmp_path / folder / "lib").mkdir(parents=True)
        (tmp_path / folder / "lib" / "helper.py").write_text(f"FACTOR = {factor}")
        if package:
            (tmp_path / folder / "lib" / "__init__.py").write_text("")
        (tmp_path / folder / "layers.py").write_text(
            f"from lib.helper import FACTOR{DOUBLE.replace('return 2 * dout', 'return FACTOR * dout')}")
    assert main([str(tmp_path / folder / "layers.py") for folder in ("ann", "bob")]) == 1
    said = capsys.readouterr().out
    assert "found pairs: 2" in said and "dx: 1.5 times" in said
    assert not {"lib", "lib.helper"} & set(sys.modules)


@pytest.mark.parametrize("text", [
    "from solution import double_forward\ndef double_backward(dout, cache):\n    return 3 * dout\n",
    "from solution import double_backward\ndef double_forward(x):\n    'x: (N, D)'\n    return 3 * x, None\n",
    'from solution import keep\n@keep\ndef double_forward(x):\n    "x: (N, D)"\n    return 2 * x, None\n'
    "@keep\ndef double_backward(dout, cache):\n    return 3 * dout\n",
])
def test_a_pair_counts_if_one_of_its_functions_is_defined_in_the_file(text, check, tmp_path):
    (tmp_path / "solution.py").write_text(DOUBLE + textwrap.dedent('''
        def keep(function):
            def kept(x, cache=None):
                return function(x) if function.__code__.co_argcount == 1 else function(x, cache)
            kept.__doc__ = function.__doc__
            return kept
        '''))
    code, said = check(text + DOUBLE.replace("double", "other"))
    assert code == 1 and "double: WRONG" in said and "found pairs: 2" in said
    code, said = check("from solution import *\n" + DOUBLE.replace("double", "other"))
    assert code == 0 and "double" not in said               # pairs that are only imported are left out


def test_functions_without_a_partner(check):
    lone = "def affine_foward(x): pass\ndef affine_backward(dout, cache): pass\ndef forward_backward(x): pass\n"
    code, said = check(DOUBLE + lone + "alias_backward = double_backward\n")
    assert code == 2 and "affine_backward: could not be checked: no affine_forward; is it affine_foward?" in said
    assert said.endswith("found pairs: 2, not checked: 1\n")
    code, said = check(DOUBLE + "def affine_forward(x): pass\ndef affine_backwrd(dout, cache): pass\n")
    assert code == 2 and "affine_forward: could not be checked: no affine_backward; is it affine_backwrd?" in said
    code, said = check(lone)
    assert code == 2 and said.endswith("x_forward and x_backward, only affine_backward, affine_foward\n")


HIDDEN = {
    "dropout_param": '''
        def drop_forward(x, dropout_param):
            """
            x: (N, D)
            dropout_param: dictionary with the keys 'p' (keep probability) and 'seed'
            """
            mask = np.random.default_rng(dropout_param["seed"]).random(x.shape) < dropout_param["p"]
            return x * mask / dropout_param["p"], (mask, dropout_param["p"])
        def drop_backward(dout, cache):
            return dout * cache[0] / (1 - cache[1])
        ''',
    "stride": '''
        def skip_forward(x, stride):
            """x: (N, D)"""
            return x[:, ::stride] * 1, (x, stride)
        def skip_backward(dout, cache):
            dx = np.zeros_like(cache[0])
            dx[:, :dout.shape[1]] = dout
            return dx
        ''',
    "G": '''
        def group_forward(x, G):
            """x: (N, C, H, W)"""
            groups = x.reshape(len(x), G, -1)
            return (groups - groups.mean(axis=2, keepdims=True)).reshape(x.shape), x
        def group_backward(dout, x):
            return dout - dout.mean(axis=(1, 2, 3), keepdims=True)
        ''',
    "slope": '''
        def leaky_forward(x, slope):
            """x: (N, D)"""
            return np.where(x > 0, x, slope * x), (x, slope)
        def leaky_backward(dout, cache):
            return np.where(cache[0] > 0, dout, cache[1] ** 2 / 0.1 * dout)
        ''',
    "b": '''
        def bias_forward(x, b=None):
            """x: (N, D), b: (D,)"""
            return x * 1 if b is None else x + b, b
        def bias_backward(dout, b):
            return dout if b is None else (dout, dout.sum(axis=0) / 2)
        ''',
    "mask": '''
        def hide_forward(x, mask=None):
            """
            x: (N, D)
            mask: Boolean array of shape (N, D)
            """
            return x * 1 if mask is None else x * mask, None
        def hide_backward(dout, cache):
            return dout * 1
        ''',
}


@pytest.mark.parametrize("argument", HIDDEN)
def test_guessed_inputs_do_not_hide_mistakes(argument, check):
    code, said = check(HIDDEN[argument])
    assert code == 1 and f"{argument}=" in said, said


def test_arguments_at_their_defaults_are_named(check):
    code, said = check('''
        def scale_forward(x, b=None, *, alpha=2.0, fast=False):
            """
            x: (N, D)
            b: (D,), which has no gradient
            """
            return alpha * x + (0 if b is None else b), alpha
        def scale_backward(dout, alpha):
            return alpha * dout
        ''')
    assert code == 0 and 'scale: --shapes "x=N,D", from the docstring, at their defaults: b, alpha, fast\n' in said


def test_shapes_with_names_that_no_forward_has(check, tmp_path, capsys):
    code, said = check(DOUBLE, "--shapes", "x=N,D y=N")
    assert code == 2 and said == "gradcheck: --shapes: no forward has an argument y, expected some of x\n"
    (tmp_path / "more.py").write_text("import numpy as np\n" + linear("x: (N, D)\nw: (D, M)\nb: (M,)"))
    files = [str(tmp_path / name) for name in ("mylayers.py", "more.py")]
    assert main([*files, "--shapes", "x=N,D w=D,2 b=2"]) == 0 and main([*files, "--shapes", "x=N,D y=N"]) == 2
    assert "no forward has an argument y, expected some of b, w, x" in capsys.readouterr().err
