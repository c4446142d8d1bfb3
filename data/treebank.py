"""How the COCO caption evaluation cuts text into words, as a table of rules: at each place the longest match wins.

The evaluation uses the Penn Treebank tokeniser of Stanford CoreNLP 3.4.1; the table states what that program does. A
rule may ask for a context behind its word. The context counts towards the length of the match but stays in the text. Of
two rules that match equally far the first one wins. Runs that may turn out to be no word are bounded, so that the time
is linear in the length of the text.

Source: Marcus, Santorini and Marcinkiewicz (1993), "Building a large annotated corpus of English: the Penn Treebank".
"""
import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from data.letters import DIGIT, KINDS, LETTER, MARK, SIGN

# Pieces of the rules. A word's letter may also be written as an entity, such as &eacute;
LETTERS = f"A-Za-zİıſ{LETTER}"        # the three count as I and S where case is ignored, as in (?i:inc)
A, D, AD = f"[{LETTERS}]", f"[0-9{DIGIT}]", f"[{LETTERS}0-9{DIGIT}]"
ENTITY = "&[aeiouAEIOU](?i:acute|grave|uml);"
L, LD = f"(?:[{LETTERS}{MARK}\u00ad]|{ENTITY})", f"(?:[{LETTERS}0-9{MARK}{DIGIT}\u00ad]|{ENTITY})"
WORD = f"{L}{LD}*(?:[.!?]{L}{LD}*)*"
BLANK = r"[ \t\u00a0\u2000-\u200a\u3000]"
SPACE = r"[ \t\u00a0\u2000-\u200a\u3000\r\n\u2028\u2029\x0b\x0c\x85]"
NOT_BLANK = r' \t\n\f\r"<>|'        # ends an address
HOSTS = (rf"(?i:www)\.(?:[^{NOT_BLANK}.!?(){{}},]{{1,63}}\.){{1,10}}[a-zA-Z]{{2,4}}",
         rf"(?:[^{NOT_BLANK}`'!?(){{}}$,-_]{{1,63}}\.){{1,10}}(?i:com|net|org|edu)")
PATH = rf"/[^{NOT_BLANK}()]{{1,500}}[^{NOT_BLANK}.!?(){{}},-]"
APOSTROPHE = r"(?:['\x92’]|(?i:&apos;))"
QUOTE = r"(?:['\x92’`\x91‘\u201b]|(?i:&apos;))"       # also what is typed for an apostrophe
CLITIC = rf"{APOSTROPHE}(?:[msdMSD]|(?i:re|ve|ll))"
NOT = rf"(?i:n){QUOTE}(?i:t)"
HYPHEN = r"[-_\u058a\u2010\u2011]"
NUMBER = rf"(?:{D}*(?:[.:,\u00ad\u066b\u066c]{D}+)+|{D}+)"
INITIALS = r"[A-Za-z](?:\.[A-Za-z])*"
PARTICLE = rf"(?:[dDoOlL]{QUOTE}{AD})?{AD}+"          # a part of a hyphenated word; o' and d' belong to it
THING = f"{PARTICLE}(?:{HYPHEN}{PARTICLE})*"
HYPHENATED = r"[A-Za-z0-9][A-Za-z0-9.,\u00ad]{0,100}(?:-(?:[A-Za-z](?:\.[A-Za-z])+\.|[A-Za-z0-9\u00ad]+))+"
NAME = r"[A-Za-z][A-Za-z0-9_:.-]{0,60}"              # of a tag or an attribute
TAG = (rf"<(?:[!?][A-Za-z-][^>\r\n]{{0,300}}|/{NAME}"
       rf"|{NAME}(?: +{NAME}(?: *= *(?:'[^']{{0,300}}'|\"[^\"]{{0,300}}\"))?){{0,20}} */?) *>")
STARTS = (                          # of sentences: initials before them lose their full stop
    "About According Additionally After An A As At But Earlier He Her Here However If In It Last Many More Mr. Ms. Now "
    "Once One Other Our She Since So Some Such That The Their Then There These They This We When While What Yet You")
SENTENCE = "|".join(f"[{word[0]}](?i:{re.escape(word[1:])})" for word in STARTS.split())

# Abbreviations that keep their full stop; the last ones, titles and initials, also without one before a blank.
WORDS_SHORT = (
    "jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tues?|wed|thu|thurs|fri|ala|ariz|calif|colo|conn|ct|dak|fla|ga|"
    "ind|kans?|ky|md|mich|minn|mo|mont|neb|nev|okla|penn|tenn|va|vt|wisc?|wyo|inc|cos?|corp|ltd|plc|rt|bancorp|bhd|assn|"
    "univ|intl|sys|tel|est|ext|sq|jr|sr|bros|ed\\.d|ph\\.d|blvd|rd|esq|etc|al|seq|bldg")
STATES = "A(?i:z|rk)|D(?i:el)|I(?i:ll)|L(?i:a)|M(?i:ass|iss)|O(?i:re)|P(?i:a)|T(?i:ex)|W(?i:ash)|(?i:pp?t)[ye](?i:s?)"
TITLES = (
    "mr|mrs|ms|drs?|profs?|sens?|reps?|attys?|lt|col|gen|messrs|govs?|adm|rev|maj|sgt|cpl|pvt|capt|ste?|ave|pres|lieut|"
    "hon|brig|co?mdr|pfc|spc|supts?|det|mt|ft|adj|adv|asst|assoc|ens|insp|mlle|mme|msgr|sfc|vs|alex|wm|jos|cie|"
    "a\\.k\\.a|cf|treas|ph|invt|elec|natl|dept")
STATE_OF = r"(?i:canada|sino|korean|eu|japan|non)-(?i:u\.s)|(?i:u\.s\.-u\.(?:k|s\.s\.r))"
SHORT = rf"(?:(?i:{TITLES})|M(?i:iss)|(?i:m)[ft](?i:g)|{STATE_OF}|{INITIALS})"
ENDINGS = ("bat|bmp|cgi|class|cpp|c|dll|docx|doc|exe|gif|gz|html|htm|h|jar|java|jpeg|jpg|mov|mp3|pdf|php|pl|png|ppt|ps|"
           "py|sql|tar|txt|wav|xml|x|zip")
PHONE = (r"(?:\([0-9]{2,3}\)[ \u00a0]?|(?:\+\+?)?(?:[0-9]{2,4}[- \u00a0])?[0-9]{2,4}[- \u00a0])"
         r"[0-9]{3,4}[- \u00a0]?[0-9]{3,5}",
         r"(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}")
FACE = r"[-^x=~<>']"

FRACTIONS = {"¼": "1/4", "½": "1/2", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
CURRENCIES = {"¢": "cents", "£": "#", "¤": "$", "\x80": "$", "₠": "$", "€": "$"}
BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"})
QUOTES = str.maketrans({"\x91": "`", "‘": "`", "\u201b": "`", "‹": "`", "\x92": "'", "’": "'", "›": "'",
                        "\x93": "``", "“": "``", "«": "``", "\x94": "''", "”": "''", "»": "''"})


def _plain_quotes(word: str) -> str:
    return word.replace("&apos;", "'").translate(QUOTES)              # &APOS; stays as it is


def _no_double_quote(word: str) -> str:
    return "" if word in ('"', "&quot;") else word                    # &QUOT; stays as it is


def _without_soft_hyphens(word: str) -> str:
    return word.replace("\u00ad", "")


def _plain_ampersand(word: str) -> str:
    return re.sub("&amp;", "&", word, flags=re.IGNORECASE)


def _glued(word: str) -> str:
    """A number of several parts, with no-break spaces, so that it is one word."""
    return word.replace(" ", "\u00a0")


def _round_brackets(word: str) -> str:
    return word.replace("(", "-lrb-").replace(")", "-rrb-")


def _nothing(word: str) -> str:
    return ""


class Rule(NamedTuple):
    token: str                      # regular expressions
    context: str = ""               # what has to stand behind it
    written: Callable[[str], str] = str
    needs: str = ""                 # a sign without which the rule cannot apply: saves time


_RULES = [
    Rule(r"(?i:c\+\+|[cf]\#)"),
    Rule("(?i:can)", "(?i:not)"), Rule("(?i:'t)", "(?i:was|is)"),
    Rule("(?i:gon|wan)", "(?i:na)"), Rule("(?i:got)", "(?i:ta)"), Rule("(?i:gim|lem)", "(?i:me)"),
    Rule(TAG, written=_glued, needs="<"),
    Rule("(?i:&amp;)", written=_plain_ampersand),
    Rule(r"&(?:(?i:ht|tl|ur|lr|qc|ql|qr|odq|cdq)|\#[0-9]+);"),
    # Words, and their clitics
    Rule(WORD, CLITIC, _without_soft_hyphens),
    Rule(r"[A-Za-z\u00ad]*[A-MO-Za-mo-z]\u00ad*", NOT, _without_soft_hyphens),
    Rule(WORD, written=_without_soft_hyphens),
    Rule(rf"{APOSTROPHE}(?i:n){APOSTROPHE}?"), Rule(rf"(?:[lLdDjJ]|(?i:dunkin|somethin|ol)){APOSTROPHE}"),
    Rule(rf"{APOSTROPHE}(?:(?i:em|till|til|cause)|[2-9]0(?i:s))"),
    Rule(rf"[A-HJ-XZn]{QUOTE}{A}{{2,}}"), Rule(rf"{A}+[aeiouyAEIOUY]{QUOTE}[aeiouA-Z]{A}*"),
    Rule(rf"(?i:cont'd\.?|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l|nat'l|o{QUOTE}o|cap{APOSTROPHE}n|c{APOSTROPHE}est)"),
    Rule(f"(?i:y){APOSTROPHE}", A),
    # Addresses
    Rule(rf"(?i:https?)://[^{NOT_BLANK}(){{}}]{{1,500}}[^{NOT_BLANK}.!?(){{}},-]", needs="://"),
    *(Rule(host + path, needs=".") for host in HOSTS for path in ("", PATH)),
    Rule(rf"(?:<|(?i:&lt;))?[a-zA-Z0-9][^{NOT_BLANK}()\u00a0{{}}]{{0,64}}@"
         rf"(?:[^{NOT_BLANK}(){{}}.\u00a0]{{1,63}}\.){{0,10}}[^{NOT_BLANK}(){{}}.\u00a0]{{1,63}}(?:>|(?i:&gt;))?",
         needs="@"),
    Rule(r"@[a-zA-Z_][a-zA-Z_0-9]*"), Rule(rf"\#{L}+"),
    Rule(CLITIC, "[^A-Za-z]", _plain_quotes), Rule(NOT, "[^A-Za-z]", _plain_quotes),
    # Numbers
    Rule(rf"{D}{{1,2}}[-/]{D}{{1,2}}[-/]{D}{{2,4}}"), Rule(f"[-+]?{NUMBER}", written=_without_soft_hyphens),
    Rule("[⁺⁻₊₋]?(?:[⁰¹²³⁴-⁹]+|[₀-₉]+)"),
    Rule(rf"(?:{D}{{1,4}}[- \u00a0])?{D}{{1,4}}(?:\\?/|\u2044){D}{{1,4}}", written=_glued),
    Rule("[¼½¾⅓-⅞]", written=lambda word: FRACTIONS.get(word, word)),
    Rule(r"-(?i:[lr][rcs]b)-|(?i:c\.d\.s|pro-|anti-)|(?i:s&(?:amp;)?(?:p-500|ls))", written=_plain_ampersand),
    Rule(r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}(?:\\?/[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}){1,2}"),
    Rule(r"[A-Z]*\$|\#"), Rule("[¢£¤¥\x80₠€؋฿₤￠￡￥￦]", written=lambda word: CURRENCIES.get(word, word)),
    # Abbreviations
    Rule("[A-Za-z]", rf"\.{SPACE}+(?:{SENTENCE}|{TAG}){SPACE}"),
    Rule(rf"(?:[A-Za-z](?:\.[A-Za-z])+|{STATE_OF})\.", rf"{SPACE}+(?:{SENTENCE}|{TAG}){SPACE}"),
    Rule(r"(?i:ca|figs?|prop|nos?|art|bldg|pp|op)\.", f"{SPACE}?{D}"),
    Rule(r"(?:(?i:pt)[eyEY]|(?i:co))\.", f"{BLANK}(?i:ltd|lim)"),
    Rule(rf"(?:(?i:{WORDS_SHORT})|{STATES})\.", r"[\s\S]{2}"), Rule(rf"{SHORT}\."),
    Rule(SHORT, BLANK), Rule(f"(?:{INITIALS}|{STATE_OF})", SPACE),
    Rule(f"{APOSTROPHE}[0-9][0-9]", SPACE),
    Rule(rf"{LD}{{1,50}}(?:\.{LD}{{1,50}}){{0,8}}\.(?i:{ENDINGS})", rf"(?:{SPACE}|[.?!,])"),
    Rule(rf"{WORD}\.", "[,;:、]", _without_soft_hyphens),
    Rule(PHONE[0], written=lambda word: _glued(word).translate(BRACKETS)), Rule(PHONE[1]),
    # Signs
    Rule('"|(?i:&quot;)', "[A-Za-z0-9$]", _no_double_quote), Rule('"|(?i:&quot;)', written=_no_double_quote),
    Rule("\x7f", written=_nothing),
    Rule("<|(?i:&lt;)", written=lambda word: "<"), Rule(">|(?i:&gt;)", written=lambda word: ">"),
    Rule(r"[<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]]", r"[^A-Za-z0-9]",
         _round_brackets),
    Rule(rf"[\^x=~<>]\.\[\^x=~<>]|{FACE}_{FACE}|\({FACE}[_.]?{FACE}\)|\([\^x=~<>']-[\^x=~<>'`]\)",
         written=_round_brackets),
    Rule(r"[][(){}]", written=lambda word: word.translate(BRACKETS)),
    Rule("-+", written=lambda word: "--" if len(word) in (3, 4) else word),
    Rule(r"\.{3,5}", written=_nothing), Rule(r"(?:\.[ \u00a0]){2,4}\.|[\x85…]", written=_nothing),
    Rule(r"@+|\#+|_+"), Rule(r"\*+|(?:\\\*){1,3}"), Rule("[,;:、]"), Rule("[?!]+"),
    Rule("[.¡¿\u037e\u0589\u061f\u06d4\u0700-\u0702。=/]"),
    # Words with other signs in them
    Rule(rf"{HYPHENATED}\.", "[,;:、]", _without_soft_hyphens), Rule(HYPHENATED, written=_without_soft_hyphens),
    Rule(rf"{THING}\.", "[,;:、]"), Rule(THING),
    Rule(r"[A-Z]+(?:(?:\+|(?i:&amp;)|&)[A-Z]+)+\.", "[,;:、]", _plain_ampersand),
    Rule(r"[A-Z]+(?:(?:\+|(?i:&amp;)|&)[A-Z]+)+", written=_plain_ampersand),
    # What is left
    Rule("'", r"[A-Za-z][^ \t\n\r\u00a0]", _nothing),
    Rule(CLITIC, written=_plain_quotes), Rule(NOT, written=_plain_quotes),
    Rule(f"[`‘’‚\u201b“”\x91-\x94„\u201f‹›«»]{{1,2}}|''|{APOSTROPHE}", written=_plain_quotes),
    Rule("<<|>>"), Rule(rf"[%&+\\^|~⁺⁻₊₋⁄{SIGN}]"),
    Rule(f"{BLANK}+|(?i:&nbsp;)", written=_nothing),
    Rule(r"&(?i:md|mdash|ndash);|[\x96\x97–-―]", written=_nothing),
]
# What the evaluation drops. Its list has brackets in capitals, as in -LRB-, and so keeps those in small letters.
PUNCTUATION = {"", "''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}

# Most of a caption, without the table: letters before a blank or the end, unless a rule cuts them; the last word with
# its full stop, unless it is an abbreviation; blanks; a comma or full stop of its own. Two line ends close the text.
# A run of blanks has to start with a usual one, since an address may start with others.
_CUT, _BLANKS = "cannot|gonna|wanna|gotta|gimme|lemme", rf"[ \t]{BLANK}*"
_PLAIN = re.compile(
    rf"(?!(?i:{_CUT})\b)([A-Za-z]+)(?:{_BLANKS}|\n\n\Z)"
    rf"|(?!(?:(?i:{_CUT}|{WORDS_SHORT})|{STATES}|{SHORT})\.)([A-Za-z]+)\.\n\n\Z"
    rf"|{_BLANKS}|[.,](?:{_BLANKS}(?!\.|{BLANK})|\n\n\Z)")


@functools.cache
def _compiled() -> list[tuple[re.Pattern[str], Callable[[str], str], str]]:
    return [(re.compile(f"({rule.token}){rule.context}"), rule.written, rule.needs) for rule in _RULES]


def cut(text: str) -> list[str]:
    """The words of a text, as the evaluation counts them, in the case in which they are written."""
    kinds, place, words = (text if text.isascii() else text.translate(KINDS)) + "\n\n", 0, []
    rules: list[tuple[re.Pattern[str], Callable[[str], str]]] = []
    while place < len(text):
        plain = _PLAIN.match(kinds, place)
        if plain:
            words.append(plain[1] or plain[2] or "")
            place = plain.end()
            continue
        rules = rules or [(pattern, written) for pattern, written, needs in _compiled() if needs in kinds]
        word, place = _longest(rules, text, kinds, place)
        words.append(word)
    return [word for word in words if word not in PUNCTUATION]


def _longest(rules: list[tuple[re.Pattern[str], Callable[[str], str]]], text: str, kinds: str, place: int
             ) -> tuple[str, int]:
    """The word at a place, by the first of the rules that match furthest, and the place behind it."""
    end, behind = 0, place + 1
    written: Callable[[str], str] = _nothing                # what no rule knows is dropped
    for pattern, way in rules:
        found = pattern.match(kinds, place)
        if found and found.end() > end:
            end, behind, written = found.end(), found.end(1), way
    return written(text[place:behind]), behind
