"""What the report shows of each image: the picture, the beam as a tree, the gates and gradients of each word."""
import numpy as np

from models.decoding import beam_search
from models.images import grid_of
from models.through_time import through_time
from scripts.evaluation.captions import own_regions
from scripts.pages.overlay import attention


def beams_and_trees(model, features, beam, **options):
    """For each image its Hypotheses, the best first, and the steps of its beam; for scripts.evaluation.captions."""
    decoded = beam_search(model, features, beam, history=True, **options)
    return list(zip(decoded.beams, decoded.history))


def describe_images(model, features, rows, beams_and_steps, vocabulary, batch=32):
    """What the page draws of each image, given by its row of the features -> list of dicts that JSON can hold."""
    described = []
    for i in range(0, len(beams_and_steps), batch):
        part = beams_and_steps[i:i + batch]
        best = [beams[0] for beams, _ in part]
        maps = [hypothesis.maps for hypothesis in best]
        maps = own_regions(maps, features, rows[i:i + batch]) if model.attends else maps
        read = features[rows[i:i + batch]]
        cells = cell_by_word(model, read, [hypothesis.ids for hypothesis in best], vocabulary, maps)
        described += [{**cell, **tree(steps, hypothesis.ids, vocabulary), **drawn_maps(hypothesis, seen, read),
                       "found": [[vocabulary.text(h.ids), round(h.log_prob / len(h.ids), 3)] for h in beams]}
                      for cell, hypothesis, seen, (beams, steps) in zip(cells, best, maps, part)]
    return described


def tree(steps, ids, vocabulary):
    """A beam's nodes as [parent or -1, word, log p of the caption so far, ended], and which of them are the caption."""
    nodes, chosen, before = [], [], [-1]
    for t, step in enumerate(steps):
        here, parents = list(range(len(nodes), len(nodes) + len(step))), [before[node.parent] for node in step]
        nodes += [[parent, vocabulary.idx_to_word[node.word], round(node.log_prob, 3), int(node.ended)]
                  for parent, node in zip(parents, step)]
        last = chosen[-1] if chosen else -1
        chosen += [k for k, parent, node in zip(here, parents, step)
                   if t < len(ids) and parent == last and node.word == ids[t]]
        before = here
    return {"nodes": nodes, "chosen": chosen}


def drawn_maps(hypothesis, maps, features):
    """The attention map of each word for the page; {} without attention.

    maps (len(ids), L) of the image's own regions, or None; features: as the model takes them.
    """
    if maps is None:
        return {}
    return attention(maps[:len(hypothesis.ids) - hypothesis.finished], grid_of(features, maps.shape[1]))


def cell_by_word(model, features, captions, vocabulary, maps):
    """Gates, heads and gradients for captions, lists of ids, of some images -> for each a dict of what the page draws.

    "gates": name -> a [mean, lower quartile, upper quartile] over the units after <START> and after each word;
    "dh", "dc", "dx": log10 of the gradient's norm after each of these up to the word before the last, None where 0;
    "saturated": the share of units that are, after each, of a cell that has it drawn;
    "heads": for each head the "maps" and "peaks" of the words, as for the `maps` (words, L) of all heads.
    """
    ended = [ids[-1] == vocabulary.end for ids in captions]
    words = np.array([len(ids) - end for ids, end in zip(captions, ended)])
    table = np.full((len(captions), max(words) + 2), vocabulary.null)       # the last column is never fed
    table[:, 0] = vocabulary.start
    for row, ids in zip(table, captions):
        row[1:len(ids) + 1] = ids
    found = through_time(model, features, table, np.maximum(words, 1))      # of an empty caption the loss of <END>
    described = []
    for n, count in enumerate(words):
        cell = {"gates": {name: _spread(values[n, :count + 1]) for name, values in found.gates.items()},
                **{f"d{state}": _log10(norms[n, :max(count, 1)]) for state, norms in found.norms.items()}}
        if model.cell.about.saturation and found.saturated is not None:
            cell["saturated"] = np.round(found.saturated[n, :count + 1].mean(axis=1), 3).tolist()
        if found.heads is not None and count:
            own = found.heads[n, :, :count, :maps[n].shape[1]]
            cell["heads"] = [attention(of_head, grid_of(features, own.shape[2])) for of_head in own]
        described.append(cell)
    return described


def _spread(values):
    """Mean and quartiles over units, values (T, H) -> T lists of 3."""
    low, high = np.quantile(values, (0.25, 0.75), axis=1)
    return np.round(np.stack([values.mean(axis=1), low, high], axis=1).astype(float), 3).tolist()


def _log10(norms):
    return [round(float(np.log10(norm)), 2) if norm > 0 else None for norm in norms]


def fading(described, key, least=5):
    """How the gradient fades with the distance from the last word: quartiles over images of log10 of what is left.

    -> list of [lower quartile, median, upper quartile], one for each number of words back, as far as `least` images go.
    """
    curves = [image[key][::-1] for image in described if key in image and image[key][-1] is not None]
    found = []
    for back in range(max(map(len, curves), default=0)):
        shares = [curve[back] - curve[0] for curve in curves if len(curve) > back and curve[back] is not None]
        if len(shares) < min(least, len(curves)):
            break
        found.append([round(float(q), 3) for q in np.quantile(shares, (0.25, 0.5, 0.75))])
    return found
