"""The course's captioning transformer: CaptioningRNN with the cell `transformer`, and the solver the course calls."""
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from models.captioning_rnn import CaptioningRNN
from models.solver import CaptioningSolver


class CaptioningTransformer(CaptioningRNN):
    """Captions from image features, by a transformer's decoder.

    x = W_embed[captions] + positions;  h = decoder layers(x, memory);  scores = h W_vocab + b_vocab

    Features are (N, D), a memory of one region, (N, L, D), (N, D, height, width), or a pair of such a grid and pooled
    features (N, P): with pooled_dim=P a memory of L + 1, without it the pooled features are not used. `loss`, `scores`,
    `sample`, `attention`, `initial_state` and `step` are those of CaptioningRNN, and so are its keyword options.
    `params` holds W_embed (V, W), W_proj (D, W), b_proj (W,), for each layer k `layer{k}.self.Wq` and so on
    (models/cells/transformer.py), W_vocab (W, V) and b_vocab (V,).
    Source: Vaswani et al. (2017), "Attention is all you need"; Transformer_Captioning of CS231n, assignment 3 (2025).
    """

    def __init__(self, word_to_idx: dict[str, int], input_dim: int, wordvec_dim: int, num_heads: int = 4,
                 num_layers: int = 2, max_length: int = 50, *, dim_feedforward: int = 2048,
                 pooled_dim: int | None = None, dtype: DTypeLike = np.float32, seed: Any = None,
                 backend: str | None = None, **options: Any):
        """A model with random parameters: normal with standard deviation 0.02, the output layer as torch's Linear.

        word_to_idx: word -> id, with <NULL>, and with <START> and <END> for sampling; wordvec_dim W: even, a multiple
        of num_heads; max_length: most words fed in a caption; dim_feedforward: width of the feed-forward layers;
        options: norm, activation, tie, region_positions, dropout and others of CaptioningRNN. Raises TypeError on an
        unknown option, ValueError on values out of bounds or that do not fit together.
        """
        super().__init__(word_to_idx, input_dim, wordvec_dim, wordvec_dim, "transformer", dtype, num_heads=num_heads,
                         num_layers=num_layers, max_length=max_length, dim_feedforward=dim_feedforward,
                         pooled_dim=pooled_dim, seed=seed, backend=backend, **options)


class CaptioningSolverTransformer(CaptioningSolver):
    """The solver of the course's notebook: Adam, batches drawn anew, and the mean loss over all N T words.

    Called as in the course, with idx_to_word, which nothing needs. `loss_history` has the losses of
    rnnlayers.transformer_temporal_softmax_loss. All other options are those of CaptioningSolver.
    """

    def __init__(self, model: Any, data: Mapping[str, Any], idx_to_word: Any, num_epochs: int = 10,
                 batch_size: int = 100, learning_rate: float = 0.001, verbose: bool = True, print_every: int = 10,
                 **options: Any):
        self.words = np.shape(data["train_captions"])[1] - 1
        # A gradient T times as large needs an epsilon T times as large for the course's steps.
        config = {"learning_rate": learning_rate, "epsilon": 1e-8 * self.words}
        super().__init__(model, data, update_rule="adam", optim_config=config, num_epochs=num_epochs,
                         batch_size=batch_size, verbose=verbose, print_every=print_every, **options)

    def step(self, features: Any, captions: np.ndarray) -> float:
        """One training step, as CaptioningSolver.step -> the mean loss over all N T words."""
        super().step(features, captions)
        self.loss_history[-1] = self.step_nll / (len(captions) * self.words)
        return self.loss_history[-1]
