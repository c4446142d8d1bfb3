"""The LSTM with the course's signatures, as students write it: without our optional attn, Wattn and c0.

Where students write task 3.1 or 3.2, the text of rnnlayers/lstm.py around the task is changed. A given step keeps the
optional arguments, which tasks 4.2 and 5.2 may use.
"""
PATH = "rnnlayers/lstm.py"
CHANGES = {                         # task -> pairs (text, text in its place)
    "3.1": (
        ("    attn: Array | None\n    Wattn: Array | None\n\n\n", "\n\n"),
        (", b: Array, attn: Array | None = None,\n"
         "                      Wattn: Array | None = None) -> tuple[Array, Array, LSTMStepCache]:\n"
         '    """One step of an LSTM, with an optional attention vector as a third input.\n',
         ", b: Array\n"
         "                      ) -> tuple[Array, Array, LSTMStepCache]:\n"
         '    """One step of an LSTM.\n'),
        ("prev_h Wh + attn Wattn + b;", "prev_h Wh + b;"),
        (", b (4H,), attn (N, E), Wattn (E, 4H)\n    -> next_h", ", b (4H,)\n    -> next_h"),
        ("    _check_step(x, prev_h, prev_c, Wx, Wh, b, attn, Wattn)\n",
         '    check_shapes("lstm_step_forward", x=(x, "N D"), prev_h=(prev_h, "N H"), prev_c=(prev_c, "N H"),\n'
         '                 Wx=(Wx, "D 4H"), Wh=(Wh, "H 4H"), b=(b, "4H"))\n'),
        ("dWh (H, 4H), db (4H,),\n"
         "    and after them dattn (N, E), dWattn (E, 4H) if forward had attention. Raises ValueError on shapes.\n",
         "dWh (H, 4H), db (4H,).\n    Raises ValueError on shapes.\n"),
    ),
    "3.2": (
        ("    starts_from_c0: bool            # whether forward was given c0\n", ""),
        (", b: Array,\n                 c0: Array | None = None) -> tuple[Array, LSTMCache]:",
         ", b: Array) -> tuple[Array, LSTMCache]:"),
        ("from h0 and c0, a cell state of zeros by default.", "from h0 and a cell state of zeros."),
        ("h0 and c0 (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,) -> h (N, T, H)",
         "h0 (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,) -> h (N, T, H)"),
        ("    first = np.zeros_like(h0) if c0 is None else c0\n", ""),
        ('b=(b, "4H"),\n                 c0=(first, "N H"))', 'b=(b, "4H"))'),
        ("db (4H,), and after them dc0 (N, H) if forward had c0.\n", "db (4H,).\n"),
    ),
}
CHECK_STEP = "def _check_step("     # only the step with attention calls it


def in_course_form(path: str, text: str, written: set[str]) -> str:
    """The text of a file for students who write the tasks `written`. Raises ValueError if it lacks what is changed."""
    for task, changes in CHANGES.items() if path == PATH else ():
        for old, new in changes if task in written else ():
            if text.count(old) != 1:
                raise ValueError(f"scripts/course/course_form.py: {old!r} stands {text.count(old)} times in {path}, "
                                 "expected once: adapt CHANGES")
            text = text.replace(old, new)
    if path == PATH and "3.1" in written:
        before, _, behind = text.partition(CHECK_STEP)
        text = before + behind[behind.index("class "):]
    return text
