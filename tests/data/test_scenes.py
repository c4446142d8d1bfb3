"""Scenes, their captions and their features. Captions are read by a parser of its own and checked against the boxes."""

import re

import numpy as np
import pytest

from data import scenes
from data.scene_features import BLOCK, CHANNELS, D, P, scene_features
from data.scenes import COLOURS, SHAPES, make_scenes

SHAPE_OF = {"circle": "circle", "disc": "circle", "ball": "circle", "dot": "circle",
            "square": "square", "box": "square", "block": "square",
            "triangle": "triangle", "pyramid": "triangle", "wedge": "triangle",
            "star": "star", "cross": "cross", "plus": "cross", "ring": "ring", "hoop": "ring"}
PLURALS = {noun + ("es" if noun in ("box", "cross", "plus") else "s"): shape for noun, shape in SHAPE_OF.items()}
SHAPE_OF |= PLURALS
SIZE_WORDS = {"small": ("small", "little", "tiny"), "medium": ("medium",), "large": ("large", "big", "huge")}
N, SPLIT = 1500, 1300   # scenes; those that a probe learns from
PAIRS = [(shape, colour) for shape in SHAPES for colour in COLOURS]
NUMBER = {"a": 1, "an": 1, "the": 1, "two": 2, "three": 3, "the two": 2, "the three": 3}
RELATIONS = {"left of": "left", "to the left of": "left", "right of": "right", "to the right of": "right",
             "above": "above", "over": "above", "below": "below", "under": "below", "beneath": "below",
             "next to": "beside", "beside": "beside", "near": "near", "close to": "near"}
PLACES = {"on the left": lambda x, y: x <= 42, "on the right": lambda x, y: x >= 70,
          "at the top": lambda x, y: y <= 42, "at the bottom": lambda x, y: y >= 70,
          "in the middle": lambda x, y: max(abs(x - 56), abs(y - 56)) <= 7}


def any_of(words):
    return "(" + "|".join(sorted(words, key=len, reverse=True)) + ")"


SIZE = any_of(word for words in SIZE_WORDS.values() for word in words)
MENTION = re.compile(rf"\b{any_of(NUMBER)} (?:{SIZE} )?{any_of(COLOURS)} {any_of(SHAPE_OF)}\b")
OPENING = re.compile(r"(there is|there are|a picture of|an image of|a drawing of|only|just|nothing but) ")
RELATED = re.compile(rf"#(?: (is|are|sits|sit))? {any_of(RELATIONS)} #(?: and {any_of(RELATIONS)} #)?")
LISTED = re.compile(r"#( (and|with) #| with # and #)?")
PLACED = re.compile(rf"# {any_of(PLACES)}(?: of the picture)?")


def mentioned(match, objects):
    """The objects that a noun phrase speaks of; asserts that the picture has as many and that the grammar is right."""
    number, size, colour, noun = match.groups()
    found = [item for item in objects if (item.shape, item.colour) == (SHAPE_OF[noun], colour)]
    assert len(found) == NUMBER[number] and (noun in PLURALS) == (len(found) > 1)
    assert all(noun in item.words and size in (None, *SIZE_WORDS[item.size]) for item in found)
    assert number not in ("a", "an") or (number == "an") == ((size or colour)[0] in "aeiou")
    return found


def middle(item):
    return np.array([item.box[0] + item.box[2], item.box[1] + item.box[3]]) / 2


def holds(relation, a, b):
    """Whether object a is left of / ... / near object b, by the definitions of the grammar."""
    dx, dy = middle(a) - middle(b)
    widths = a.box[2] - a.box[0] + b.box[2] - b.box[0]   # the boxes are squares
    close = max(abs(dx), abs(dy)) - widths / 2 <= 16
    return {"left": a.box[2] <= b.box[0] and -dx >= abs(dy), "right": a.box[0] >= b.box[2] and dx >= abs(dy),
            "above": a.box[3] <= b.box[1] and -dy >= abs(dx), "below": a.box[1] >= b.box[3] and dy >= abs(dx),
            "beside": close and abs(dx) >= abs(dy), "near": close}[relation]


def check_caption(caption, objects):
    groups = [mentioned(match, objects) for match in MENTION.finditer(caption)]
    assert len({id(item) for group in groups for item in group}) == sum(map(len, groups)) > 0   # nothing twice
    painted = [scenes.painted_area(group) for group in groups]
    assert painted == sorted(painted, reverse=True)
    skeleton = MENTION.sub("#", caption)
    opening = OPENING.match(skeleton)
    skeleton = skeleton[opening.end():] if opening else skeleton
    if opening:
        assert opening[1] not in ("there is", "there are") or (opening[1] == "there is") == (len(groups[0]) == 1)
        assert opening[1] not in ("only", "just", "nothing but") or len(groups[0]) == len(objects)
    if related := RELATED.fullmatch(skeleton):
        verb, *relations = related.groups()
        assert verb is None or (verb in ("is", "sits")) == (len(groups[0]) == 1)
        for relation, others in zip(filter(None, relations), groups[1:]):
            assert all(holds(RELATIONS[relation], a, b) for a in groups[0] for b in others)
    elif placed := PLACED.fullmatch(skeleton):
        assert all(PLACES[placed[1]](*middle(item)) for item in groups[0])
    else:
        assert LISTED.fullmatch(skeleton), caption


@pytest.fixture(scope="module")
def many():
    return make_scenes(N, 0)


@pytest.fixture(scope="module")
def features(many):
    return scene_features(np.stack([scene.image for scene in many]))


def test_same_seed_same_scenes_and_fewer_are_the_first_ones(many):
    for ours, theirs in zip(make_scenes(20, 0), many):
        np.testing.assert_array_equal(ours.image, theirs.image)
        assert (ours.captions, ours.objects) == (theirs.captions, theirs.objects)
    assert not np.array_equal(make_scenes(1, 1)[0].image, many[0].image)


def test_no_two_pictures_are_alike(many, monkeypatch):
    assert len({scene.image.tobytes() for scene in many}) == len(many)
    drawn = iter([many[0], many[0], many[1], many[0], many[2]])
    monkeypatch.setattr(scenes, "draw_scene", lambda rng: next(drawn))
    assert [scene.captions for scene in make_scenes(3, 0)] == [scene.captions for scene in many[:3]]


@pytest.mark.parametrize("n", [0, 1])
def test_few_scenes(n):
    few = make_scenes(n, 0)
    grid, pooled = scene_features(np.array([scene.image for scene in few], np.uint8).reshape(n, 112, 112, 3))
    assert (len(few), grid.shape, pooled.shape) == (n, (n, 49, D), (n, P))


def test_negative_number_of_scenes():
    with pytest.raises(ValueError, match="n is -1, expected a number of scenes, at least 0"):
        make_scenes(-1, 0)


def test_types_and_names(many):
    for image, captions, objects in many:
        assert image.dtype == np.uint8 and image.shape == (112, 112, 3)
        assert len(captions) == len(set(captions)) == 5 and 1 <= len(objects) <= 3
        for item in objects:
            assert item.size in SIZE_WORDS
            assert all(type(edge) is int for edge in item.box)
            assert set(item.words) == {word for word, shape in SHAPE_OF.items() if shape == item.shape}
    assert {(item.shape, item.colour) for scene in many for item in scene.objects} == set(PAIRS)


def test_sizes_and_gaps(many):
    ranges = {"small": (24, 28), "medium": (29, 34), "large": (35, 40)}
    for scene in many:
        for index, item in enumerate(scene.objects):
            x0, y0, x1, y1 = item.box
            low, high = ranges[item.size]
            assert low <= x1 - x0 == y1 - y0 <= high
            assert x0 >= 0 and y0 >= 0 and x1 <= 112 and y1 <= 112
            for other in scene.objects[:index]:
                a0, b0, a1, b1 = other.box
                assert max(x0 - a1, a0 - x1, y0 - b1, b0 - y1) >= 2


def test_boxes_are_tight_and_hold_the_colour(many):
    names = list(COLOURS)
    for scene in many[:300]:
        image = scene.image.astype(int)
        coloured = image.max(axis=2) - image.min(axis=2) > 11   # the background is nearly grey
        for item in scene.objects:
            x0, y0, x1, y1 = item.box
            inside = coloured[y0:y1, x0:x1].copy()
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
            pixels = image[y0:y1, x0:x1][inside]
            nearest = ((pixels[:, None] - list(COLOURS.values())) ** 2).sum(axis=2).argmin(axis=1)
            assert inside.mean() > 0.25 and np.mean(nearest == names.index(item.colour)) > 0.75
        for x0, y0, x1, y1 in (item.box for item in scene.objects):
            coloured[y0:y1, x0:x1] = False
        assert not coloured.any()


def test_captions_are_true(many):
    for scene in many:
        for caption in scene.captions:
            assert re.fullmatch("[a-z]+( [a-z]+){2,17}", caption)
            check_caption(caption, scene.objects)


def test_checker_rejects_false_captions(many):
    scene = next(scene for scene in many if len(scene.objects) == 1)
    item = scene.objects[0]
    other = next(colour for colour in COLOURS if colour != item.colour)
    for mention in ("a {1} {0.shape}", "two {0.colour} {0.shape}s", "there are a {0.colour} {0.shape}", "nothing"):
        with pytest.raises(AssertionError):
            check_caption(mention.format(item, other), scene.objects)


def test_captions_vary(many):
    captions = [caption for scene in many for caption in scene.captions]
    assert len(set(captions)) > 4000 and len({word for caption in captions for word in caption.split()}) >= 60


def test_features_shapes(features):
    grid, pooled = features
    assert grid.dtype == pooled.dtype == np.float32
    assert grid.shape == (N, 49, D) and pooled.shape == (N, P)
    assert np.isfinite(grid).all() and np.isfinite(pooled).all() and min(grid.min(), pooled.min()) >= 0


def test_features_are_deterministic_and_do_not_depend_on_the_stack(many, features):
    for index in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 1, N - 1):
        alone, again = scene_features(many[index].image[None]), scene_features(many[index].image[None])
        for one, same, stack in zip(alone, again, features):
            np.testing.assert_array_equal(one, same)
            np.testing.assert_allclose(one[0], stack[index], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("shape", "dtype"), [((1, 112, 112, 3), float), ((112, 112, 3), np.uint8),
                                              ((1, 3, 112, 112), np.uint8), ((1, 56, 56, 3), np.uint8)])
def test_features_reject_other_images(shape, dtype):
    with pytest.raises(ValueError, match="images must be uint8"):
        scene_features(np.zeros(shape, dtype))


def test_colour_area_is_where_the_object_is(many, features):
    areas = features[0].reshape(-1, 7, 7, len(COLOURS), CHANNELS)[..., 0]
    for scene, area in zip(many, areas):
        for item in scene.objects:
            x0, y0, x1, y1 = item.box
            cells = area[y0 // 16:(y1 + 15) // 16, x0 // 16:(x1 + 15) // 16, list(COLOURS).index(item.colour)]
            assert cells.sum() * 256 > 0.2 * (x1 - x0) * (y1 - y0)


def test_pooled_features_tell_the_pairs(many, features):
    truth = np.array([[pair in [item[:2] for item in scene.objects] for pair in PAIRS] for scene in many])
    inputs = np.pad(features[1] / (features[1].std(axis=0) + 1e-6), ((0, 0), (0, 1)), constant_values=1)
    train, held_out = inputs[:SPLIT].astype(float), inputs[SPLIT:]
    weights = np.linalg.solve(train.T @ train + 30 * np.eye(P + 1), train.T @ truth[:SPLIT])
    best = (held_out @ weights).argmax(axis=1)
    assert np.mean(truth[SPLIT:][np.arange(N - SPLIT), best]) >= 0.9
