"""Captions that stop at <END>: the loop's lines as the tree prepares them."""
import numpy as np

TASKS = ["2.4"]
TIMES = 4


class CaptioningRNN:
    def sample(self, features, max_length=30):
        N = len(features)
        captions = np.full((N, max_length), self._null, dtype=np.int32)
        done = np.zeros(N, dtype=bool)
        state, word = self.initial_state(features), np.full(N, self._start)
        for t in range(max_length):
            scores, state = self.step(word, state)
            word = np.argmax(scores, axis=1)
            captions[~done, t] = word[~done]
            done |= word == self._end
            if done.all():
                break
        return captions

    def step(self, words, state):
        vectors = word_embedding_forward(words, self.params['W_embed'])[0]
        state = self.cell.step(self.params, vectors, state)
        return np.dot(state.output, self.params['W_vocab']) + self.params['b_vocab'], state
