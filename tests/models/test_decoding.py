"""Decoders against exhaustive search, against the model's own likelihoods, and at the ends of their options."""
import itertools

import numpy as np
import pytest

from models import CaptioningRNN
from models.decoding import beam_search, greedy, sample
from models.ensemble import Ensemble
from tests.cells import NAMES, SMALL, features_for, few_units

BACKENDS = ["engine", "textbook"]
WORDS = {word: i for i, word in enumerate(["<NULL>", "b", "<START>", "a", "<END>", "<UNK>", "c"])}    # in no order
NULL, START, END, UNK, LENGTH = 0, 2, 4, 5, 4


def make(cell, backend="textbook", seed=0, dtype=np.float64, words=WORDS, sharpness=3):
    """A random model of strong opinions."""
    model = CaptioningRNN(words, 5, 4, 6, cell, dtype, seed=seed, backend=backend, **few_units(cell))
    for name, w in model.params.items():
        small = SMALL.get(cell, 1) if w.ndim == 2 else 1
        model.params[name] = w * (100 if name == "W_embed" else sharpness if name == "W_vocab" else small)
    return model


def of_words(model, features, captions):
    """log p of each word of captions of one image, by one call of `scores`, which shares no code with `step`."""
    padded = np.full((len(captions), 1 + max(map(len, captions))), NULL)
    for row, ids in zip(padded, captions):
        row[:1 + len(ids)] = START, *ids
    z = model.scores(np.repeat(features, len(captions), axis=0), padded).astype(np.float64)
    z -= z.max(axis=2, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=2, keepdims=True))
    return [z[i, np.arange(len(ids)), ids] for i, ids in enumerate(captions)]


def likelihoods(model, features, captions):
    """log p of some captions of one image."""
    return [words.sum() for words in of_words(model, features, captions)]


def likelihood(model, features, ids):
    """log p of one caption's ids for one image."""
    return likelihoods(model, features, [ids])[0]


def every_caption(allowed, length):
    """All captions that end within the bound."""
    for n in range(length):
        for body in itertools.product(allowed, repeat=n):
            yield [*body, END]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cell", NAMES)
def test_a_wide_beam_finds_the_best_of_all_captions(cell, backend, rng):
    model, features, all_captions = make(cell, backend), features_for(cell, 3, rng), [*every_caption([1, 3, 6], LENGTH)]
    found = [likelihoods(model, features[i:i + 1], all_captions) for i in range(3)]
    for normalisation in (0.0, 0.7, 1.0):
        decoded = beam_search(model, features, 4**LENGTH, LENGTH, normalisation=normalisation)
        for i, log_probs in enumerate(found):
            log_p, best = max(zip(log_probs, all_captions), key=lambda pair: pair[0] / len(pair[1])**normalisation)
            assert decoded.captions[i].tolist() == best + [NULL] * (LENGTH - len(best)) and decoded.finished[i]
            assert decoded.log_probs[i] == pytest.approx(log_p, rel=1e-9)
            ends = [h.ids for h in decoded.beams[i] if h.finished]          # each caption once, and none forgotten
            assert sorted(ends) == sorted(all_captions)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cell", NAMES)
@pytest.mark.parametrize("beam", [1, 2, 3, 5])
def test_every_hypothesis_has_its_likelihood(cell, backend, beam, rng):
    """Rows change places, images leave: whoever loses track of a state gets another caption's probability."""
    model, features = make(cell, backend, seed=1), features_for(cell, 9, rng)
    decoded = beam_search(model, features, beam, 7)
    assert decoded.captions.dtype == np.int32 and decoded.captions.shape == (9, 7)
    assert len({len(h.ids) for hypotheses in decoded.beams for h in hypotheses}) > 1
    for i, hypotheses in enumerate(decoded.beams):
        assert len({tuple(h.ids) for h in hypotheses}) == len(hypotheses) == beam
        for h, log_p in zip(hypotheses, likelihoods(model, features[i:i + 1], [h.ids for h in hypotheses])):
            assert h.log_prob == pytest.approx(log_p, rel=1e-6)
            assert h.finished == (h.ids[-1] == END) and END not in h.ids[:-1]
            if model.attends:
                maps = model.attention(features[i:i + 1], np.array([[START, *h.ids]]))[0]
                np.testing.assert_allclose(h.maps, maps, atol=1e-6)
            else:
                assert h.maps is None
        ranks = [(h.finished, h.log_prob / len(h.ids)) for h in hypotheses]
        assert ranks == sorted(ranks, reverse=True)
    if model.attends:
        assert decoded.maps.shape == (9, 7, 3)
        np.testing.assert_array_equal(decoded.maps.any(axis=2), decoded.captions != NULL)


def loop_beam(model, features, beam, length):
    """A plain beam search of one image, in Python lists, on likelihoods of whole prefixes."""
    live, done, log_p = [[]], [], {}
    for _ in range(length):
        grown = [[*ids, word] for ids in live for word in (1, 3, 4, 6)]
        log_p.update(zip(map(tuple, grown), likelihoods(model, features, grown)))
        grown.sort(key=lambda ids: -log_p[tuple(ids)])
        done += [ids for ids in grown[:beam] if ids[-1] == END]
        live = [ids for ids in grown if ids[-1] != END][:beam]
        if len(done) >= beam:
            break
    best = max(done or live, key=lambda ids: log_p[tuple(ids)] / len(ids))
    return best + [NULL] * (length - len(best))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cell", NAMES)
@pytest.mark.parametrize("beam", [2, 3])
def test_batches_give_what_one_image_at_a_time_gives(cell, backend, beam, rng):
    model, features = make(cell, backend, seed=2), features_for(cell, 12, rng)
    expected = [loop_beam(model, features[i:i + 1], beam, 6) for i in range(12)]
    assert beam_search(model, features, beam, 6).captions.tolist() == expected


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cell", NAMES)
def test_a_beam_of_one_is_greedy(cell, backend, rng):
    """The model's own greedy loop, once its words are those that decoding may choose."""
    model, features = make(cell, backend, seed=3), features_for(cell, 12, rng)
    model.params["b_vocab"][[NULL, START]] = -50
    sampled = model.sample(features, 8)
    maps, captions = (sampled[1], sampled[0]) if model.attends else (None, sampled)
    decoded = greedy(model, features, 8, allow_unknown=True)
    np.testing.assert_array_equal(decoded.captions, captions)
    np.testing.assert_array_equal(beam_search(model, features, 1, 8, allow_unknown=True).captions, captions)
    assert (captions == UNK).any() and (captions == END).any(axis=1).tolist() == decoded.finished.tolist()
    if model.attends:
        np.testing.assert_allclose(decoded.maps, maps.reshape(12, 8, 3), atol=1e-12)
    assert not (greedy(model, features, 8).captions == UNK).any()


@pytest.mark.parametrize("cell", NAMES)
def test_backends_agree_in_float32(cell, rng):
    features = features_for(cell, 20, rng)
    one, other = (beam_search(make(cell, backend, 4, np.float32), features, 3, 9) for backend in BACKENDS)
    np.testing.assert_array_equal(one.captions, other.captions)
    np.testing.assert_allclose(one.log_probs, other.log_probs, rtol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "bahdanau"])
def test_it_always_ends(cell, rng):
    """A model that never wants to end, one whose vocabulary has no end, and one that ends at once."""
    features = features_for(cell, 5, rng)
    model = make(cell)
    model.params["b_vocab"][END] = -1000
    decoded = beam_search(model, features, 3, 6)
    assert not decoded.finished.any() and (decoded.captions != NULL).all() and len(decoded.beams[0]) == 3
    endless = make(cell, words={word: i for word, i in WORDS.items() if word != "<END>"} | {"d": END})
    assert not beam_search(endless, features, 2, 6).finished.any()
    model.params["b_vocab"][END] = 1000
    decoded = beam_search(model, features, 3, 6)
    assert decoded.captions.tolist() == [[END, 0, 0, 0, 0, 0]] * 5 and decoded.finished.all()
    assert beam_search(model, features, 3, 1).captions.tolist() == [[END]] * 5


def test_history_leads_to_every_hypothesis(rng):
    model, features = make("attention", seed=5), features_for("attention", 6, rng)
    decoded = beam_search(model, features, 3, 6, history=True)
    assert beam_search(model, features, 3, 6).history is None
    for steps, hypotheses in zip(decoded.history, decoded.beams):
        found = {}
        for t, nodes in enumerate(steps):
            goes = [node for node in nodes if not node.ended]
            assert nodes[:len(goes)] == goes and len(goes) <= 3
            assert [n.log_prob for n in goes] == sorted((n.log_prob for n in goes), reverse=True)
            for node in nodes:
                ids, at, k = [node.word], node.parent, t
                while k:
                    k -= 1
                    ids, at = [steps[k][at].word, *ids], steps[k][at].parent
                if node.ended or t == 5:
                    found[tuple(ids)] = node.log_prob
        assert {tuple(h.ids): h.log_prob for h in hypotheses}.items() <= found.items()


def test_blocked_trigrams(rng):
    model, features = make("lstm", seed=6), features_for("lstm", 30, rng)
    model.params["b_vocab"][END] = -20                      # long captions, which repeat themselves

    def repeats(captions):
        rows = [[i for i in row if i not in (NULL, END)] for row in captions.tolist()]
        return [max(len(row) - 2, 0) - len({tuple(row[i:i + 3]) for i in range(len(row) - 2)}) for row in rows]
    assert max(repeats(beam_search(model, features, 2, 15).captions)) > 3
    for beam in (1, 3):
        blocked = beam_search(model, features, beam, 15, block_trigrams=True)
        assert not any(repeats(blocked.captions))
    drawn = sample(model, features, rng, 15, block_trigrams=True)
    assert not any(repeats(drawn.captions))


def test_draws_follow_the_models_probabilities():
    """4,000 draws of one image against the probabilities of its captions, with temperature."""
    model, features = make("lstm", seed=7, sharpness=1), np.random.default_rng(1).standard_normal((1, 5))
    temperature, n = 0.8, 4000
    decoded = sample(model, np.repeat(features, n, axis=0), np.random.default_rng(2), 2, temperature=temperature)
    z = model.scores(features, np.array([[START, NULL]]))[0, 0]
    allowed = [1, 3, 4, 6]
    p = np.exp(z[allowed] / temperature)
    p /= p.sum()
    shares = [(decoded.captions[:, 0] == word).mean() for word in allowed]
    assert np.abs(shares - p).max() < 4 * np.sqrt(0.25 / n)
    for ids, log_prob, finished in zip(decoded.captions[:20], decoded.log_probs, decoded.finished):
        ids = ids[ids != NULL].tolist()
        assert log_prob == pytest.approx(likelihood(model, features, ids)) and finished == (ids[-1] == END)


def test_top_k_and_top_p_keep_the_likely_words():
    model, features = make("lstm", seed=7, sharpness=1), np.random.default_rng(1).standard_normal((1, 5))
    z = model.scores(features, np.array([[START, NULL]]))[0, 0]
    allowed = np.array([1, 3, 4, 6])
    p = np.exp(z[allowed]) / np.exp(z[allowed]).sum()
    order = np.argsort(-p)
    many = np.repeat(features, 600, axis=0)

    def drawn(**options):
        return set(sample(model, many, np.random.default_rng(3), 1, **options).captions[:, 0].tolist())
    for k in (1, 2, 3):
        assert drawn(top_k=k) == set(allowed[order[:k]].tolist())
        just = p[order[:k]].sum()                           # k words hold just so much
        assert drawn(top_p=just - 1e-9) == set(allowed[order[:k]].tolist())
        assert drawn(top_p=just + 1e-9) == set(allowed[order[:k + 1]].tolist())
    top = p[order[:2]].sum()
    assert drawn(top_k=2, top_p=p[order[0]] / top - 1e-9) == {int(allowed[order[0]])}
    assert drawn(top_k=2, top_p=p[order[0]] / top + 1e-9) == set(allowed[order[:2]].tolist())
    for temperature in (1e-3, 1e-39, 1e-300):
        assert drawn(temperature=temperature) == {int(allowed[order[0]])}
    assert drawn(temperature=1e308) == set(allowed.tolist())
    assert drawn() == set(allowed.tolist())


def test_the_seed_decides_the_draws(rng):
    model, features = make("attention", seed=8), features_for("attention", 10, rng)
    one, same, other = (sample(model, features, np.random.default_rng(s), 8).captions.tolist() for s in (1, 1, 2))
    assert one == same != other


def test_wrong_options(rng):
    model, features = make("lstm"), features_for("lstm", 2, rng)
    for options in ({"beam": 0}, {"beam": 1.5}, {"max_length": 0}, {"normalisation": np.nan}):
        with pytest.raises(ValueError, match="decoding"):
            beam_search(model, features, **options)
    for options in ({"temperature": 0}, {"temperature": np.nan}, {"top_p": 0}, {"top_p": 1.1}, {"top_k": 0}):
        with pytest.raises(ValueError, match="decoding"):
            sample(model, features, rng, **options)
    with pytest.raises(ValueError, match="no image"):
        greedy(model, features[:0])
    with pytest.raises(ValueError, match="<START>"):
        greedy(make("lstm", words={"<NULL>": 0, "a": 1}), features)
    with pytest.raises(ValueError, match="no word was left"):
        greedy(make("lstm", words={"<NULL>": 0, "<START>": 1}), features)
    model.params["W_vocab"][0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        greedy(model, features)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cell", NAMES)
def test_an_ensemble_means_its_members_probabilities(cell, backend, rng):
    members, features = [make(cell, backend, seed=s) for s in (9, 10, 11)], features_for(cell, 4, rng)
    ensemble = Ensemble(members)
    decoded = beam_search(ensemble, features, 3, 5)
    for i, hypotheses in enumerate(decoded.beams):
        ids = [h.ids for h in hypotheses]
        for h, *log_p in zip(hypotheses, *(of_words(m, features[i:i + 1], ids) for m in members)):
            p = np.exp(log_p).mean(axis=0)                  # p(word | words before), the mean of all members'
            assert h.log_prob == pytest.approx(np.log(p).sum(), rel=1e-6)
        captions = np.array([[START, *hypotheses[0].ids]])
        nll, words = ensemble.negative_log_likelihood(features[i:i + 1], captions)
        assert words == captions.shape[1] - 1 and nll == pytest.approx(-hypotheses[0].log_prob, rel=1e-6)
    if members[0].attends:
        captions = np.array([[START, *decoded.beams[0][0].ids]])
        expected = np.mean([m.attention(features[:1], captions)[0] for m in members], axis=0)
        np.testing.assert_allclose(decoded.beams[0][0].maps, expected, atol=1e-6)
    np.testing.assert_array_equal(beam_search(Ensemble(members[:1]), features, 2, 5).captions,
                                  beam_search(members[0], features, 2, 5).captions)


def test_ensembles_of_what_does_not_fit():
    with pytest.raises(ValueError, match="no models"):
        Ensemble([])
    with pytest.raises(ValueError, match="vocabulary of model 2"):
        Ensemble([make("lstm"), make("lstm", words={**WORDS, "d": 7})])
    with pytest.raises(ValueError, match="model 2 takes features"):
        Ensemble([make("lstm"), make("attention")])
    for members in ([make("lstm"), make("transformer")], [make("transformer"), make("gru")]):
        with pytest.raises(ValueError, match="a transformer takes one vector per picture if it is made with one_"):
            Ensemble(members)
    with pytest.raises(ValueError, match="expected the same$"):
        Ensemble([make("transformer"), CaptioningRNN(WORDS, 6, 4, 6, "attention")])
