"""The known ways in which captioners fail: one function each, from the Evidence to a Finding.

docs/diagnosis.md explains each symptom.
"""
import math
from collections import Counter

import numpy as np

from data.dataset import check_identity
from data.word_counts import WITHOUT_BLANKS, unspaced_share
from models.images import split_features
from models.metrics import score_captions
from scripts.diagnosis import bounds
from scripts.diagnosis.bounds import CUT, ENOUGH, ENOUGH_WORDS, LARGE, STEPS, repeats
from scripts.diagnosis.evidence import Evidence
from scripts.diagnosis.finding import Finding, judge, needs, not_judged
from scripts.evaluation.attention import liveliness
from scripts.evaluation.captions import own_regions


def weights(e: Evidence) -> Finding:
    bad = {name: int((~(np.abs(w) < LARGE)).sum()) for name, w in e.model.params.items()}
    worst = max(bad, key=lambda name: bad[name] / e.model.params[name].size)
    size = e.model.params[worst].size
    says = (f"{bad[worst]:,} of {size:,} in {worst} are not finite or beyond {LARGE:g}" if bad[worst] else
            f"all are finite and below {LARGE:g}")
    return judge(bad[worst] / size, bounds.WEIGHTS, says, "training diverged, or the file was made by another program",
                 "train again with a smaller --lr and with --clip 5")


def features(e: Evidence) -> Finding:
    """Distance of the features from those of training, of means (root mean square) or spreads (median), the larger one.

    In standard deviations of training, and as |log| of the ratio of standard deviations.
    """
    cause, advice = ("another network, layer or preprocessing, or damage",
                     "extract these features in the same way as those of training, or train again")
    known = [part for part in e.feature_parts if part[3] is not None]
    try:
        check_identity(e.checkpoint.run["data"], e.dataset)
        distances = [(feature_distance(reader, e.rows, width, stats), name) for name, reader, width, stats in known]
    except ValueError as error:
        return Finding(True, other_distance(e, known), None, None, str(error), cause, advice)
    if not known or len(e.rows) < ENOUGH:
        return not_judged("the model does not standardise features" if not known else
                          f"needs at least {ENOUGH} images, has {len(e.rows)}")
    (figure, shift, spread), name = max(distances)
    return judge(figure, bounds.FEATURES,
                 f"{name}: means are off by {shift:.2f} standard deviations of training, spread is "
                 f"{spread:.2f} of it", cause, advice)


def other_distance(e, known):
    """Distance of another file's features, None if they cannot be compared."""
    try:
        return max(feature_distance(reader, e.rows, width, stats) for _, reader, width, stats in known)[0]
    except ValueError:
        return None


def feature_distance(reader, rows, width, stats):
    """-> the larger of both distances, the shift of means, the ratio of spreads. Raises ValueError on damage."""
    if reader.shape[-1] != width:
        raise ValueError(f"{reader.path}: features are {reader.shape[-1]} wide, expected {width} as in training")
    mean, std = stats
    features, _, regions = split_features(reader[rows])
    if regions is not None:
        features = features[np.arange(features.shape[1]) < regions[:, None]]
    z = (features.reshape(-1, width) - mean) / std
    shift, ratio = float(np.sqrt(np.mean(z.mean(axis=0)**2))), np.maximum(z.std(axis=0), 1e-3)
    return max(shift, float(np.median(np.abs(np.log(ratio))))), shift, float(np.median(ratio))


@needs(ENOUGH)
def same_caption(e: Evidence) -> Finding:
    counts = Counter(e.shown)
    caption, count = counts.most_common(1)[0]
    return judge(count / len(e.shown), bounds.SAME_CAPTION,
                 f"{len(counts):,} different captions of {len(e.shown):,} images; "
                 f"{count / len(e.shown):.1%} have {caption!r}",
                 "the picture does not reach the words, or training has hardly begun",
                 "look at 'blind' and 'features'; train longer; see whether --overfit 50 succeeds")


@needs(ENOUGH)
def blind(e: Evidence) -> Finding:
    """How much the right image lowers the loss of a caption compared with a wrong image, in nats per word.

    The bound allows for chance: where all pictures are other images', the gain of single images varies by about one nat
    a word.
    """
    gain = e.shuffled_loss - e.loss
    return judge(gain, bounds.blind(len(e.rows)),
                 f"{e.loss:.3f} nats a word with the own image, {e.shuffled_loss:.3f} with another "
                 f"({gain:+.3f})", "features are not used (weights of 0, too much --feature-dropout), all alike, or "
                 "not those of their images: rows in another order than image_idxs",
                 "compare pictures and captions with scripts.show_batch; check the order of image_names")


@needs(ENOUGH)
def attention(e: Evidence) -> Finding:
    """Total variation distance of maps: between words of a caption, and of first words between images; the smaller."""
    if not e.model.attends:
        return not_judged(f"does not apply to --model {e.model.cell_type}")
    maps = [hypothesis.maps[:, None] for hypothesis in e.hypotheses]
    alive = liveliness(own_regions(maps, e.reader, e.rows))
    if alive["change"] is None:
        return not_judged("no two words or regions to compare")
    images = float(np.abs(np.diff([m[0, 0] for m in maps], axis=0)).sum(axis=1).mean() / 2)
    return judge(min(alive["change"], images), bounds.ATTENTION,
                 f"maps differ by {alive['change']:.3f} between words and {images:.3f} "
                 f"between images; entropy {alive['entropy']:.2f} of at most {alive['entropy_uniform']:.2f} nats",
                 "the same regions for every word or image: energies that do not depend on the state or the region",
                 "draw it with scripts.show_attention; with more dropout and decay it has to attend at every word")


@needs(ENOUGH)
def repetition(e: Evidence) -> Finding:
    share = np.mean([repeats(words) for words in e.captions])
    people = np.mean([repeats(words) for texts in e.references for words in texts])
    return judge(share, bounds.repetition(people),
                 f"{share:.1%} of captions repeat a word in a row or three words, {people:.1%} of people's",
                 e.model.cell.about.forgetting,
                 "train longer; --block-trigrams of scripts.evaluate hides it")


@needs(ENOUGH)
def unknown_words(e: Evidence) -> Finding:
    share, people = (unknown_share(texts) for texts in (e.captions, [w for texts in e.references for w in texts]))
    return judge(share, bounds.unknown_words(people), f"{share:.1%} of words are <UNK>, {people:.1%} of people's",
                 *why_unknown(e))


def why_unknown(e):
    """Cause and advice for many <UNK>, by how the captions were cut and counted."""
    texts = [text for texts in e.dataset.references(e.split).values() for text in texts]
    if e.vocabulary.tokens != "characters" and unspaced_share(texts) > 0.5:
        return ("the captions have no blanks between words, so that few words occur twice",
                f"prepare the data again; {WITHOUT_BLANKS}")
    least = e.dataset.description.get("vocabulary", {}).get("min_count")
    if least == 1:
        return ("the training captions have no <UNK>, so its weights are still the initial ones",
                "train longer, on more captions; a smaller --min-count would not help")
    return ("the vocabulary is too small, so that <UNK> is among the most frequent words",
            "prepare the data again with a smaller --min-count" + (f" than {least}" if least else ""))


def unknown_share(texts):
    return sum(words.count("<UNK>") for words in texts) / max(sum(map(len, texts)), 1)


@needs(ENOUGH)
def length(e: Evidence) -> Finding:
    if e.cut > CUT:
        return not_judged(f"{e.cut:.1%} of the training captions were cut, so people's length is not known")
    ours, people = np.mean([len(w) for w in e.captions]), np.mean([len(w) for texts in e.references for w in texts])
    cause = "<END> is too likely" if ours < people else "<END> is too unlikely"
    return judge(ours / people, bounds.LENGTH, f"{ours:.1f} words a caption, {people:.1f} in people's",
                 f"{cause}: captions cut or padded wrongly, or wide beams with another --normalisation",
                 "check with scripts.show_batch that training captions end with <END>")


@needs(ENOUGH)
def unfinished(e: Evidence) -> Finding:
    share = np.mean([not hypothesis.finished for hypothesis in e.hypotheses])
    says = f"{share:.1%} of captions have no <END> within the length limit"
    if e.cut > CUT:
        return judge(share, bounds.UNFINISHED, says, f"{e.cut:.1%} of the training captions were cut, so have no <END>",
                     "prepare the data again with a larger --max-words")
    return judge(share, bounds.UNFINISHED, says,
                 "<END> was not learnt (training captions without it), or the caption runs in a circle",
                 "check with scripts.show_batch that training captions end with <END>")


@needs(ENOUGH)
def free_running(e: Evidence) -> Finding:
    """BLEU-4 of free-running captions over that of the likeliest words after the true ones (teacher forcing).

    Source: Bengio et al. (2015), "Scheduled sampling"; Ranzato et al. (2016), "Sequence level training".
    """
    if blind(e).found:                                      # the true words tell what the picture shows: no comparison
        return not_judged("the model is blind")
    references = {i: [" ".join(words) for words in texts] for i, texts in enumerate(e.references)}
    free, forced = (score_captions({i: " ".join(words) for i, words in enumerate(captions)}, references).corpus
                    ["BLEU-4"] for captions in (e.captions, e.forced[0]))
    if forced < 0.02:
        return not_judged(f"BLEU-4 {forced:.3f} with true prefixes: too low to compare")
    return judge(free / forced, bounds.FREE_RUNNING,
                 f"BLEU-4 {free:.3f} free-running, {forced:.3f} with true prefixes",
                 "errors accumulate (exposure bias), or a single step computes something else than the whole sequence, "
                 "for example because a state is not passed on",
                 "compare `step` with `scores` of a caption; more dropout of inputs")


@needs(ENOUGH)
def gap(e: Evidence) -> Finding:
    if e.split == "train":
        return not_judged("these are training images, use --split val")
    return judge(e.loss - e.train_loss, bounds.GAP,
                 f"{e.loss:.3f} nats a word on {e.split}, {e.train_loss:.3f} on training "
                 "captions, both without dropout", "the training captions were learnt by heart",
                 "fewer --epochs or --patience, more --dropout and --weight-decay, more data")


def exploding(e: Evidence) -> Finding:
    norms = [{name: float(np.linalg.norm(g.astype(np.float64))) for name, g in grads.items()} for grads in e.gradients]
    total = [math.hypot(*norm.values()) for norm in norms]
    worst = norms[int(np.argmax(total))]
    largest = max(worst, key=worst.get)                     # the bias of an attention's keys has none, but rounding
    smallest = min((name for name in worst if worst[name] > 1e-9 * worst[largest]), key=worst.get, default=largest)
    return judge(max(total), bounds.EXPLODING,
                 f"norm of the gradient {max(total):.3g} at most; largest {worst[largest]:.2g} of {largest}"
                 f", smallest {worst[smallest]:.2g} of {smallest}", "weights too large, or features not standardised",
                 "a smaller --lr, --clip 5, --weight-decay")


def vanishing(e: Evidence) -> Finding:
    """How much of the last word's gradient reaches the word fed STEPS before, as a ratio of mean norms."""
    flow, _ = e.memory
    k, first = min(STEPS, len(flow) - 1), e.model.cell.about.nearest
    if k <= first:
        return not_judged(f"no training caption has {'three' if first else 'two'} words")
    ratio = flow[k] / flow[first] if flow[first] > 0 else 0.0
    whose = "last word's gradient" if not first else "gradient of the word before the last"
    return judge(ratio, bounds.VANISHING, f"{ratio:.2g} of the {whose} is left {k} words before",
                 e.model.cell.about.fading, e.model.cell.about.remedy)


def saturated(e: Evidence) -> Finding:
    _, share = e.memory
    if share is None:
        return not_judged(f"does not apply to --model {e.model.cell_type}")
    return judge(share, bounds.SATURATED, f"{share:.1%} of gates and units are within 0.01 of their limits",
                 "weights or features too large: no gradient passes there", "a smaller --lr, --weight-decay, --clip 5")


@needs(ENOUGH_WORDS)
def dead_vocabulary(e: Evidence) -> Finding:
    """Share of the words of the training captions whose probability is never above 1/V, in all places looked at."""
    _, peak = e.forced
    learnt = np.setdiff1d(e.dataset.captions["train"], [e.vocabulary.null, e.vocabulary.start])
    dead = float((peak[learnt] < 1 / len(peak)).mean())
    ours, people = (len({word for words in texts for word in words})
                    for texts in (e.captions, [words for texts in e.references for words in texts]))
    return judge(dead, bounds.DEAD_VOCABULARY,
                 f"{dead:.1%} of {len(learnt):,} words never get more than 1/V; captions use {ours:,} words, "
                 f"people {people:,}", "words too rare to be learnt, or too little training",
                 "a larger --min-count in scripts.prepare_data; train longer")


SYMPTOMS = {
    "weights": weights, "features": features, "same caption": same_caption, "blind": blind, "attention": attention,
    "repetition": repetition, "unknown words": unknown_words, "length": length, "unfinished": unfinished,
    "free-running": free_running, "gap": gap, "exploding": exploding, "vanishing": vanishing, "saturated": saturated,
    "dead vocabulary": dead_vocabulary,
}
