"""The page in a real browser: a photo dropped, its words and where the model looked, by mouse, keys and on a phone."""
import base64
import json
import urllib.request

import numpy as np
import pytest
from PIL import Image

from data.vocabulary import Vocabulary
from models.search import Hypothesis
from scripts.pages.caption_page import caption_page, captioned
from scripts.web.application import scene_files

DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], "photo.png", { type: "image/png" }));
window.visible = new Set();                     // how many words were there, at each moment
setInterval(() => visible.add(document.querySelectorAll("#words button:not(.later)").length), 20);
const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
document.getElementById("stage").dispatchEvent(drop);
"""
DONE = "return captions.length > 0 && !timer && document.getElementById('status').textContent === ''"


@pytest.fixture
def page(browser, scene_service):
    """A function: open the page at a width -> the browser."""
    def open_page(width, height=800, motion="no-preference"):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-reduced-motion", "value": motion}]})
        host, port = scene_service[1]
        browser.get(f"http://{host}:{port}/")
        wait(browser, "return health !== null")
        return browser
    yield open_page
    assert not [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]]


def wait(browser, script):
    from selenium.webdriver.support.ui import WebDriverWait
    WebDriverWait(browser, 60, 0.05).until(lambda b: b.execute_script(script))


def words(browser):
    return browser.execute_script("return [...document.querySelectorAll('#words button')].map((b) => b.textContent)")


def overlay(browser):
    return browser.execute_script("return document.getElementById('overlay').toDataURL()")


def fits(browser, width):
    return browser.execute_script("return document.documentElement.scrollWidth") <= width


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains
    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def test_a_photo_dropped_is_captioned_word_by_word(page, scene_service):
    browser, picture = page(1280), scene_files()[0]
    browser.execute_script(DROP, base64.b64encode(picture).decode())
    wait(browser, DONE)
    visible = browser.execute_script("return [...visible]")
    host, port = scene_service[1]
    request = urllib.request.Request(f"http://{host}:{port}/api/caption",
                                     json.dumps({"image": base64.b64encode(picture).decode()}).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        answer = json.load(response)
    assert words(browser) == answer["words"] and len(answer["words"]) > 2
    assert set(visible) >= set(range(1, 1 + len(answer["words"])))      # one after the other
    listed = browser.execute_script("return [...document.querySelectorAll('#captions button > :first-child')].map("
                                    "(s) => s.textContent)")
    assert listed == [c["caption"] or "(no words)" for c in (answer, *answer["alternatives"])]
    seen = set()
    for button in browser.find_elements("css selector", "#words button"):
        button.click()
        seen.add(overlay(browser))
    assert len(seen) == len(answer["words"]) and fits(browser, 1280)


def test_the_overlay_lies_on_the_photo_and_can_be_switched_off(page):
    browser = page(1280, motion="reduce")
    browser.find_elements("css selector", "#scenes button")[1].click()
    wait(browser, DONE)
    boxes = [browser.find_element("id", name).rect for name in ("photo", "overlay")]
    assert boxes[0] == pytest.approx(boxes[1]) and boxes[0]["width"] > 300
    browser.find_element("id", "attend").click()
    assert not browser.find_element("id", "overlay").is_displayed()


def test_by_keys_alone(page):
    browser = page(1280, motion="reduce")
    tab, right, enter = "\ue004", "\ue014", "\ue007"

    def focus():
        return browser.execute_script("const e = document.activeElement; return e.id || e.parentElement.id")
    for target in ("file", "attend", "scenes"):
        press(browser, tab)
        assert focus() == target
    press(browser, enter)
    wait(browser, DONE)
    for _ in range(30):
        if focus() == "words":
            break
        press(browser, tab)
    before = overlay(browser)
    press(browser, right)
    assert focus() == "words" and overlay(browser) != before
    assert browser.execute_script("return [...document.getElementById('words').children].findIndex("
                                  "(b) => b.ariaCurrent === 'true')") == 1
    for target in ("play", "temperature"):
        press(browser, tab)
        assert focus() == target
    for keys, target in (([right], "temperature"), ([tab, tab, enter], "again")):
        browser.execute_script("captions = []")             # until there is an answer
        press(browser, *keys)
        wait(browser, DONE)
        assert focus() == target


def test_on_a_phone(page):
    browser = page(390, 844, motion="reduce")
    assert fits(browser, 390)
    browser.find_elements("css selector", "#scenes button")[2].click()
    wait(browser, DONE)
    assert fits(browser, 390) and words(browser)
    small = browser.execute_script("return [...document.querySelectorAll('button, .button')].filter((b) => "
                                   "b.checkVisibility() && b.getBoundingClientRect().height < 40).length")
    assert small == 0                                       # all can be hit with a finger


def test_a_file_that_is_no_picture_is_refused_in_words(page, tmp_path):
    browser = page(1280, motion="reduce")
    (tmp_path / "text.jpg").write_text("no picture")
    browser.find_element("id", "file").send_keys(str(tmp_path / "text.jpg"))
    wait(browser, "return document.getElementById('status').className === 'error'")
    assert browser.find_element("id", "status").text.startswith("The picture cannot be used: expected a picture")
    browser.get_log("browser")                              # it notes the refusal


def test_the_page_of_scripts_caption_on_a_phone(browser, tmp_path):
    """A word that is tapped or reached by an arrow key has its map on the photo; a second tap takes it away."""
    words = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "dog", "runs", "over", "green", "grass", "here"]
    hypothesis = Hypothesis(list(range(4, 11)), -1.0, False, np.eye(6)[[0, 1, 2, 3, 4, 5, 0]])
    photos = [captioned(name, Image.new("RGB", size, "grey"), [hypothesis], Vocabulary(words), grid)
              for name, size, grid in (("a.jpg", (300, 200), (2, 3)), ("b.jpg", (20, 600), (1, 6)))]
    (tmp_path / "a.html").write_text(caption_page(photos, "a run"), encoding="utf-8")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True})
    browser.get((tmp_path / "a.html").as_uri())
    assert fits(browser, 390)
    boxes = [browser.find_element("css selector", f".picture {name}").rect for name in ("img", "canvas")]
    assert boxes[0] == pytest.approx(boxes[1]) and boxes[0]["width"] > 300
    assert browser.find_elements("css selector", ".picture")[1].size["height"] <= 540
    assert browser.find_elements("css selector", ".picture canvas")[1].get_attribute("class") == "row"  # has its place

    def reddest():
        return browser.execute_script("""
            const canvas = document.querySelector(".picture canvas"), size = [canvas.width, canvas.height];
            const cells = canvas.getContext("2d").getImageData(0, 0, ...size).data;
            const alphas = Array.from({length: 6}, (_, k) => cells[4 * k + 3]);
            return [canvas.checkVisibility({visibilityProperty: true}), size, alphas.indexOf(200),
                    document.querySelector(".about").textContent]""")
    second = browser.find_elements("css selector", ".words button")[1]
    assert reddest()[0] is False
    second.click()
    assert reddest() == [True, [3, 2], 1, "“dog”: 100 % of the attention is on one region; spread evenly it would be "
                                          "17 %."]
    press(browser, "\ue014")
    assert reddest()[2] == 2
    press(browser, "\ue004")                                # the tab key leaves the caption: the pressed word is left
    assert reddest()[2] == 1 and browser.execute_script("return document.activeElement.textContent") == "a"
    second.click()
    browser.find_element("tag name", "h1").click()          # and neither pointer nor focus is on a word
    assert reddest()[0] is False
