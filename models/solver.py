"""Training: minibatches, update rules, schedules, validation and early stopping. Knows nothing of files or pictures."""
import contextlib
import math
import time

import numpy as np

from models.batches import epoch_batches, trim
from models.captioning_rnn import CaptioningRNN
from models.likelihood import split_loss
from models.read_ahead import on_disk, read_ahead
from models.schedules import SCHEDULES
from rnnlayers import optim
from rnnlayers.lengths import sequence_lengths
from rnnlayers.workspace import Workspace

OPTIONS = {
    "update_rule": "sgd", "optim_config": {}, "lr_decay": 1.0, "batch_size": 100, "num_epochs": 10, "print_every": 10,
    "verbose": True,                                  # up to here the course's, from here on our own
    "sampling": "replacement", "seed": None, "schedule": "exponential", "warmup": 0.1, "clip": None,
    "weight_decay": 0.0, "validate": False, "patience": None, "scorer": None, "score_every": 1, "select": "val_loss",
    "average": 0.0, "callbacks": (),
}


class CaptioningSolver:
    """Trains a captioning model on a dict with train_captions, train_image_idxs and train_features (and val_...).

    The model needs `params` and `loss(features, captions) -> loss, grads`. Options, with neutral defaults:
    update_rule: a name in rnnlayers.optim; optim_config: its hyperparameters; lr_decay: factor at each epoch's end;
    batch_size; num_epochs; print_every and verbose: what is printed.

    sampling: 'replacement' as in the course, or 'epochs', shuffled epochs of batches of like length.
    seed: int or Generator; None draws from NumPy's global state. schedule: constant, exponential (by lr_decay),
    cosine or one-cycle, the last two with `warmup`, a share of all steps. clip: largest global norm of the gradients.
    weight_decay: w <- w - lr weight_decay w for matrices, apart from the update rule (Loshchilov and Hutter 2019).
    validate: measure the val split at each epoch's end and keep `best_params`; scorer: called with the model after
    every `score_every`-th epoch and the last, -> dict of further columns of history; select: what tells the best
    epoch, 'val_loss' (the smallest) or a column of the scorer's (the largest); patience: stop after so many
    measurements of it without a better one. average: decay d of a moving average of the weights, a <- d a + (1 - d) w
    after each step, which is then what is validated, scored and kept as best (Polyak and Juditsky 1992). callbacks:
    called with the solver after every step; setting `solver.stop` ends training.

    On the engine (models.CaptioningRNN, backend) the arrays in `params` are updated in place, and gradients that loss()
    returned within a step are overwritten by the next step: copy what you keep. best_params are copies.
    After training: loss_history (one float a step), history (one dict an epoch; losses in nats a word), optim_configs,
    epoch, best_params, best_val_loss. Raises ValueError on unknown options and data that do not fit together.
    """

    def __init__(self, model, data, **kwargs):
        unknown = ", ".join(repr(name) for name in kwargs if name not in OPTIONS)
        if unknown:
            raise ValueError(f"Unrecognized arguments {unknown}, expected some of {', '.join(OPTIONS)}")
        self.model, self.data = model, data
        for name, default in OPTIONS.items():
            setattr(self, name, kwargs.get(name, default))
        self._check_options()
        if isinstance(self.seed, np.random.Generator):
            self.seed = int(self.seed.integers(2**31))
        self.rule = getattr(optim, self.update_rule)
        _check_data(data, "train")
        if self.validate:
            _check_data(data, "val")
        self._reset()

    def _check_options(self):
        if self.update_rule not in ("sgd", "sgd_momentum", "rmsprop", "adam"):
            raise ValueError(f"Invalid update_rule {self.update_rule!r}, expected sgd, sgd_momentum, rmsprop or adam")
        schedules = ("constant", "exponential", *SCHEDULES)
        for name, choices in (("schedule", schedules), ("sampling", ("replacement", "epochs"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(choices)}")
        if self.batch_size < 1 or self.clip is not None and self.clip <= 0 or not 0 <= self.warmup < 1:
            raise ValueError(f"batch_size {self.batch_size}, clip {self.clip}, warmup {self.warmup}: "
                             "expected batch_size >= 1, clip None or > 0, warmup in [0, 1)")
        if self.schedule in SCHEDULES and "learning_rate" not in self.optim_config:
            raise ValueError(f"schedule {self.schedule!r} needs optim_config={{'learning_rate': ...}}")
        if self.schedule != "exponential" and self.lr_decay != 1:
            raise ValueError(f"lr_decay {self.lr_decay} belongs to schedule 'exponential', not to {self.schedule!r}")
        if self.patience is not None and not self.validate:
            raise ValueError("patience needs validate=True")
        if not 0 <= self.average < 1:
            raise ValueError(f"average is {self.average}, expected a decay in [0, 1)")
        if self.score_every < 1:
            raise ValueError(f"score_every is {self.score_every}, expected at least 1")
        if self.scorer is not None and not self.validate or self.scorer is None and self.select != "val_loss":
            raise ValueError(f"scorer {self.scorer}, select {self.select!r}: a scorer needs validate=True, and select "
                             "another than 'val_loss' a scorer")

    def _reset(self):
        self.iteration, self.epoch, self.seconds, self.stop, self.rounds = 0, 0, 0.0, False, 1
        self.best_val_acc, self.best_val_loss, self.best_params = 0, math.inf, {}
        self.loss_history, self.history = [], []
        self.epoch_nll, self.epoch_words, self.step_words = 0.0, 0, 0      # of this epoch so far, of the last step
        self.optim_configs = {name: dict(self.optim_config) for name in self.model.params}
        self._batches_epoch, self._batches, self._ahead, self.own_seed = None, None, None, None
        self._workspace = Workspace()
        self.averages = {name: w.copy() for name, w in self.model.params.items()} if self.average else {}

    @property
    def iterations_per_epoch(self):
        captions = len(self.data["train_captions"])
        if self.sampling == "epochs":
            return math.ceil(captions / self.batch_size)
        return max(captions // self.batch_size, 1)

    @property
    def num_iterations(self):
        return self.num_epochs * self.iterations_per_epoch

    def train(self):
        """Train from the current iteration to the last one, to early stopping, or until `stop` is set.

        Called again after the last iteration it trains for another num_epochs, as the course's solver does.
        """
        self.rounds = max(self.rounds, self.iteration // max(self.num_iterations, 1) + 1)
        start, self.stop = time.perf_counter() - self.seconds, False
        try:
            while not (self.finished() or self.stop):
                self._step()
                self.seconds = time.perf_counter() - start
                if self.verbose and (self.iteration - 1) % self.print_every == 0:
                    print(f"(Iteration {self.iteration:d} / {self.num_iterations:d}) loss: {self.loss_history[-1]:f}")
                if self.iteration % self.iterations_per_epoch == 0:
                    self._end_epoch(start)
                for callback in self.callbacks:
                    callback(self)
        finally:
            self._stop_reading()

    def finished(self):
        """Whether all iterations are done or patience has run out."""
        if self.iteration >= self.rounds * self.num_iterations:
            return True
        return self.patience is not None and self._since_best() >= self.patience

    @property
    def best_epoch(self):
        """The epoch with the best validation loss so far, or the best of what `select` names; 0 before there is one."""
        measured = self._measured()
        return max(measured, key=self._quality)["epoch"] if measured else 0

    def _measured(self):
        return [row for row in self.history if self._quality(row) is not None]

    def _since_best(self):
        """Measurements since the best one."""
        return sum(row["epoch"] > self.best_epoch for row in self._measured())

    def _quality(self, row):
        """What is the larger the better an epoch is, None where it was not measured."""
        value = row.get(self.select)
        return -value if value is not None and self.select == "val_loss" else value

    def step(self, features, captions):
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
        self._average()
        self.step_words = int((captions[:, 1:] != self.model.word_to_idx["<NULL>"]).sum())
        self.loss_history.append(float(loss) - float(regularisers))             # the likelihood alone
        return self.loss_history[-1]

    def _objective(self, features, captions):
        """Loss, the part of it that regularises, gradients; on the engine in arrays that every step uses again.

        A model whose `loss` is not CaptioningRNN's own is asked for that.
        """
        if getattr(self.model.loss, "__func__", None) is not CaptioningRNN.loss:
            loss, grads = self.model.loss(features, captions, *self._dropout_rng())
            return loss, 0.0, grads
        return self.model.objective(features, captions, *self._dropout_rng(), workspace=self._workspace)

    def _on_engine(self):
        return getattr(self.model, "backend", None) == "engine"

    def _step(self):
        batch = self._next_batch()
        captions = self.data["train_captions"][batch]
        loss = self.step(self._read(batch), captions)
        self.epoch_nll += loss * len(captions)
        self.epoch_words += self.step_words

    def _read(self, batch):
        """Features of a batch; where they are on disk a thread reads ahead to the end of the epoch."""
        features, rows = self.data["train_features"], self.data["train_image_idxs"]
        if self.sampling != "epochs" or not on_disk(features, rows):
            return features[rows[batch]]
        if self._ahead is None:
            rest = self._batches[self.iteration % self.iterations_per_epoch:]
            self._ahead = read_ahead(features, [rows[b] for b in rest])
        return next(self._ahead)

    def _stop_reading(self):
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _next_batch(self):
        captions = self.data["train_captions"]
        if self.sampling == "replacement":
            choice = np.random.choice if self.seed is None else self._generator("batch", self.iteration).choice
            return choice(len(captions), self.batch_size)
        epoch, k = divmod(self.iteration, self.iterations_per_epoch)
        if self._batches_epoch != epoch:
            lengths = sequence_lengths(captions, self.model.word_to_idx["<NULL>"])
            self._batches = epoch_batches(lengths, self.batch_size, self._generator("epoch", epoch))
            self._stop_reading()
            self._batches_epoch = epoch
        return self._batches[k]

    def _generator(self, purpose, number):
        """A Generator of its own for each epoch and step: seed and iteration are all the random state there is."""
        if self.own_seed is None:       # apart from `seed`, whose None keeps the course's way to draw batches
            self.own_seed = int(np.random.randint(2**31)) if self.seed is None else self.seed
        return np.random.default_rng([self.own_seed, ("batch", "epoch", "dropout").index(purpose), number])

    def _dropout_rng(self):
        shares = (getattr(self.model, name, 0) for name in ("dropout", "input_dropout", "feature_dropout"))
        return (self._generator("dropout", self.iteration),) if any(shares) else ()

    def _clip_scale(self, grads):
        if self.clip is None:
            return 1
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads.values()))
        if not math.isfinite(norm):
            raise FloatingPointError(f"a gradient is not finite at step {self.iteration + 1}: lower the learning rate")
        return min(1, self.clip / norm) if norm else 1

    def _update(self, name, w, dw, scale):
        """Move one parameter by the update rule, with its gradient times scale; on the engine in place."""
        config = self.optim_configs[name]
        if self.schedule in SCHEDULES:
            progress = min((self.iteration + 0.5) / self.num_iterations, 1)    # the middle of the step: not 0, not 1
            factor = SCHEDULES[self.schedule](progress, self.warmup)
            config["learning_rate"] = self.optim_config["learning_rate"] * factor
        decay = self.weight_decay if w.ndim > 1 else 0
        if self._on_engine():
            from rnnlayers.engine import update_in_place                # imports Numba
            if update_in_place(self.update_rule, w, dw, config, scale, decay):
                return
        next_w, self.optim_configs[name] = self.rule(w, dw * scale if scale != 1 else dw, config)
        if decay:
            next_w = next_w - float(self.optim_configs[name]["learning_rate"]) * decay * w
        self.model.params[name] = next_w

    def _average(self):
        """Move the averages towards the weights; early ones, which are far off, count less than `average` says."""
        decay = min(self.average, self.iteration / (self.iteration + 10))
        for name, average in self.averages.items():
            scratch = self._workspace(f"average of {name}", average.shape, average.dtype)
            np.subtract(self.model.params[name], average, out=scratch)
            scratch *= average.dtype.type(1 - decay)
            average += scratch

    @contextlib.contextmanager
    def _averaged(self):
        """The model with the averages, where there are any, in place of its weights."""
        weights = self.model.params
        self.model.params = self.averages or weights
        try:
            yield
        finally:
            self.model.params = weights

    def _end_epoch(self, start):
        self.epoch += 1
        for config in self.optim_configs.values():
            config["learning_rate"] *= self.lr_decay
        row = {"epoch": self.epoch, "seconds": 0.0, "train_loss": self.epoch_nll / max(self.epoch_words, 1)}
        self.epoch_nll, self.epoch_words = 0.0, 0
        with self._averaged():
            self._measure(row)
        row["seconds"] = self.seconds = time.perf_counter() - start

    def _measure(self, row):
        """Validate and score the model, and keep it if it is the best so far; into a row of history."""
        if self.validate:
            row["val_loss"] = self.validation_loss()
            if not math.isfinite(row["val_loss"]):
                raise FloatingPointError(f"validation loss is {row['val_loss']} after epoch {self.epoch}: "
                                         "lower the learning rate or clip the gradients")
            row["val_perplexity"] = math.exp(min(row["val_loss"], 700))
            self.best_val_loss = min(row["val_loss"], self.best_val_loss)
        self.history.append(row)
        if self.scorer is not None and (self.epoch % self.score_every == 0 or self.finished()):
            row.update(self.scorer(self.model))
        if self.best_epoch == self.epoch:
            self.best_params = {name: w.copy() for name, w in self.model.params.items()}

    def validation_loss(self, split="val"):
        """Mean -log p of the split's words, in nats a word: total over all captions divided by their words."""
        return split_loss(self.model, self.data, split, self.batch_size)

    def check_accuracy(self, X, y, num_samples=None, batch_size=100):
        """Share of words that are the most likely one after the words before them.

        X features (N, D), y captions integer (N, T), num_samples: so many of them, drawn at random -> float in [0, 1].
        """
        if num_samples is not None and num_samples < len(X):
            chosen = np.random.choice(len(X), num_samples)
            X, y = X[chosen], y[chosen]
        null, hits, words = self.model.word_to_idx["<NULL>"], 0, 0
        for i in range(0, len(X), batch_size):
            targets = y[i:i + batch_size, 1:]
            best = self.model.scores(X[i:i + batch_size], y[i:i + batch_size]).argmax(axis=2)
            hits += int(((best == targets) & (targets != null)).sum())
            words += int((targets != null).sum())
        return hits / max(words, 1)


def _check_data(data, split):
    keys = [f"{split}_{name}" for name in ("captions", "image_idxs", "features")]
    missing = ", ".join(key for key in keys if key not in data)
    if missing:
        raise ValueError(f"data has no {missing}, expected {', '.join(keys)}")
    captions, rows, features = (data[key] for key in keys)
    if len(captions) != len(rows):
        raise ValueError(f"{keys[0]} has {len(captions)} rows and {keys[1]} {len(rows)}, expected as many")
    if not len(captions):
        raise ValueError(f"{keys[0]} is empty, expected at least one caption")
    if np.min(rows) < 0 or np.max(rows) >= features.shape[0]:
        raise ValueError(f"{keys[1]} has rows {np.min(rows)}..{np.max(rows)}, "
                         f"expected 0..{features.shape[0] - 1}, the rows of {keys[2]}")
