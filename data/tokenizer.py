"""Cut a caption into the words that the caption metrics count."""

import re
from collections.abc import Callable
from unicodedata import category

# Typographic signs are replaced first, so that the rules below see one kind of apostrophe and no curly quotes.
# The Treebank had no cent, pound or euro sign; they are replaced as the reference tokeniser does.
_PLAIN = str.maketrans({
    "’": "'", "‘": "`", "‛": "`", **dict.fromkeys("“”„«»‹›…–—―", " "), "\u00ad": None,  # soft hyphen
    "¼": " 1/4 ", "½": " 1/2 ", "¾": " 3/4 ", "⅓": " 1/3 ", "⅔": " 2/3 ", "€": " $ ", "£": " # ", "¢": " cents ",
})
_BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"})

# A letter is anything but a blank, digit, punctuation, symbol or emoji: a caption may be in any script.
_SIGNS = (
    r"\s\x00-/:-@\[-`{-\x9f¡-©«-´¶-¹»-¿×÷\u2000-\u2bff\u3000-\u3004\u3007-\u3020\u3030\u30fb\ud800-\uf8ff"
    r"\ufe00-\ufe6f\ufeff-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufff0-\uffff\U00010000-\U0010ffff"
)
_L = f"[^0-9{_SIGNS}]"  # a letter
_A = f"[^{_SIGNS}]"  # a letter or digit
_CLITIC = f"'(?i:[msd]|re|ve|ll)(?!{_L})"
_PART = f"(?:[DLOdlo](?!{_CLITIC})'(?={_A}{_A}))?{_A}+"  # of a hyphenated word; o' and d' belong to the next part
_END = f"(?![-_/]?{_A}|[.!?]{_L}|{_CLITIC})"  # the word ends here

# Abbreviations that keep their full stop: always; only with a capital (else they are words); only before a number.
_SHORT = (
    "mr|mrs|ms|mme|mlle|messrs|drs?|profs?|sens?|reps?|govs?|gen|col|lt|lieut|sgt|cpl|pvt|capt|maj|brig|adm|rev|hon|"
    "pres|jr|sr|esq|ph\\.d|ste?|ave|blvd|rd|rt|bldg|mt|ft|dept|univ|corp|inc|cos?|ltd|bros|plc|assn|natl|intl|assoc|"
    "asst|mfg|elec|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tues?|wed|thu|thurs|fri|etc|vs|al|est|ext|tel|"
    "seq|sq|cf|alex|wm|ala|ariz|calif|colo|conn|ct|dak|fla|ga|ind|kans?|ky|md|mich|minn|mo|mont|neb|nev|okla|penn|"
    "tenn|va|vt|wisc?|wyo"
)
_SHORT_CAPITAL = "Ark|Az|Del|Ill|La|Mass|Miss|Ore|Pa|Tex|Wash"
_SHORT_NUMBER = "nos?|figs?|pp|ca|art|op|prop"

# The first alternative that matches wins, so of two that match the one that reads further stands first. Every run is
# either read to its end or bounded (the 30), which keeps the time linear in the length of the caption.
_TOKEN = re.compile(rf"""
    [\s"(){{}}]+|--+|\.{{3,}}|''|-[LRlr][CRcr][Bb]-   # outside the group, thus dropped; last, brackets as -lrb-
  | (
    # Contractions; a lookahead leaves the second half to the next match.
      (?i:can(?=not{_END})|(?:gon|wan)(?=na{_END})|got(?=ta{_END})|(?:gim|lem)(?=me{_END})|y'(?=all|know))
    | [A-Za-z]+(?!\S)                                                   # most words: a short cut
    | (?i:[a-z]*[a-mo-z](?=n['`]t)|n['`]t|'t(?=is|was))                 # do n't, 't is
    | {_CLITIC}                                                         # 's, 'll
    | (?i:'n'|'n(?!{_L})|'em|'till?|'cause|'[2-9]0s|'[0-9][0-9](?!\S))    # rock 'n' roll, the '80s, summer of '69
    # Words that keep their apostrophe; the last form is that of ma'am and hawai'i.
    | (?i:c'mon|li'l|cap'n|c'est|s'mores|ol'|dunkin'|somethin'|[a-z]+'(?<=[aeiou]')[aeiou][a-z]*)
    # Words joined by a sign.
    | https?://[^\s"<>|()]+[^\s"<>|()\[\]{{}}.!?,:;'-]
    | [A-Z]+(?:(?:[&+][A-Z]+)+|\$)                                      # AT&T, US$
    | [0-9]+-[0-9]+/[0-9]+                                              # 2-1/2
    | {_A}+(?:-{_L}+){{0,2}}(?:/{_A}+(?:-{_L}+){{0,2}}){{1,2}}                # and/or, 1/2
    | {_A}+[.,](?:{_A}|[.,]){{0,30}}(?:-(?:[A-Za-z](?:\.[A-Za-z])+\.|{_A}+))+   # 1,000-seat, U.S.-made
    # Abbreviations, initials, numbers.
    | (?:(?i:{_SHORT}|[a-z](?:\.[a-z])*)|{_SHORT_CAPITAL})\.(?!{_L})
    | (?i:{_SHORT_NUMBER})\.(?=\s?[0-9])
    | (?:[-+][.,]?|[.,:])[0-9]+(?:[.,:][0-9]+)*|[0-9]+(?:[.,:][0-9]+)+    # -5, .5, 1,000, 12:30
    # All other words; a full stop before a comma is taken for that of an abbreviation.
    | (?:{_L}{_A}*(?:[.!?]{_L}{_A}*)+|{_PART}(?:[-_\u2010\u2011]{_PART})*)(?:\.(?=[,;:]))?
    # Signs that count as words.
    | -[LRlr][Ss][Bb]-                                                  # [ and ] as they are written here
    | [<>]?[:;=][-o*']?[][()@|\\{{DOPdop](?!'?{_L})                       # :-)
    | <[!/]?[A-Za-z][\w.:-]*/?>                                         # <unk>
    | [#@]{_L}\w*|\#+|@+|\*+|_+|<<|>>|[!?]{{2,}}
    | [][$%&+/<=>\\^|~¡-¿×÷\u2016\u2017\u2020-\u2023\u2030-\u2044\u2100-\u2bff\u3001\u3002]
    )
""", re.VERBOSE)


def tokenize(caption: str) -> str:
    """Return the words of a caption in lower case, without punctuation, joined by single blanks.

    Rule: clitics are cut off ("don't" -> "do n't", "dog's" -> "dog 's", "cannot" -> "can not"); hyphenated words,
    numbers and abbreviations stay whole; all other marks, and signs unknown to the Treebank, are dropped.
    Source: Penn Treebank tokenisation (Marcus et al. 1993), as the COCO caption evaluation uses it (Chen et al. 2015).
    """
    _check_text(caption)
    words = filter(None, _TOKEN.findall(caption.translate(_PLAIN)))
    return " ".join(words).translate(_BRACKETS).lower()


def _check_text(caption: str) -> None:
    if not isinstance(caption, str):
        raise TypeError(f"caption must be a str, found {type(caption).__name__}: {caption!r:.80}")


# Letters of scripts without blanks between words: Thai, Lao, Tibetan and Burmese; Khmer; other Tai scripts; radicals,
# kana and bopomofo; kana of half width; then the large blocks of Chinese characters and Yi. Digits are not among them.
_BLOCKS = ((0xe00, 0x10a0), (0x1780, 0x1800), (0x1950, 0x1ab0), (0x2e80, 0x3200), (0xa9e0, 0xaa00), (0xaa60, 0xaae0),
           (0xff66, 0xff9e))
_LETTERS = "".join(chr(c) for block in _BLOCKS for c in range(*block) if category(chr(c)) in ("Lo", "Lm", "Nl")) + (
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\uf900-\ufaff\U00020000-\U000323af")
_MARKS = "".join(chr(c) for block in _BLOCKS for c in range(*block) if category(chr(c))[0] == "M") + (
    "\u0300-\u036f\uff9e\uff9f\ufe00-\ufe0f\U000e0100-\U000e01ef")     # the last two: which form of a character
UNSPACED = re.compile(f"[{_LETTERS}]")
_CHARACTER = re.compile(f"([{_LETTERS}][{_MARKS}]*)")
_BLANKS_MADE = re.compile(f"([{_LETTERS}][{_MARKS}]*) | (?=[{_LETTERS}])")

_STOPS = str.maketrans("\u3001\u3002", "  ")         # 、 and 。 count as words in `tokenize`


def characters(caption: str) -> str:
    """As `tokenize`, but each character of a script without blanks between words is a word of its own.

    Such scripts are Chinese, Japanese, Thai, Lao, Khmer, Burmese and the like; Latin letters, digits and all else are
    cut as `tokenize` cuts them. A character keeps its combining marks; all its script's punctuation is dropped.
    """
    _check_text(caption)
    pieces = _CHARACTER.split(caption.translate(_STOPS))
    return " ".join(filter(None, (piece if i % 2 else tokenize(piece) for i, piece in enumerate(pieces))))


def blanks(caption: str) -> str:
    """The words of a caption that is segmented already: what stands between blanks, in lower case.

    Words of punctuation alone, of which `characters` leaves nothing, are dropped. U+200B, of no width, is a blank.
    """
    _check_text(caption)
    caption = caption.encode("utf-8", "ignore").decode().replace("\u200b", " ")          # without halves of emoji
    return " ".join(word for word in caption.lower().split() if any(map(str.isalnum, word)) or characters(word))


# Name -> caption to its words, joined by single blanks; dataset.json says which one cut a data set's captions.
TOKENS: dict[str, Callable[[str], str]] = {"treebank": tokenize, "characters": characters, "blanks": blanks}


def written(words: str, tokens: str) -> str:
    """The words of a caption, joined by blanks, as people write them: `characters` without the blanks that it made."""
    return _BLANKS_MADE.sub(r"\1", words) if tokens == "characters" else words
