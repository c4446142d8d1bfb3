"""Constants that differ from student to student, so that a copied solution is wrong: make_assignment --variants.

They are drawn from the id and the assignment's version: the order of an LSTM's gates, the epsilon that Adam has where
its config has none, and what the loss is a mean over. None is the project's own. The text of the project's files is
changed: of the docstrings, the solutions, the notebooks, and the files that know the order of the gates.
"""
import hashlib
import itertools
from typing import NamedTuple

import numpy as np

from scripts.course.draws import STANDARD, Constants
from scripts.course.project import Project
from scripts.course.regions import find_regions

NAMES = {"i": "input i", "f": "forget f", "o": "output o", "g": "the candidate g"}
ORDERS = sorted({"".join(order) for order in itertools.permutations(STANDARD.gates)} - {STANDARD.gates})
EPSILONS = (1e-7, 3e-7, 1e-6, 3e-6, 1e-5)
WORDS = "max(1, int(mask.sum()))"


class Loss(NamedTuple):
    """A kind of mean, in words and as pieces of code."""
    words: str
    factor: str                     # of the sum, in docstrings
    scale: str                      # times the loss per caption
    batch: str                      # by which the captioner makes it the sum over a batch, in nats
    step: str                       # by which the solver does
    bound: str                      # what turns the notebooks' bound of the loss per caption into one of this


LOSSES = {
    "word": Loss("mean over words, those where the mask is True", "1/max(1, words)", f"N / {WORDS}", "max(1, words)",
             "self.step_words", "/ 8"),
    "bit": Loss("sum over words, mean over captions, in bits: logarithms to base 2", "1/(N log 2)",
                "1 / float(np.log(2))", "len(captions) * float(np.log(2))", "len(captions) * math.log(2)",
                "/ math.log(2)"),
    "bit a word": Loss("mean over words, those where the mask is True, in bits: logarithms to base 2",
                       "1/(max(1, words) log 2)", f"N / {WORDS} / float(np.log(2))",
                       "max(1, words) * float(np.log(2))", "self.step_words * math.log(2)", "/ 8 / math.log(2)"),
}


def constants_for(student: str, version: str) -> Constants:
    """A student's constants. Capital letters and spaces around the id make no difference."""
    digest = hashlib.sha256(f"constants {version} {student.strip().casefold()}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    return Constants(ORDERS[rng.integers(len(ORDERS))], EPSILONS[rng.integers(len(EPSILONS))],
                     list(LOSSES)[rng.integers(len(LOSSES))])


def project_for(project: Project, student: str) -> Project:
    """The project with a student's constants in all its texts."""
    return with_constants(project, constants_for(student, project.version))._replace(student=student)


def with_constants(project: Project, constants: Constants) -> Project:
    """The project with some constants in all its texts."""
    texts, under_test = ({path: changed(path, text, constants) for path, text in files.items()}
                         for files in (project.texts, project.under_test))
    regions = {path: find_regions(text, path, project.tasks) for path, text in texts.items()}
    return project._replace(texts=texts, under_test=under_test, regions=regions, constants=constants)


def changed(path: str, text: str, constants: Constants) -> str:
    """A file's text with some constants. Raises ValueError if it lacks what is changed."""
    if constants == STANDARD:
        return text
    for old, new in _changes(constants).get(path, ()):
        if old not in text:
            raise ValueError(f"scripts/course/own_constants.py: {old!r} does not stand in {path}: adapt _changes")
        text = text.replace(old, new)
    return text


def described(student: str, constants: Constants) -> str:
    """The section of the students' page about one's own constants."""
    return (f"\n**Your constants.** This copy was made for {student}; other students have other constants, in the text"
            f" and in the checks.\n\n- The gates of an LSTM lie in the order {', '.join(constants.gates)}.\n"
            f"- Adam's epsilon is {_number(constants.epsilon)} where the config has none; `DEFAULTS` has none.\n"
            f"- The loss and the penalty of label smoothing: {LOSSES[constants.loss][0]}.\n")


def _changes(constants):
    """Path -> pairs (text, text in its place)."""
    found = {}
    for make, own, standard in zip((_gates, _adam, _loss), constants, STANDARD):
        found.update(make(own) if own != standard else ())
    return found


def _gates(order):
    def moved(name, to, source):
        return (f'    {name} = np.hstack([np.split({name}, 4, axis=1)["{source}".index(gate)] for gate in "{to}"])'
                f"   # into the order {', '.join(to)}\n")
    listed = ", ".join(order)
    yield "rnnlayers/lstm.py", [
        ("in the order i, f, o, g: input, forget, output, and the candidate g.",
         f"in the order {listed}: {', '.join(NAMES[gate] for gate in order)}."),
        ("        a = a + attn @ Wattn\n", f"        a = a + attn @ Wattn\n{moved('a', STANDARD.gates, order)}"),
        ("# i, f, o, g of a\n", f"# i, f, o, g of a\n{moved('da', order, STANDARD.gates)}")]
    yield "models/cells/lstm.py", [(f'GATES = "{STANDARD.gates}"', f'GATES = "{order}"')]
    yield "gradcheck/table.py", [(f":{STANDARD.gates}", f":{order}")]
    yield "assignments/LSTM_Captioning.md", [
        ("in the order i, f, o, g.", f"in the order {listed}."),
        ("sigmoid of the first three blocks of a;  g = tanh of the last", "sigmoid of their blocks of a;  g = tanh of "
         "its block")]


def _adam(epsilon):
    epsilon = _number(epsilon)
    yield "rnnlayers/optim.py", [
        ('"beta2": 0.999, "epsilon": 1e-8, ', '"beta2": 0.999, '),
        ("beta2 0.999, epsilon 1e-8, m and v (zeros)", f"beta2 0.999, epsilon {epsilon} (not in DEFAULTS), m and v "
         "(zeros)"),
        ('(root + float(config["epsilon"]))', f'(root + float(config.get("epsilon", {epsilon})))')]


def _loss(loss):
    words, factor, scale, batch, step, bound = LOSSES[loss]

    def scaled(name):
        return f"    scale = {scale}\n    {name}, dx = {name} * scale, dx * scale\n"
    last = "    return penalty, np.where(mask[:, :, None], dx, 0)\n"
    yield "rnnlayers/softmax.py", [
        ("Cross entropy of the next word, summed over time and averaged over the batch.",
         f"Cross entropy of the next word: {words}."),
        ("loss = -1/N sum over", f"loss = -{factor} sum over"),
        ("    # END SOLUTION 1.3\n", f"{scaled('loss')}    # END SOLUTION 1.3\n"),
        ("    return loss / T, dx / T\n",
         f"    N = len(x)\n    scale = {scale}\n    return loss / scale / T, dx / scale / T\n"),
        ("penalty = 1/N sum over", f"penalty = {factor} sum over"),
        (last, scaled("penalty") + last)]
    yield "models/captioning_rnn.py", [
        ("gradients: sum over words, mean over captions of -log p", f"gradients, {words}, of -log p"),
        ("return float(loss) * len(captions), words", f"return float(loss) * {batch}, words")]
    yield "models/solver.py", [(
        "self.step_nll = self.loss_history[-1] * len(captions)", f"self.step_nll = self.loss_history[-1] * {step}")]
    yield "scripts/course/lab.py", [
        ("from pathlib import Path\n", "import math\nfrom pathlib import Path\n"),
        ("BOUNDS[cell]\n", f"BOUNDS[cell] {bound}\n"), ("Below {bound}", "Below {bound:.3f}"),
        ("Not below {bound}", "Not below {bound:.3f}")]
    yield "assignments/RNN_Captioning.md", [
        ("The loss is the sum over words, averaged over captions; masked words do not count.",
         f"The loss: {words}. Masked words do not count.")]


def _number(epsilon):
    return f"{epsilon:g}".replace("e-0", "e-")
