"""Command lines from each command's own parser: a good one, of which up to three parts are replaced by bad ones."""
import argparse
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from scripts.campaigns.bad_input.odd_files import odd_file
from scripts.campaigns.bad_input.usual import OUTPUTS, PATHS, USUAL, WEIGHTS

NUMBERS = ("0", "-1", "1", "2", "7", "1000", "99999999999999999999", "-99999999999999999999", "1e3", "1.5", "-0.0",
           "nan", "inf", "-inf", "", " ", "x", "٣", "0x10", "1_000", str(2**31), str(2**63), str(2**64), "1000000000",
           "1000000000000", "9" * 5000, "1e308", "-1e308", "1e-308", "1e999", "0.5", "--", "-x", "3 4")
WORDS = ("", " ", "nosuch", "train", "val", "test", "-", "--", "-x", "a\nb", "\udcff", "x" * 5000, "../..", ".",
         "%s", "1,2", "9.9", "1x1", "0x0", "-1x5", "99999999999999999999x2", "x", "rows,D", "D,D", "treebank", "raw",
         "tab", "1,2,3/0,0,0", "nan,1,1/1,1,1", "grid", "localhost", "::", "999.1.1.1", "http://[", "ftp://x", "*", "é",
         "\u2028", "[]", "{}", "\t", "N=2,T<3", "lstm-batch:N=-1")
PLACES = ("", ".", "..", "nowhere/x", "x" * 300, "a\nb", "-", "new.json", "new", "/proc/x", "/proc/self/status",
          "\udcff")


class Line(NamedTuple):
    """A command line to try."""
    command: str
    main: Callable
    argv: list[str]
    outputs: list[str]              # paths in the world of the files that the options name to be written


class _Found(BaseException):
    """Carries a parser out of a command's main."""


def parser_of(main: Callable) -> argparse.ArgumentParser:
    """The parser that a command's main makes."""
    def found(self, *_):
        raise _Found(self)
    before = argparse.ArgumentParser.parse_known_args
    argparse.ArgumentParser.parse_known_args = found
    try:
        main([])
    except _Found as carrier:
        return carrier.args[0]
    finally:
        argparse.ArgumentParser.parse_known_args = before
    raise ValueError(f"{main.__module__}: main made no parser")


def main_of(command: str) -> Callable:
    """The main of a command, such as "train", "prepare_data csv" or "gradcheck"."""
    name = command.split()[0]
    return importlib.import_module("gradcheck.__main__" if name == "gradcheck" else f"scripts.{name}").main


def actions_of(command: str) -> list[argparse.Action]:
    """The options and arguments of a command, or of its kind, but for --help."""
    parser, (_, *kind) = parser_of(main_of(command)), command.split()
    if kind:
        kinds = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        parser = kinds.choices[kind[0]]
    return [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]


class Lines:
    """Makes command lines for a world of files."""

    def __init__(self, world: Path):
        self.random, self.world = Random(), world
        self.precious = sorted((world / "precious").iterdir())
        self.inputs = sorted(path for path in world.rglob("*") if path.is_file() and "precious" not in path.parts)
        self.commands = {command: (main_of(command), actions_of(command)) for command in USUAL}
        self.weights = [WEIGHTS.get(command, 4) for command in USUAL]

    def line(self, folder: Path, seed: str) -> Line:
        """The command line of a seed; odd files for it are made in `folder`."""
        self.random.seed(seed)
        command = self.random.choices(list(self.commands), self.weights)[0]
        main, actions = self.commands[command]
        values = {dest: self._usual(value) for dest, value in self.random.choice(USUAL[command]).items()}
        for number, action in enumerate(self._spoilt(actions, values)):
            values[action.dest] = self._bad(_kind(command, action), action, folder / str(number))
        named = [word for action in actions if _kind(command, action) in OUTPUTS
                 for word in values.get(action.dest, ()) if word]
        outputs = [os.path.relpath(place, self.world) for word in named for place in (word, os.path.realpath(word))]
        return Line(command, main, [*command.split()[1:], *self._written(actions, values)], outputs)

    def _usual(self, value):
        """The words of a good value; world/ stands for the world's folder."""
        words = value if isinstance(value, list) else [value]
        return [word.replace("world/", f"{self.world}/") if isinstance(word, str) else word for word in words]

    def _spoilt(self, actions, values):
        """The options to be replaced: any, and more often those that the good command line gives."""
        some = self.random.sample(actions, min(len(actions), self.random.choice([0, 0, 0, 1, 1, 1, 2, 3])))
        given = [action for action in actions if action.dest in values]
        return [*some[:1], self.random.choice(given)] if given and self.random.random() < 0.75 else some

    def _bad(self, kind, action, folder):
        """Words for an option, of which one at least is likely to be wrong."""
        if action.nargs == 0:
            return [True]
        count = 1 if action.nargs in (None, "?") else self.random.choice([0, 1, 1, 2, 3])
        return [self._word(kind, action, folder / str(number)) for number in range(count)]

    def _word(self, kind, action, folder):
        random = self.random
        if action.type in (int, float) and random.random() < 0.95:
            return random.choice(NUMBERS)
        if kind in OUTPUTS:
            return self._place(OUTPUTS[kind])
        if kind is not None and random.random() < 0.9:
            folder.mkdir(parents=True)
            return str(odd_file(random, self.world / random.choice(kind.split("|")), self.world, folder))
        return random.choice([*WORDS, *map(str, action.choices or ())])

    def _place(self, good):
        """Where an output may be asked to go: onto a file of the user's own, to a new one, or nowhere."""
        odd = (*PLACES, f"{good}/", f"{self.precious[0]}/x")
        return str(self.random.choice([*self.random.choices(self.precious, k=2), self.random.choice(self.inputs), good,
                                       self.random.choice(odd)]))

    def _written(self, actions, values):
        """The words of the command line, options in any order."""
        options, places = [], []
        for action in self.random.sample(actions, len(actions)):
            words = values.get(action.dest)
            if words is None or not action.option_strings:
                continue
            flag = action.option_strings[-1]
            joined = len(words) == 1 and self.random.random() < 0.7
            options += [flag] if words == [True] else [f"{flag}={words[0]}"] if joined else [flag, *words]
        for action in actions:
            places += [] if action.option_strings else values.get(action.dest, [])
        if any(word.startswith("-") and word != "-" for word in places):
            return [*options, "--", *places]
        return [*places, *options]


def _kind(command, action):
    """What the path ought to lead to, the key of an output, or None for what is no path."""
    return PATHS.get((command.split()[0], action.dest), PATHS.get(action.dest))
