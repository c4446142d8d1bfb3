"""The built site needs no network, opens as files, typesets every formula and fits a phone. `.ci/run` builds it."""
import os
import re
from pathlib import Path

import pytest

SITE = Path(os.environ.get("RNNLAYERS_SITE", "no site"))
pytestmark = pytest.mark.skipif(not SITE.is_dir(), reason="RNNLAYERS_SITE does not name a site: mkdocs build")
LOADED = re.compile(r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\ssrc=["']?(https?:)?//[^>]*>"""
                    r"""|<link\b[^>]*?\shref=["']?(https?:)?//[^>]*>|url\(["']?(https?:)?//[^)]*\)|@import[^;]*//""")


def test_nothing_is_loaded_from_another_host():
    assert len(list(SITE.rglob("*.html"))) > 30
    for path in (*SITE.rglob("*.html"), *SITE.rglob("*.css")):
        found = LOADED.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(SITE)} loads {found[0]}"


@pytest.mark.parametrize("text", ['<script defer src="https://a/b.js">', "<link rel=x href=//a/b.css>",
                                  "@font-face{src:url(https://a/b.woff2)}", '<img alt="" src="http://a/b.png">'])
def test_what_is_loaded_from_another_host_is_found(text):
    assert LOADED.search(text)
    assert not LOADED.search(re.sub(r"(https?:)?//a/", "assets/", text))


FITS = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
WRONG = "return [...document.querySelectorAll('.katex-error')].map((e) => e.textContent)"
REQUESTS = "return performance.getEntriesByType('resource').map((e) => e.name)"


@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_opens_as_a_file(browser, width):
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["http://*", "https://*"]})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
    for path in sorted(SITE.rglob("*.html")):
        browser.get(path.resolve().as_uri())
        assert browser.execute_script(FITS), f"{path} is wider than {width}"
        assert not browser.execute_script(WRONG)
        assert browser.execute_script("return document.querySelectorAll('.arithmatex:not(:has(.katex))').length") == 0
        assert not [name for name in browser.execute_script(REQUESTS) if not name.startswith(("file:", "data:"))]


def test_the_search_finds_words(browser):
    from selenium.webdriver.support.ui import WebDriverWait
    browser.get((SITE / "index.html").resolve().as_uri() + "?q=backpropagation")
    results = "return document.querySelectorAll('.md-search-result__item').length"
    WebDriverWait(browser, 30).until(lambda b: b.execute_script(results) > 0)
