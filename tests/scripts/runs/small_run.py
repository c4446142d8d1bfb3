"""A small run: scripts.train as a user calls it."""
from scripts import train
from tests.command import call

FAST = ["--model", "rnn", "--hidden", "6", "--wordvec", "4", "--batch", "50", "--epochs", "1"]


def call_train(*argv):
    """Exit code of scripts.train."""
    return call(train.main, *argv)
