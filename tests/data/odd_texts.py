"""Captions with odd characters in them, drawn at random: what a tokeniser meets on the web."""
import numpy as np

WORDS = (
    "a the two man's dog cat woman runs sitting on in of with near beach street red T-shirt well-lit ice-cream "
    "boy's children don't it's isn't can't they're he'd cannot gonna sign says New York No Mr St 2 10 15 1950s 3rd "
    "100 B&W")
PIECES = {                          # kind -> pieces, of which texts get some
    "brackets": "( ) [ ] { } (( )) () [] {} (a) [b] {c} (left) [right] ([{ }]) -LRB- -rrb- (s) ( s )",
    "slashes": "/ // \\ and/or w/ w/o 1/2 3/4 24/7 on/off/auto red/blue a/b/c/d /r/pics either / or n/a km/h",
    "ellipses": "... … .... .. . . . .…. …… wait...what so… …so a..b",
    "quotes": "\" ' '' `` ` “ ” ‘ ’ „ ‟ ‚ ‛ « » ‹ › ′ ″ \"hi\" 'hi' “hi” ‘hi’ „hi“ «hi» ‹hi› ''hi'' ``hi'' `hi' "
              "rock'n'roll 6'2\" 5' dogs' o'clock it´s don’t it’s '90s ’90s 'em",
    "hyphens": "- -- --- ---- – — ― ‐ ‑ ‒ − \xad a-b a--b a–b a—b well-known -ish semi- x-ray-like "
               "long-long-long-long-word 10-12 10–12 -5 co\xadop non‑stop",
    "signs": "% $ & # @ * + = ~ ^ | _ < > 50% $5 $1,000.50 US$5 A$ 5€ €5 £3 ¥100 ¢ 20¢ A&B AT&T Q&A a&b & && "
             "R&D's +1 1+1 =) *star* _under_ x^2 ~5 |bar| <3 <b> </b> <br/> <unk> << >> -> => C++ C# 100%",
    "dates": "12/05/2014 2014-05-12 5.12.2014 12.05. May 5th, Jan. 5 '14 1990's 1990-2000 12:30 12:30pm 5pm 5 "
             "p.m. 5:30p.m. 7-11 9/11 10:00-11:00",
    "abbreviations": "U.S. U.S.A. U.K.'s e.g. i.e. etc. Dr. Mr. Mrs. St. Mt. Jr. Ph.D. No. no. a.m. P.M. vs. "
                     "Inc. Co. J.K. J.K.Rowling D.C. approx. ft. in. lbs. Ave. Sept. Fri. Wash. e.g., i.e., "
                     "U.S.-made",
    "numbers": "1,000 1,000.5 1.5 .5 0.5m -3 +7 ½ ¼ 1½ 2-1/2 ⅓ 1st 2nd 1e5 3D 4x4 007 1.2.3 192.168.0.1 1,2,3 "
               "12,34 5' 10\" 555-1234 (555)555-1234 ² ³ m² №5 Ⅳ ①",
    "faces": ":) :-) ;) ;-) :( :-( :D :P :-P =) XD ^_^ :'( :/ :o) (: <3 :] :-* -_- o_O",
    "addresses": "http://a.b/c www.example.org https://example.org/a?b=c&d=e. example.com x@example.com "
                 "me@x.co.uk #tag #1 @name @ ftp://x.y photo.jpg IMG_1234.JPG a.b.c www.a.com, #sunset#beach",
    "letters": "café cafe\u0301 naïve Straße ÉTÉ İstanbul ŒUVRE Москва собака Αθήνα كلب שלום 北京 犬が走る 한국 강아지 "
               "ส\u0e38นัข हिन\u094dदी ﬁsh ｆｕｌｌ Ａ１ ª º µ ñ ø Æ ß ĳ ŉ",
    "emoji": "\U0001f600 \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 ❤ "
             "❤️ ☺ ☀ ✈️ ★ ☆ ♥ ♪ ✓ ✗ → ← ↑ © ® ™ ° § ¶ † ‡ • · … ¿ ¡ ⁂ \U0001f415dog dog\U0001f415 1️⃣ ▲ ■ ␣ ∞ ≠ "
             "≤ ± × ÷ √ ∑ π",
    "marks": ". , ; : ! ? !! ?? ?! !!! ,, ;; :: ., .; ?. !. ., a,b a;b a:b a!b a?b end. end, ,start .start ;) "
             ",, : ;",
    "entities": "&amp; &lt; &gt; &quot; &#39; &nbsp; &apos; &copy; &amp;amp; <p>hi</p> <img src=x> <!-- x --> & "
                "&QUOT; &Apos; A&AMP;B caf&eacute; don&apos;t",
    "blanks": "\t \xa0 \u2003 \u200b \u3000 \u2009 \ufeff \u200d \u200e \xad \u202f \u2060",
    "controls": "\x00 \x01 \x07 \x08 \x1b \x7f \x80 \x9f � \ufffe \ue000 \ud7ff \U000f0000 𝐀 𝟘 \x1f \x0e",
    "words": "'tis 'twas y'all ma'am gonna wanna gotta gimme lemme d'oh o'neil O'Brien's d'Arc l'eau c'mon "
             "cap'n ol' dunkin' 'cause 'til should've I'd've you're she'll who's Don'T CAN'T",
}
KNOWN = WORDS.split()
KINDS = {kind: [piece for piece in pieces.split(" ") if piece.strip("\n")] for kind, pieces in PIECES.items()}
GLUES = [" ", " ", " ", " ", "", ""]


def odd_texts(count: int, rng: np.random.Generator) -> list[str]:
    """`count` texts: captions with one to four odd pieces between or within words, and every tenth of pieces alone."""
    return [_text(rng, noise=k % 10 == 9) for k in range(count)]


def _text(rng: np.random.Generator, noise: bool):
    kinds = list(KINDS)
    words = [] if noise else [KNOWN[i] for i in rng.integers(0, len(KNOWN), rng.integers(3, 11))]
    for _ in range(rng.integers(3, 9) if noise else rng.integers(1, 5)):
        pieces = KINDS[kinds[rng.integers(len(kinds))]]
        piece = pieces[rng.integers(len(pieces))]
        if words and rng.random() < 0.25:
            place = int(rng.integers(len(words)))
            inside = int(rng.integers(len(words[place]) + 1))
            words[place] = words[place][:inside] + piece + words[place][inside:]
        else:
            words.insert(int(rng.integers(len(words) + 1)), piece)
    return "".join(word + GLUES[rng.integers(len(GLUES))] for word in words)
