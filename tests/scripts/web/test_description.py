"""/api/openapi.json: the same routes, bounds and codes as the service's own; and what schemathesis finds."""
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flask", reason="the page needs Flask: pip install -e \".[serve]\"")

from scripts.web import connections, service  # noqa: E402
from scripts.web.openapi import ERRORS, SMALLEST  # noqa: E402
from scripts.web.service import CODES, HEADERS, NUMBERS, UPLOAD  # noqa: E402

ROOT = Path(service.__file__).parents[2]


@pytest.fixture
def told(scene_service):
    return scene_service[0].test_client().get("/api/openapi.json").get_json()


def test_every_route_is_described(told, scene_service):
    rules = {(re.sub(r"<(?:int:)?(\w+)>", r"{\1}", rule.rule), method.lower())
             for rule in scene_service[0].url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert rules == {(path, method) for path, methods in told["paths"].items() for method in methods}


def test_the_codes_are_those_of_the_service_and_of_its_documentation():
    source = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in (service, connections))
    found = {(int(status), code) for status, code in re.findall(r'Refusal\((\d+), "(\w+)"', source)}
    found |= set(CODES.items()) | {(422, "bad_picture")}
    described = {(status, code) for status, codes in ERRORS.items() for code in codes}
    assert found == described
    table = re.findall(r"^\| ([\d, ]+) \| (.*) \|$", (ROOT / "docs/serving.md").read_text(encoding="utf-8"), re.M)
    documented = {status: set(re.findall(r"`(\w+)`", codes)) for numbers, codes in table
                  for status in map(int, numbers.split(", "))}
    assert documented.keys() == ERRORS.keys()
    for status, codes in ERRORS.items():
        assert set(codes) <= documented[status], status


def test_the_bounds_are_those_of_the_service(told):
    for content in told["paths"]["/api/caption"]["post"]["requestBody"]["content"].values():
        properties = content["schema"]["properties"]
        assert {name: (properties[name]["minimum"], properties[name]["maximum"]) for name in NUMBERS} == {
            name: (least, most) for name, (_, least, most) in NUMBERS.items()}
        assert set(properties) == {"image", *NUMBERS} and content["schema"]["additionalProperties"] is False
        assert f"{UPLOAD:,} bytes" in str(properties["image"])
    for methods in told["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                assert HEADERS.keys() <= response["headers"].keys()


def test_the_example_is_a_picture(scene_service):
    assert scene_service[0].test_client().post("/api/caption", json={"image": SMALLEST}).status_code == 200


def test_schemathesis_finds_nothing(scene_service, tmp_path):
    """In a process of its own: its imports are slow, and it warns of what pytest would make errors."""
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("no schemathesis here: pip install -e \".[test]\"")
    host, port = scene_service[1]
    result = subprocess.run(
        [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "--config-file",
         str(ROOT / ".ci/schemathesis.toml"), "run", f"http://{host}:{port}/api/openapi.json", "--checks", "all",
         "--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "1", "--no-color"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    generated, passed = re.search(r"(\d+) generated, (\d+) passed", result.stdout).groups()
    assert generated == passed and int(generated) > 100
