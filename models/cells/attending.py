"""What the LSTMs that attend at every step have in common: their LSTM, also as a stack, and what reports show of it.

In a stack layer 0 is fed the word and the context, and the query of step t is the last layer's h_{t-1}.
"""
from typing import Any, ClassVar

import numpy as np

from models.cells.cell import Cell, Params, State, take
from models.cells.lstm import ABOUT, GATES, gate_activity, saturated_gates
from models.cells.stack import (
    OPTIONS,
    Arrays,
    carried_of,
    layers_forward,
    of_layer,
    recurrent_shapes,
    states_of,
    upper_shapes,
)
from rnnlayers import lstm_step_forward

LAYER = ("Wx", "Wh", "b")


class AttendingLSTM(Cell):
    """An LSTM, or a stack of them (models.cells.stack), whose first layer is also fed a context.

    A subclass has forward and backward of the attention of one step.
    """
    attends, gates, about, forget_gate = True, GATES, ABOUT, "f"
    options: ClassVar[tuple[str, ...]] = OPTIONS
    num_layers: int
    residual: bool

    def attend_backward(self, dcontext: np.ndarray, dweights: np.ndarray | None, cache: Any) -> Arrays:
        """Gradients of one step's attention, from those of its context and weights: of h, then of its other inputs."""
        raise NotImplementedError

    def upper_shapes(self) -> dict[str, str]:
        """Shapes of the parameters of the layers above layer 0."""
        return upper_shapes(recurrent_shapes(GATES), self.num_layers)

    def first_state(self, h: np.ndarray, c: np.ndarray, memory: Arrays) -> State:
        """The state before the first word: all layers start from h and c."""
        return State(h, carried_of([(h, c)] * self.num_layers), memory)

    def query(self, state: State) -> np.ndarray:
        """What the next step looks from: the h of the last layer, (n, H)."""
        return states_of(state, self.num_layers)[-1][0]

    def next_state(self, p: Params, x: np.ndarray, context: np.ndarray, weights: np.ndarray, state: State) -> State:
        """The state after one more word, from the attention of this step."""
        y, states, _ = layers_forward(lstm_step_forward, np.hstack([x, context]), states_of(state, self.num_layers),
                                      self.lstm_weights(p), self.residual)
        return State(y, carried_of(states), state.memory, attention=weights)

    def lstm_weights(self, p: Params) -> list[Arrays]:
        """Wx, Wh and b of each layer, as a step takes them that is fed [x, context] for x."""
        Wx, Wattn, Wh, b = take(p, ("Wx", "Wattn", "Wh", "b"))
        above = [tuple(of_layer(p, k, LAYER).values()) for k in range(1, self.num_layers)]
        return [(np.vstack([Wx, Wattn]), Wh, b), *above]

    def activity(self, cache: Any) -> dict[str, np.ndarray]:
        return gate_activity(cache[1].steps)

    def saturated(self, cache: Any) -> np.ndarray:
        return saturated_gates(cache[1].steps)

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        """As the contract says; of a stack, with respect to the states of its last layer."""
        if self.num_layers > 1:
            from models.stacked_attention import stack_norms  # a course's copy leaves both out
            return stack_norms(dh, cache[1], self.attend_backward)
        from models.gradient_norms import norms_of_h_and_c

        def attend_backward(t: int, dcontext: np.ndarray) -> np.ndarray:
            return self.attend_backward(dcontext, None, cache[1].attentions[t])[0]
        return norms_of_h_and_c(dh, cache[1].steps, attend_backward)
