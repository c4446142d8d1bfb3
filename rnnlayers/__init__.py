"""Layers of recurrent networks and transformers in NumPy, each an explicit forward and a hand-written backward."""
from rnnlayers.activations import gelu_backward, gelu_forward, relu_backward, relu_forward, sigmoid
from rnnlayers.additive_attention import (
    additive_attention_backward,
    additive_attention_forward,
    bahdanau_backward,
    bahdanau_forward,
    doubly_stochastic_penalty,
    initial_state_backward,
    initial_state_forward,
)
from rnnlayers.affine import affine_backward, affine_forward, temporal_affine_backward, temporal_affine_forward
from rnnlayers.attention import (
    attention_backward,
    attention_forward,
    dot_product_attention,
    dot_product_attention_backward,
    dot_product_attention_forward,
)
from rnnlayers.embedding import word_embedding_backward, word_embedding_forward
from rnnlayers.gru import gru_backward, gru_forward, gru_step_backward, gru_step_forward
from rnnlayers.layernorm import layernorm_backward, layernorm_forward
from rnnlayers.lstm import lstm_backward, lstm_forward, lstm_step_backward, lstm_step_forward
from rnnlayers.multihead_attention import (
    attention_weights,
    multihead_attention_backward,
    multihead_attention_forward,
)
from rnnlayers.patches import patch_embedding_backward, patch_embedding_forward
from rnnlayers.rnn import rnn_backward, rnn_forward, rnn_step_backward, rnn_step_forward
from rnnlayers.softmax import label_smoothing_penalty, temporal_softmax_loss, transformer_temporal_softmax_loss
from rnnlayers.transformer import (
    decoder_layer_backward,
    decoder_layer_forward,
    encoder_layer_backward,
    encoder_layer_forward,
    feed_forward_backward,
    feed_forward_forward,
    positional_encoding,
)

__version__ = "0.1.0"
