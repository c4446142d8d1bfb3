"""Command lines from each command's own parser: a good one, of which one to three parts are replaced by bad ones."""
import argparse
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from scripts.campaigns.bad_input.odd_files import odd_file
from scripts.campaigns.bad_input.usual import OUTPUTS, PATHS, USUAL, WEIGHTS

NUMBERS = ("0", "-1", "1", "2", "7", "1000", "99999999999999999999", "-99999999999999999999", "1e3", "1.5", "-0.0", "nan",
           "inf", "-inf", "", " ", "x", "٣", "0x10", "1_000", str(2**31), str(2**63), str(2**64), "1000000000",
           "1000000000000", "9" * 5000, "1e308", "-1e308", "1e-308", "1e999", "0.5", "--", "-x", "3 4")
WORDS = ("", " ", "nosuch", "train", "val", "test", "-", "--", "-x", "a\nb", "\udcff", "x" * 5000, "../..", ".", "/", "%s", "1,2", "9.9",
         "1x1", "0x0", "-1x5", "99999999999999999999x2", "x", "rows,D", "D,D", "treebank", "raw", "1,2,3/0,0,0", "nan,1,1/1,1,1",
         "grid", "localhost", "::", "999.1.1.1", "http://[", "ftp://x", "*", "é", "\u2028", "[]", "{}", "tab", "\t", "N=2,T<3", "lstm-batch:N=-1")


class Line(NamedTuple):
    """A command line to try."""
    command: str
    main: Callable
    argv: list[str]
    outputs: list[str]              # what the options name that say where a file goes


class _Found(BaseException):
    """Carries a parser out of a command's main."""


def parser_of(main: Callable) -> argparse.ArgumentParser:
    """The parser that a command's main makes."""
    def found(self, *_):
        raise _Found(self)
    before = argparse.ArgumentParser.parse_known_args
    argparse.ArgumentParser.parse_known_args = found                # type: ignore[method-assign, assignment]
    try:
        main([])
    except _Found as found_parser:
        return found_parser.args[0]
    finally:
        argparse.ArgumentParser.parse_known_args = before           # type: ignore[method-assign]
    raise ValueError(f"{main.__module__}: main made no parser")


def main_of(command: str) -> Callable:
    """The main of a command, such as "train", "prepare_data csv" or "gradcheck"."""
    name = command.split()[0]
    return importlib.import_module("gradcheck.__main__" if name == "gradcheck" else f"scripts.{name}").main


def actions_of(command: str) -> list[argparse.Action]:
    """The options and arguments of a command, or of its kind, but for --help."""
    parser, _, kind = parser_of(main_of(command)), *command.partition(" ")[1:]
    if kind:
        parser = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction)).choices[kind]
    return [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]


class Lines:
    """Makes command lines for a world of files."""

    def __init__(self, random: Random, world: Path):
        self.random, self.world = random, world
        self.commands = {command: (main_of(command), actions_of(command)) for command in USUAL}

    def line(self, folder: Path) -> Line:
        """A command line; odd files are made in `folder`, which is also the current one of the call."""
        command = self.random.choices(list(self.commands), [WEIGHTS.get(name, 4) for name in self.commands])[0]
        main, actions = self.commands[command]
        usual = self.random.choice(USUAL[command])
        values = {dest: self._usual(value) for dest, value in usual.items()}
        spoilt = self.random.sample(actions, min(len(actions), self.random.choice([0, 0, 0, 1, 1, 1, 2, 3])))
        given = [action for action in actions if action.dest in values]
        if given and self.random.random() < 0.75:               # what matters is more often what is bad
            spoilt = [*spoilt[:1], self.random.choice(given)]
        for number, action in enumerate(spoilt):
            values[action.dest] = self._bad(command, action, folder / str(number))
        argv = [*command.split()[1:], *self._written(actions, values)]
        outputs = [value for action in actions if self._kind(command, action) in OUTPUTS
                   for value in values.get(action.dest, ()) if isinstance(value, str) and value]
        outputs = [os.path.relpath(place, self.world) for value in outputs for place in (value, os.path.realpath(value))]
        return Line(command, main, argv, outputs)

    def _usual(self, value):
        """The words of a good value; world/ stands for the world's folder."""
        words = value if isinstance(value, list) else [value]
        return [word.replace("world/", f"{self.world}/") if isinstance(word, str) else word for word in words]

    def _kind(self, command, action):
        return PATHS.get((command.split()[0], action.dest), PATHS.get(action.dest))

    def _bad(self, command, action, folder):
        """Words for an option, of which one at least is likely to be wrong."""
        if action.nargs == 0:
            return [True]
        kind = self._kind(command, action)
        count = 1 if action.nargs in (None, "?") else self.random.choice([0, 1, 1, 2, 3])
        return [self._word(action, kind, folder / str(n)) for n in range(count)]

    def _word(self, action, kind, folder):
        random = self.random
        if action.type in (int, float) and random.random() < 0.95:
            return random.choice(NUMBERS)
        if kind in OUTPUTS:
            return self._place(OUTPUTS[kind])
        if kind is not None and random.random() < 0.9:
            folder.mkdir(parents=True)
            return str(odd_file(random, self.world / random.choice(kind.split("|")), self.world, folder))
        return random.choice([*WORDS, *map(str, action.choices)] if action.choices else WORDS)

    def _place(self, good):
        """Where an output may be asked to go: a file of the user's own, a new one, or nowhere."""
        random, precious = self.random, sorted(path for path in (self.world / "precious").iterdir())
        inputs = sorted(path for path in self.world.rglob("*") if path.is_file() and "precious" not in path.parts)
        return random.choice([str(random.choice(precious)), str(random.choice(precious)), str(random.choice(inputs)), good,
                              random.choice(["", ".", "..", "nowhere/x", "x" * 300, "a\nb", "-", "new.json", "new", "/proc/x",
                                             "/proc/self/status", "\udcff", f"{good}/", f"{precious[0]}/x"])])

    def _written(self, actions, values):
        """The words of the command line, options in any order."""
        options, places = [], []
        for action in self.random.sample(actions, len(actions)):
            words = values.get(action.dest)
            if words is None or not action.option_strings:
                continue
            flag = action.option_strings[-1]
            if words == [True]:
                options.append([flag])
            elif len(words) == 1 and self.random.random() < 0.7:
                options.append([f"{flag}={words[0]}"])
            else:
                options.append([flag, *words])
        for action in actions:
            if not action.option_strings and action.dest in values:
                places += values[action.dest]
        if any(word.startswith("-") and word != "-" for word in places):
            places = ["--", *places]
        return [word for option in options for word in option] + places if places[:1] == ["--"] else [
            *places, *(word for option in options for word in option)]
