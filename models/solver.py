"""Training: update rules, schedules, validation and early stopping. Knows nothing of files or pictures."""
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from models.averages import averaged, update_averages
from models.batches import trim
from models.captioning_rnn import CaptioningRNN
from models.cells.cell import Params
from models.likelihood import accuracy, split_loss
from models.minibatches import Minibatches, check_data
from models.objective import Objective
from models.options import drops, solver_options
from models.reprs import solver_repr
from models.schedules import SCHEDULES
from models.selection import best_epoch, measurements_since_best
from rnnlayers import optim
from rnnlayers.workspace import Workspace


class CaptioningSolver:
    """Trains a captioning model on a dict with train_captions, train_image_idxs and train_features (and val_...).

    The model needs `params` and `loss(features, captions) -> loss, grads`. Options, with neutral defaults:

    update_rule='sgd': update rule of rnnlayers.optim
    optim_config={}: hyperparameters of the update rule, such as learning_rate
    batch_size=100: captions in a training step
    num_epochs=10: passes over the training captions
    sampling='replacement': replacement: each batch drawn anew, as in the course; epochs: every caption once, in
        batches of similar length
    schedule='exponential': schedule of the learning rate
    warmup=0.1: share of the steps in which cosine and one-cycle raise the learning rate
    lr_decay=1.0: factor of the learning rate after each epoch, with the exponential schedule
    clip=None: largest norm of the whole gradient
    average=0.0: decay of a moving average of the weights, which is validated, scored and kept as best; 0 for none
    weight_decay=0.0: decoupled weight decay of the matrices
    seed=None: random seed or Generator; None draws from NumPy's global state
    validate=False: measure the validation loss after each epoch and keep best_params
    scorer=None: called with the model, returns a dict of more columns of history
    score_every=1: epochs between two calls of the scorer, which also scores the last epoch
    select='val_loss': column of history that decides the best epoch: smallest val_loss, largest of another
    patience=None: stop after this many measurements without a better one
    callbacks=(): called with the solver after every step; setting solver.stop ends training
    print_every=10: steps between two printed losses
    verbose=True: print losses

    weight_decay: w <- w - lr weight_decay w, apart from the update rule (Loshchilov and Hutter 2019). average: a moving
    average of the weights with this decay d, a <- d a + (1 - d) w after each step (Polyak and Juditsky 1992).
    On the engine (models.CaptioningRNN, backend) the arrays in `params` are updated in place, and gradients that loss()
    returned within a step are overwritten by the next step: copy what you keep. best_params are copies.
    After training: loss_history (one float a step), word_losses (the same in nats a word), history (one dict an epoch;
    losses in nats a word), optim_configs, epoch, best_params, best_val_loss. Raises ValueError on unknown options and
    data that do not fit together.
    """

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...        # options are attributes, models/options.py

    def __init__(self, model: Any, data: Mapping[str, Any], **options: Any):
        self.model, self.data = model, data
        options = solver_options(options)
        if isinstance(options["seed"], np.random.Generator):
            options["seed"] = int(options["seed"].integers(2**31))
        for name, value in options.items():
            setattr(self, name, value)
        self._check_options()
        self.rule = getattr(optim, self.update_rule)
        check_data(data, "train")
        if self.validate:
            check_data(data, "val")
        self._reset()

    __repr__ = solver_repr

    def _check_options(self) -> None:
        """Raises ValueError on options that do not go together."""
        if self.schedule in SCHEDULES and "learning_rate" not in self.optim_config:
            raise ValueError(f"schedule {self.schedule!r} needs optim_config={{'learning_rate': ...}}")
        if self.schedule != "exponential" and self.lr_decay != 1:
            raise ValueError(f"lr_decay {self.lr_decay} belongs to schedule 'exponential', not to {self.schedule!r}")
        if self.patience is not None and not self.validate:
            raise ValueError("patience needs validate=True")
        if self.scorer is not None and not self.validate or self.scorer is None and self.select != "val_loss":
            raise ValueError(f"scorer {self.scorer}, select {self.select!r}: a scorer needs validate=True, and select "
                             "another than 'val_loss' a scorer")

    def _reset(self) -> None:
        self.iteration, self.epoch, self.seconds, self.stop, self.rounds = 0, 0, 0.0, False, 1
        self.best_val_acc, self.best_val_loss = 0, math.inf
        self.best_params: Params = {}
        self.loss_history: list[float] = []
        self.word_losses: list[float] = []
        self.history: list[dict[str, Any]] = []
        self.epoch_nll, self.epoch_words = 0.0, 0              # of this epoch so far, in nats
        self.step_nll, self.step_words = 0.0, 0                # of the last step
        self.optim_configs = {name: dict(self.optim_config) for name in self.model.params}
        self.own_seed: int | None = None
        self._workspace = Workspace()
        self._minibatches = Minibatches(self.data, self.model.word_to_idx["<NULL>"], self.batch_size, self.sampling,
                                        seeded=self.seed is not None)
        self.averages = {name: w.copy() for name, w in self.model.params.items()} if self.average else {}

    @property
    def iterations_per_epoch(self) -> int:
        """Training steps in an epoch."""
        return self._minibatches.per_epoch

    @property
    def num_iterations(self) -> int:
        """Training steps of a whole run, num_epochs epochs."""
        return self.num_epochs * self.iterations_per_epoch

    def train(self) -> None:
        """Train from the current iteration to the last one, to early stopping, or until `stop` is set.

        If called again after the last iteration, it trains for another num_epochs, as the course's solver does.
        """
        self.rounds = max(self.rounds, self.iteration // max(self.num_iterations, 1) + 1)
        start, self.stop = time.perf_counter() - self.seconds, False
        try:
            while not (self.finished() or self.stop):
                self._step()
                self.seconds = time.perf_counter() - start
                if self.verbose and (self.iteration - 1) % self.print_every == 0:
                    print(f"(Iteration {self.iteration:d} / {self.num_iterations:d}) loss: {self.loss_history[-1]:f} "
                          f"({self.word_losses[-1]:.3f} nats a word)")
                if self.iteration % self.iterations_per_epoch == 0:
                    self._end_epoch(start)
                for callback in self.callbacks:
                    callback(self)
        finally:
            self._minibatches.stop_reading()

    def finished(self) -> bool:
        """Whether all iterations are done or patience has run out."""
        if self.iteration >= self.rounds * self.num_iterations:
            return True
        return self.patience is not None and measurements_since_best(self.history, self.select) >= self.patience

    @property
    def best_epoch(self) -> int:
        """The best epoch so far, by validation loss or by the column that `select` names; 0 if none was measured."""
        return best_epoch(self.history, self.select)

    def step(self, features: Any, captions: np.ndarray) -> float:
        """One training step on a given batch: features as the model takes them, captions (N, T) -> loss (float).

        Raises FloatingPointError where the loss or, with clip, a gradient is not finite; the parameters stay as they
        were.
        """
        captions = trim(np.asarray(captions), self.model.word_to_idx["<NULL>"])
        loss, regularisers, grads = self._objective(features, captions)
        if not math.isfinite(loss):
            raise FloatingPointError(f"loss is {loss} at step {self.iteration + 1}: "
                                     "lower the learning rate or clip the gradients")
        scale = self._clip_scale(grads)
        for name, w in self.model.params.items():
            self._update(name, w, grads[name], scale)
        self.iteration += 1
        update_averages(self.averages, self.model.params, self.average, self.iteration, self._workspace)
        self.step_words = int((captions[:, 1:] != self.model.word_to_idx["<NULL>"]).sum())
        self.loss_history.append(float(loss) - float(regularisers))         # the likelihood alone
        self.step_nll = self.loss_history[-1] * len(captions)
        self.word_losses.append(self.step_nll / max(self.step_words, 1))
        return self.loss_history[-1]

    def _objective(self, features: Any, captions: np.ndarray) -> Objective:
        """Loss and gradients of a step. On the engine the next step overwrites these gradients.

        If the model's `loss` is not CaptioningRNN's, because it was overridden or replaced, that one is called.
        """
        rng = (self._generator("dropout", self.iteration),) if drops(self.model) else ()
        if getattr(self.model.loss, "__func__", None) is not CaptioningRNN.loss:
            loss, grads = result = self.model.loss(features, captions, *rng)
            return Objective(loss, getattr(result, "regularisers", 0.0), grads)
        return self.model.objective(features, captions, *rng, workspace=self._workspace)

    def _on_engine(self) -> bool:
        return getattr(self.model, "backend", None) == "engine"

    def _step(self) -> None:
        """One training step on the next minibatch."""
        chosen = self._minibatches.chosen(self.iteration, self._generator)
        self.step(self._minibatches.read(chosen, self.iteration), self._minibatches.captions[chosen])
        self.epoch_nll += self.step_nll
        self.epoch_words += self.step_words

    def _generator(self, purpose: str, number: int) -> np.random.Generator:
        """A Generator of its own for each epoch and step, so that seed and iteration are the whole random state."""
        if self.own_seed is None:       # apart from `seed`: its None says to draw batches as the course does
            self.own_seed = int(np.random.randint(2**31)) if self.seed is None else self.seed
        return np.random.default_rng([self.own_seed, ("batch", "epoch", "dropout").index(purpose), number])

    def _clip_scale(self, grads: Params) -> float:
        if self.clip is None:
            return 1
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads.values()))
        if not math.isfinite(norm):
            raise FloatingPointError(f"a gradient is not finite at step {self.iteration + 1}: lower the learning rate")
        return min(1, self.clip / norm) if norm else 1

    def _update(self, name: str, w: np.ndarray, dw: np.ndarray, scale: float) -> None:
        """Move one parameter by the update rule, with its gradient times scale; on the engine in place."""
        config = self.optim_configs[name]
        if self.schedule in SCHEDULES:
            progress = min((self.iteration + 0.5) / self.num_iterations, 1)    # the middle of the step: not 0, not 1
            factor = SCHEDULES[self.schedule](progress, self.warmup)
            config["learning_rate"] = self.optim_config["learning_rate"] * factor
        decay = self.weight_decay if w.ndim > 1 else 0
        if self._on_engine():
            from rnnlayers.engine import update_in_place  # imports Numba
            if update_in_place(self.update_rule, w, dw, config, scale, decay):
                return
        next_w, self.optim_configs[name] = self.rule(w, dw * scale if scale != 1 else dw, config)
        if decay:
            next_w = next_w - float(self.optim_configs[name]["learning_rate"]) * decay * w
        self.model.params[name] = next_w

    def _end_epoch(self, start: float) -> None:
        self.epoch += 1
        for config in self.optim_configs.values():
            config["learning_rate"] *= self.lr_decay
        row = {"epoch": self.epoch, "seconds": 0.0, "train_loss": self.epoch_nll / max(self.epoch_words, 1)}
        self.epoch_nll, self.epoch_words = 0.0, 0
        with averaged(self.model, self.averages):
            self._measure(row)
        row["seconds"] = self.seconds = time.perf_counter() - start

    def _measure(self, row: dict[str, Any]) -> None:
        """Validate and score the model, add the row to history, and keep the weights if they are the best so far."""
        if self.validate:
            row["val_loss"] = self.validation_loss()
            if not math.isfinite(row["val_loss"]):
                raise FloatingPointError(f"validation loss is {row['val_loss']} after epoch {self.epoch}: "
                                         "lower the learning rate or clip the gradients")
            row["val_perplexity"] = math.exp(row["val_loss"]) if row["val_loss"] < 709 else math.inf
            self.best_val_loss = min(row["val_loss"], self.best_val_loss)
        self.history.append(row)
        if self.scorer is not None and (self.epoch % self.score_every == 0 or self.finished()):
            row.update(self.scorer(self.model))
        if self.best_epoch == self.epoch:
            self.best_params = {name: w.copy() for name, w in self.model.params.items()}

    def validation_loss(self, split: str = "val") -> float:
        """Mean -log p of the split's words, in nats a word: models.likelihood.split_loss."""
        return split_loss(self.model, self.data, split, self.batch_size)

    def check_accuracy(self, X: np.ndarray, y: np.ndarray, num_samples: int | None = None,
                       batch_size: int = 100) -> float:
        """Share of words that the model finds most likely after the words before them: models.likelihood.accuracy."""
        return accuracy(self.model, X, y, num_samples, batch_size)
