"""data/tokenizer.py: captions without blanks between words, cut into characters, and captions segmented already."""
import pytest

from data.tokenizer import TOKENS, blanks, characters, tokenize, written

CHARACTERS = {
    "一只狗在T-shirt上跑、很快。": "一 只 狗 在 t-shirt 上 跑 很 快",
    "２只猫，一個人（坐着）！": "２ 只 猫 一 個 人 坐 着",
    "二〇二〇年的 iPhone 12，3.5 英寸": "二 〇 二 〇 年 的 iphone 12 3.5 英 寸",
    "𠮷野家の葛\U000e0100飾、人々": "𠮷 野 家 の 葛\U000e0100 飾 人 々",             # beyond 16 bits, which form
    "かか\u3099コーヒー・ﾊﾞｽ": "か か\u3099 コ ー ヒ ー ﾊﾞ ｽ",                       # dakuten of their own
    "กินที่ร้าน ๒๐ คน": "กิ น ที่ ร้ า น ๒๐ ค น",
    "ខ្មែរ မြန်မာ": "ខ្ មែ រ မြ န် မာ",
    "A dog's ball. Größe café": "a dog 's ball größe café",
    "한국어 개가 달린다!": "한국어 개가 달린다",                                     # Korean has blanks
    "，。、！ 🐕": "", "": "",
}


def test_the_names():
    assert {"treebank": tokenize, "characters": characters, "blanks": blanks} == TOKENS


@pytest.mark.parametrize("caption, words", CHARACTERS.items())
def test_characters(caption, words):
    assert characters(caption) == words
    assert characters(words) == words                                               # cut once and for all


@pytest.mark.parametrize("caption, words", [
    ("一只 狗 在 草地 上 跑 。", "一只 狗 在 草地 上 跑"),
    ("Der Bub 's don't T-Shirt , ( ... ) 5 % !", "der bub 's don't t-shirt 5 %"),
    ("หมา\u200bวิ่ง\u3000เร็ว\n\tมาก", "หมา วิ่ง เร็ว มาก"),                                # Thai is segmented so
    ("half \ud83d an emoji \ud83d\n", "half an emoji"), (" . ", ""), ("", ""),
])
def test_blanks(caption, words):
    assert blanks(caption) == words and blanks(words) == words


@pytest.mark.parametrize("words, text", [
    ("一 只 狗 在 t-shirt 上 跑", "一只狗在t-shirt上跑"), ("a dog 2 人 b c", "a dog 2人b c"),
    ("一 <UNK> <UNK> 跑", "一<UNK> <UNK>跑"), ("กิ น ที่ ร้ า น", "กินที่ร้าน"), ("cafe\u0301 au lait", "cafe\u0301 au lait"),
    ("한국어 개가 茶", "한국어 개가茶"), ("", ""),
])
def test_as_people_write_it(words, text):
    assert written(words, "characters") == text
    assert written(words, "treebank") == written(words, "blanks") == words


def test_words_for_brackets_are_written_as_brackets():
    assert written("a dog -lrb- left -rrb- -lsb- x -rsb- -lcb-", "treebank") == "a dog ( left ) [ x ] {"
    assert written("-lrb-", "blanks") == "-lrb-" and tokenize(written("a -lrb- b", "treebank")) == "a -lrb- b"


@pytest.mark.parametrize("cut", TOKENS.values())
def test_only_text_is_cut(cut):
    with pytest.raises(TypeError, match="caption must be a str, found NoneType"):
        cut(None)
