"""Known failures of captioners: the evidence, a test of each, and its bounds."""
