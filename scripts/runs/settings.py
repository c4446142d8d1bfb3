"""The settings of a training run: their defaults, presets, limits, and how the command line asks for them."""
import math

BOUNDS = {"rnn": 0.1, "lstm": 0.5, "attention": 0.5, "bahdanau": 0.5}       # training loss that --overfit has to reach
DEFAULTS = {
    "model": "lstm", "hidden": 512, "wordvec": 512, "batch": 64, "epochs": 8, "lr": 1e-3, "schedule": "one-cycle",
    "warmup": 0.1, "lr_decay": 1.0, "clip": 5.0, "dropout": 0.5, "input_dropout": None, "feature_dropout": 0.0,
    "grid_dropout": 0.0, "feature_clip": None, "smoothing": 0.0, "average": 0.0, "weight_decay": 0.0,
    "forget_bias": 1.0, "seed": 0, "start": "h", "penalty": 0.0, "score_every": None, "score_beam": 3, "select": "loss",
    "patience": None, "overfit": None,
}
# Strong decay and dropout keep an attention model from remembering what it saw: it has to look again at every word.
DEFAULTS_SCENES = {
    **DEFAULTS, "model": "attention", "hidden": 128, "wordvec": 128, "lr": 4e-3, "dropout": 0.5, "weight_decay": 1.0,
}
SCENES_SEEN_ONCE = {"hidden": 256, "dropout": 0.1, "weight_decay": 0.5}            # rnn and lstm have to remember
DEFAULTS_OVERFIT = {    # the course's settings, and clipping: without it some seeds of the rnn jump late and miss 0.1
    **DEFAULTS, "wordvec": 256, "batch": 25, "epochs": 50, "lr": 5e-3, "schedule": "exponential", "dropout": 0.0,
    "forget_bias": 0.0,
}
DECAY_OVERFIT = {"rnn": 0.95, "lstm": 0.995, "attention": 0.995, "bahdanau": 0.995}
AT_LEAST_1 = (lambda x: x >= 1, "at least 1")
POSITIVE = (lambda x: 0 < x < math.inf, "a number above 0")
NOT_NEGATIVE = (lambda x: 0 <= x < math.inf, "a number of at least 0")
LIMITS = {
    **dict.fromkeys(("hidden", "wordvec", "batch", "epochs", "score_every", "score_beam", "patience", "overfit"),
                    AT_LEAST_1),
    **dict.fromkeys(("lr", "lr_decay", "feature_clip"), POSITIVE),
    **dict.fromkeys(("clip", "weight_decay", "penalty", "seed"), NOT_NEGATIVE),
    "forget_bias": (math.isfinite, "a finite number"),
    **dict.fromkeys(("dropout", "input_dropout", "feature_dropout", "grid_dropout", "smoothing", "average",
                     "warmup"), (lambda x: 0 <= x < 1, "a share in [0, 1)")),
}
HELP = {
    "model": "rnn, lstm, attention or bahdanau", "hidden": "size of the hidden state",
    "wordvec": "size of the word vectors",
    "batch": "captions a step", "epochs": "passes over the training captions",
    "lr": "learning rate of Adam, at its peak",
    "schedule": "constant, exponential (--lr-decay an epoch), cosine or one-cycle",
    "warmup": "share of the steps in which cosine and one-cycle rise", "lr_decay": "factor an epoch, for exponential",
    "clip": "largest norm of the whole gradient, 0 for none",
    "dropout": "share of the outputs' entries dropped, and of the word vectors' without --input-dropout",
    "input_dropout": "share of the word vectors' entries dropped",
    "feature_dropout": "share of the entries dropped of the vector that starts rnn, lstm and bahdanau",
    "grid_dropout": "share of the features dropped, each from the whole grid that attention and bahdanau look at",
    "feature_clip": "bound of standardised features, in standard deviations",
    "smoothing": "label smoothing: share of the target's probability that is spread over all words",
    "average": "decay of a moving average of the weights, which is validated, scored and kept as best; 0 for none",
    "weight_decay": "decoupled weight decay of the matrices", "forget_bias": "initial bias of the LSTM's forget gates",
    "start": "what of an lstm the picture starts: its hidden state, or both states, through tanh as in bahdanau",
    "penalty": "weight of bahdanau's doubly stochastic penalty: look at every region about once",
    "seed": "of weights, order and dropout",
    "score_every": "caption and score the validation split every K epochs, and after the last: val_cider and val_bleu4 "
                   "in history.csv",
    "score_beam": "beam of these captions",
    "select": "what makes an epoch the best one, for best.h5 and --patience: the validation loss, or the CIDEr of "
              "--score-every (1 if not given)",
    "patience": "stop after so many epochs (with --select cider, scorings) without a better one",
    "overfit": "sanity run: learn N captions by heart in the cs231n course's settings; exit 1 if that fails",
}
TYPES = {**dict.fromkeys(("model", "schedule", "select", "start"), str),
         **dict.fromkeys(("lr", "warmup", "lr_decay", "clip", "dropout", "input_dropout", "feature_dropout",
                          "grid_dropout", "feature_clip", "smoothing", "average", "weight_decay", "penalty",
                          "forget_bias"), float)}
CHOICES = {"model": tuple(BOUNDS), "schedule": ("constant", "exponential", "cosine", "one-cycle"),
           "select": ("loss", "cider"), "start": ("h", "both")}
MODEL_OPTIONS = ("start", "forget_bias", "dropout", "input_dropout", "feature_dropout", "grid_dropout", "feature_clip",
                 "penalty", "smoothing")
METAVARS = {"overfit": "N", "score_every": "K", "score_beam": "K"}
COLUMN = {"loss": "val_loss", "cider": "val_cider"}
# What docs/flickr8k.md found on the development split.
PRESETS = {
    "flickr8k-lstm": {
        "model": "lstm", "start": "both", "input_dropout": 0.3, "feature_dropout": 0.3, "feature_clip": 5.0,
        "smoothing": 0.1, "weight_decay": 0.4, "average": 0.995, "batch": 128, "lr": 1.6e-3, "epochs": 8,
        "score_every": 2, "select": "cider",
    },
    "flickr8k-bahdanau": {
        "model": "bahdanau", "input_dropout": 0.4, "feature_dropout": 0.4, "grid_dropout": 0.2, "feature_clip": 5.0,
        "penalty": 0.01, "smoothing": 0.1, "weight_decay": 0.6, "average": 0.995, "batch": 128, "lr": 1.6e-3,
        "epochs": 9, "score_every": 1, "select": "cider",
    },
}


def add_settings(parser):
    """Add an option for each setting, and --preset."""
    parser.add_argument("--preset", choices=tuple(PRESETS),
                        help="settings that do well on Flickr8k (docs/flickr8k.md); other options go before them")
    for name, default in DEFAULTS.items():
        shown = f" (default {default}; scenes {DEFAULTS_SCENES[name]})" if DEFAULTS_SCENES[name] != default else (
            "" if default is None else f" (default {default})")
        parser.add_argument("--" + name.replace("_", "-"), type=TYPES.get(name, int), choices=CHOICES.get(name),
                            metavar=METAVARS.get(name, None if name in CHOICES else "X"),
                            help=HELP[name] + shown)


def settings_of(args, scenes):
    """The run's settings: what was asked for, else the defaults for this data."""
    asked = {name: getattr(args, name) for name in DEFAULTS if getattr(args, name) is not None}
    asked = {**PRESETS.get(args.preset, {}), **asked}
    defaults = DEFAULTS_SCENES if scenes and args.preset is None else DEFAULTS
    if scenes and args.preset is None and asked.get("model") in ("rnn", "lstm"):
        defaults = {**DEFAULTS_SCENES, **SCENES_SEEN_ONCE}
    if args.overfit is not None:
        model = asked.get("model", DEFAULTS["model"])
        defaults = {**DEFAULTS_OVERFIT, "lr_decay": DECAY_OVERFIT[model]}
        if model == "attention":            # learns by heart more slowly: 80 epochs are too few for some seeds
            defaults["epochs"] = 120
    settings = {**defaults, **asked}
    for name, (fits, expected) in LIMITS.items():
        if settings[name] is not None and not fits(settings[name]):
            raise ValueError(f"--{name.replace('_', '-')} {settings[name]}: expected {expected}")
    if settings["overfit"] is not None and (settings["score_every"] or settings["select"] != "loss"
                                            or settings["patience"]):
        raise ValueError("--score-every, --select cider and --patience do not go with --overfit: it learns by heart, "
                         "nothing is validated")
    if settings["select"] == "cider":
        settings["score_every"] = settings["score_every"] or 1
    if args.score_beam is not None and not settings["score_every"]:
        raise ValueError(f"--score-beam {args.score_beam}: it belongs to --score-every")
    return settings
