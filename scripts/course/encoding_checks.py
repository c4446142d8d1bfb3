"""Checks of the positional encoding, which has no backward."""
from scripts.course.outcomes import compared, judged, judged_again


def answers(task, subject, draw):
    """The encoding in a few sizes -> key -> tuple of arrays."""
    return {key: (subject.positional_encoding(T, W),) for key, (T, W) in _sizes(draw).items()}


def warm_up(task, subject, draw):
    """Call the function once."""
    subject.positional_encoding(2, 2)


def check(task, subject, goldens, draw):
    """Outcomes: the values of one size, of another width, of many positions."""
    def wrong(key):
        return compared(subject.positional_encoding(*_sizes(draw)[key]), goldens[key][0], "the encoding")
    outcomes = [judged(f"positional_encoding: {key}", weight, lambda key=key: wrong(key), True)
                for key, weight in (("values", 4), ("another width", 2), ("many positions", 2))]
    return [*judged_again(outcomes[:1], lambda: wrong("values")), *outcomes[1:]]


def _sizes(draw):
    """Key -> positions, width."""
    T, W, H = (draw.sizes[letter] for letter in "TWH")
    return {"values": (T, 2 * W), "another width": (T + 1, 2 * H), "many positions": (40 * T, 4)}
