"""Kinds of characters: every character without a part of its own in the rules of data/treebank.py stands for its kind.

So the rules need only name the kinds, and short classes do for all scripts.
"""
from unicodedata import category

LETTER, MARK, DIGIT, SIGN, NOTHING = "\u03bb", "\u0300", "\u0660", "\u2020", "\ue000"

# Characters by their code points. Letters and digits are those of Unicode 6, without YOUNGER ones.
# MARKS count as letters of a word.
YOUNGER = (
    "37f 528-52f 560 588 5ef 860-86a 870-887 889-88e 8a1 8ad-8c9 978 980 9fc af9 c34 c5a c5d c80 cdd d04 d54-d56 "
    "d5f e86 e89 e8c e8e-e93 e98 ea0 ea8-ea9 eac 13f5 13f8-13fd 16f1-16f8 170d 171f 1878 191d-191e 19b0-19c0 "
    "19c8-19c9 1b4c 1c80-1c8a 1c90-1cba 1cbd-1cbf 1cf2-1cf3 1cfa 2c2f 2c5f 312e-312f 31bb-31bf 4db6-4dbf 9fcd-9fff "
    "a698-a69d a78f a794-a79f a7ab-a7dc a7f2-a7f7 a8fd-a8fe a9e0-a9e4 a9e6-a9ef a9fa-a9fe aa7e-aa7f ab30-ab5a "
    "ab5c-ab69 ab70-abbf de6-def a9f0-a9f9")
MARKS = (
    "ad 2c2-2c5 2d2-2df 2e5-2eb 2ed 2ef-36f 375 378-379 384-385 3f6 483-487 55a-55f 591-5bd 5bf 5c1-5c2 5c4-5c5 5c7 "
    "615-61a 64b-65e 670 6d6-6e4 6e7-6ed 6fd-6fe 70f 711 730-74c 7a6-7b0 7eb-7f3 900-903 93c 93e-94e 951-955 "
    "962-963 981-983 9bc 9be-9c4 9c7-9c8 9cb-9cd 9d7 9e2-9e3 a01-a03 a3c a3e-a4f a81-a83 abc abe-acf b82 bbe-bc2 "
    "bc6-bc8 bca-bcd c01-c03 c3e-c56 d3e-d44 d46-d48 e31 e34-e3a e47-e4e eb1 eb4-ebc ec8-ecd")
SIGNS = (                           # that are words by themselves
    "25-26 2b 5c 5e 7c 7e a6-a9 ac ae-b4 b6-b9 d7 f7 387 5be 5c0 5c3 5c6 5f3-5f4 600-603 606-60a 60c 614 61b 61e "
    "66a 66d 703-70d 7f6-7f8 964-965 e4f 1fbd 2016-2017 2020-2023 2030-2038 203b 203e-2042 2044 207a-207e 208a-208e "
    "2100-2101 2103-2106 2108-2109 2114 2116-2118 211e-2123 2125 2127 2129 212e 213a-213b 2140-2144 214a-214d 214f "
    "2190-2bff 3012 30fb ff01-ff0f ff1a-ff20 ff3b-ff40 ff5b-ff65")


def _codes(ranges: str) -> set[int]:
    """'37f 528-52f' -> the set of all code points in the ranges."""
    ends = [part.partition("-") for part in ranges.split()]
    return {code for first, _, last in ends for code in range(int(first, 16), int(last or first, 16) + 1)}


_YOUNGER, _MARKS, _SIGNS = _codes(YOUNGER), _codes(MARKS), _codes(SIGNS)
_NAMED = {*range(128), *_codes(
    "80 85 91-94 96-97 a0-a5 ab ad b2-b3 b9 bb-be bf 130-131 17f 37e 589 58a 60b 61f 66b-66c 6d4 700-702 e3f 2000-200a "
    "2010-2011 2013-2015 2018-201f 2026 2028-2029 2039-203a 2044 2070 2074-207b 2080-208b 20a0 20a4 20ac 2153-215e "
    "3000-3002 ffe0-ffe1 ffe5-ffe6")}


class _Kinds(dict):
    """Code point -> the character that stands for its kind, or itself if the rules name it; for str.translate."""

    def __missing__(self, code: int) -> int:
        kind = "Lo" if code in (0x1885, 0x1886) else category(chr(code))        # letters until Unicode 9
        if code in _NAMED:
            self[code] = code
        elif code in _MARKS:
            self[code] = ord(MARK)
        elif code > 0xffff or code in _YOUNGER:
            self[code] = ord(NOTHING)
        else:
            known = {"L": LETTER, "N": DIGIT if kind == "Nd" else NOTHING}
            self[code] = ord(SIGN if code in _SIGNS else known.get(kind[0], NOTHING))
        return self[code]


KINDS = _Kinds()
