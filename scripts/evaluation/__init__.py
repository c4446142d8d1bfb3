"""Captions of a split and their scores: of the run, of trivial baselines and of people."""
