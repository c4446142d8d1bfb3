"""A parser of options that names the nearest one for a misspelt one."""
import argparse
from collections.abc import Callable, Sequence

from models.options import did_you_mean
from scripts.commandline.command import OneLineParser


class Parser(OneLineParser):
    """An ArgumentParser that names the nearest option for a misspelt one."""

    def parse_args(self, args=None, namespace=None):
        """As argparse does; exits with code 2 on arguments that it does not know."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}"
                       f"{did_you_mean(unknown[0].split('=')[0], self.option_names(found))}")
        return found

    def option_names(self, found: argparse.Namespace) -> list[str]:
        """The names of all options, also of the subcommand that was chosen."""
        names = []
        for action in self._actions:
            names += action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                names += action.choices[getattr(found, action.dest)].option_names(found)
        return names


def choice(names: Sequence[str]) -> Callable[[str], str]:
    """A type for add_argument that takes these names and, for a misspelt one, names the nearest."""
    def check(text):
        if text not in names:
            raise argparse.ArgumentTypeError(f"invalid choice: {text!r} (choose from {', '.join(names)})"
                                             f"{did_you_mean(text, names)}")
        return text
    return check
