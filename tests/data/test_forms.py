"""data/forms.py: JSON content of a form passes, other content is named by its place."""
import pytest

from data.forms import check_form

FORM = {"name": str, "size?": (int, type(None)), "rows": [{"x": float}], "splits": {str: {"n": int}}}
GOOD = {"name": "a", "size": None, "rows": [{"x": 1.5}, {"x": 2, "more": []}], "splits": {"a": {"n": 7}, "b": {"n": 0}}}


def test_content_of_the_form_passes():
    check_form(GOOD, FORM, "f.json")
    check_form({**GOOD, "size": 3, "rows": [], "splits": {}}, FORM, "f.json")
    check_form({key: GOOD[key] for key in ("name", "rows", "splits")}, FORM, "f.json")


@pytest.mark.parametrize("change, words", [
    ({"name": 3}, "f.json, name: is 3, expected str"), ({"size": 1.5}, "f.json, size: is 1.5, expected int or null"),
    ({"size": True}, "size: is True"), ({"rows": {}}, "f.json, rows: is {}, expected list"),
    ({"rows": [{"x": 1}, {"x": "1"}]}, "f.json, rows[1], x: is '1', expected float"),
    ({"rows": [{}]}, "f.json, rows[0]: has no 'x'"), ({"rows": [{"x": True}]}, "x: is True"),
    ({"splits": {"a": {"n": 7}, "b": None}}, "f.json, splits, b: is None, expected dict")])
def test_other_content_is_named_by_its_place(change, words):
    with pytest.raises(ValueError) as failure:
        check_form({**GOOD, **change}, FORM, "f.json")
    assert words in str(failure.value)


@pytest.mark.parametrize("content", [None, [], "x", 7, {}])
def test_no_object_at_all(content):
    with pytest.raises(ValueError, match="f.json: "):
        check_form(content, FORM, "f.json")
