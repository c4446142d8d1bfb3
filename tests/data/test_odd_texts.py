"""The tokeniser against the reference's, on 3,000 captions with odd characters: run here, and as it once answered."""
import gzip
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from data.tokenizer import tokenize
from tests.data.odd_texts import odd_texts

STORED = Path(__file__).with_name("odd_texts.json.gz")


def reference(texts):
    """What the COCO evaluation makes of texts, by its own program. Between any two texts stands a line of its own.

    Without that line the last word of a text, such as the initial "J.", would depend on the first word of the next.
    """
    tokenizer = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer")
    if shutil.which("java") is None:
        pytest.skip("no Java here")
    jar = Path(tokenizer.__file__).with_name(tokenizer.STANFORD_CORENLP_3_4_1_JAR)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "texts")
        file.write_bytes("".join(f"{text}\nx\n" for text in texts).encode())
        done = subprocess.run(["java", "-Dfile.encoding=UTF-8", "-cp", jar, "edu.stanford.nlp.process.PTBTokenizer",
                               "-preserveLines", "-lowerCase", file], capture_output=True, check=True)
    lines = done.stdout.decode().split("\n")[:2 * len(texts)]
    assert all(line.strip() == "x" for line in lines[1::2])             # still one line a text
    return [" ".join(word for word in line.rstrip().split(" ") if word not in tokenizer.PUNCTUATIONS)
            for line in lines[::2]]


def differing(texts, expected):
    return [(text, words, tokenize(text)) for text, words in zip(texts, expected, strict=True)
            if tokenize(text) != words]


def test_every_text_is_cut_as_the_reference_once_cut_it():
    texts, expected = json.loads(gzip.decompress(STORED.read_bytes()))
    assert len(texts) == 3000 and differing(texts, expected) == []


def test_every_text_is_cut_as_the_reference_cuts_it_here():
    texts = odd_texts(3000, np.random.default_rng(1))
    assert differing(texts, reference(texts)) == []


if __name__ == "__main__":          # python -m tests.data.test_odd_texts stores the reference's answers
    made = odd_texts(3000, np.random.default_rng(0))
    STORED.write_bytes(gzip.compress(json.dumps([made, reference(made)], ensure_ascii=False).encode(), 9, mtime=0))
