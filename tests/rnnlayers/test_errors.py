"""Wrong shapes and ids: the message names the function, the array, both shapes, and where the sizes are from."""
import numpy as np
import pytest

import rnnlayers as rl
from rnnlayers.optim import adam

z = np.zeros


@pytest.mark.parametrize("call, message", [
    (lambda: rl.lstm_forward(z((2, 5, 512)), z((2, 512)), z((512, 2048)), z((512, 1024)), z(2048)),
     "lstm_forward: Wh is (512, 1024), expected (H, 4H) = (512, 2048) with H=512 from h0"),
    (lambda: rl.rnn_step_forward(z((2, 3)), z((4, 6)), z((3, 6)), z((6, 6)), z(6)),
     "rnn_step_forward: prev_h is (4, 6), expected (N, H) = (2, 6) with N=2 from x"),
    (lambda: rl.rnn_forward(z((2, 3)), z((2, 6)), z((3, 6)), z((6, 6)), z(6)),
     "rnn_forward: x is (2, 3), expected 3 axes (N, T, D)"),
    (lambda: rl.rnn_forward(z((2, 0, 3)), z((2, 6)), z((3, 6)), z((6, 6)), z(6)), "at least one time step"),
    (lambda: rl.affine_forward(z((2, 3, 4)), z((11, 5)), z(5)),
     "affine_forward: w is (11, 5), expected (D, M) = (12, 5) with D=12 from x"),
    (lambda: rl.temporal_affine_forward(z((2, 5, 3)), z((3, 4)), z(3)),
     "b is (3,), expected (M,) = (4,) with M=4 from w"),
    (lambda: rl.word_embedding_forward(np.array([[0, 3]]), z((3, 2))),
     "word_embedding_forward: x[0, 1] is 3, expected word ids in 0..2 (V=3)"),
    (lambda: rl.word_embedding_forward(np.array([-1]), z((3, 2))), "x[0] is -1"),
    (lambda: rl.word_embedding_forward(np.array([0.0]), z((3, 2))), "x has dtype float64, expected integer"),
    (lambda: rl.temporal_softmax_loss(z((2, 5, 3)), z((2, 5), int), np.full((2, 5), 0.5)), "other than 0 and 1"),
    (lambda: rl.temporal_softmax_loss(z((2, 5, 3)), np.full((2, 5), 3), np.ones((2, 5), bool)), "y[0, 0] is 3"),
    (lambda: rl.temporal_softmax_loss(z((2, 5, 3)), z((2, 4), int), np.ones((2, 5), bool)), "y is (2, 4)"),
    (lambda: rl.lstm_step_forward(z((2, 3)), z((2, 6)), z((2, 6)), z((3, 24)), z((6, 24)), z(24), attn=z((2, 6))),
     "attn and Wattn belong together"),
    (lambda: rl.rnn_step_backward(z((2, 5)), rl.rnn_step_forward(z((2, 3)), z((2, 6)), z((3, 6)), z((6, 6)), z(6))[1]),
     "rnn_step_backward: dnext_h is (2, 5), expected (2, 6)"),
    (lambda: adam(z(3), z(4)), "dw is (4,), expected (3,)"),
])
def test_message(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
