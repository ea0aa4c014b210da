"""Text whose encoding nobody wrote down: names in old archives, tables saved by old programs.

UTF-8 proves itself, since other text is hardly ever valid UTF-8. What is left is read in each encoding that archives of
the last decades used, and the reading whose letters belong together is taken and told.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

ENCODINGS = ("shift_jis", "gbk", "big5", "euc_kr", "cp866", "cp1251", "cp1252", "cp437")
"""Tried in this order; of equal readings the first is taken."""

RUSSIAN = frozenset("абвгдежзийклмнопрстуфхцчшщъыьэюяё")
FREQUENT = frozenset("оеаинтсрвлкмдпу")
DOS = frozenset("äöüÄÖÜßéèàçêâîôûëïñáíóúÉ")
WESTERN = DOS | frozenset("ãõåøæÅØÆÀÈÊÇÑ")

_COMMON: dict[str, Callable[[bytes], float]] = {
    # Where each standard put the usual signs. Korean syllables lie within the range of usual Chinese ones, which go on
    # beyond it: a text without any beyond is Korean.
    "gbk": lambda raw: (0.9 if raw[0] <= 0xC8 else 1.0) if 0xB0 <= raw[0] <= 0xD7 and raw[1] >= 0xA1 else 0.0,
    "big5": lambda raw: 0.85 if 0xA4 <= raw[0] <= 0xC6 else 0.0,
    "euc_kr": lambda raw: 1.0 if 0xB0 <= raw[0] <= 0xC8 and raw[1] >= 0xA1 else 0.0,
    "shift_jis": lambda raw: 1.0 if 0x88 <= raw[0] <= 0x97 or raw[0] in (0x82, 0x83) else 0.0,
}
"""How usual a sign is, from its two bytes."""


def encoding_of(texts: Sequence[bytes]) -> str:
    """The encoding in which texts read best, all by the same: UTF-8 where they can be that."""
    try:
        for text in texts:
            text.decode("utf-8")
    except UnicodeDecodeError:
        return guess(texts)
    return "utf-8"


def text_of(data: bytes) -> str:
    """The text in a file: UTF-8, UTF-16 by its mark, or what its letters say."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    return data.removeprefix(b"\xef\xbb\xbf").decode(encoding_of([data]))


def guess(texts: Sequence[bytes]) -> str:
    """The encoding other than UTF-8 in which texts read best, all by the same; `cp437` reads any."""
    scores = {encoding: score for encoding in ENCODINGS if (score := _score(texts, encoding)) is not None}
    return max(scores, key=lambda encoding: scores[encoding]) if scores else "cp437"


def _score(texts: Sequence[bytes], encoding: str) -> float | None:
    """How well texts read, between -1 and 1 a byte beyond ASCII; None when some cannot be read."""
    total = points = 0.0
    scripts: Counter[str] = Counter()
    for raw in texts:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            return None
        for before, letter, after in zip(f" {text[:-1]}", text, f"{text[1:]} ", strict=True):
            if ord(letter) >= 128:
                size = len(letter.encode(encoding))
                total += size
                points += size * _plausible(letter, before, after, encoding)
                scripts[_script(letter)] += size
    if not total:
        return 0.0
    # Letters of one word come from one script; kana and ideographs are one.
    return (points + 0.5 * max(scripts.values()) - 0.5 * total) / total


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "none").partition(" ")[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name


def _plausible(letter: str, before: str, after: str, encoding: str) -> float:
    if unicodedata.category(letter)[0] not in "LM":
        return -0.5
    beside_latin = any(near.isascii() and near.islower() for near in (before, after))
    if encoding in _COMMON:
        raw = letter.encode(encoding)
        if len(raw) == 1 or beside_latin:
            return -0.8  # half-width kana, a sign amid plain letters: what bytes of another encoding look like
        return _COMMON[encoding](raw)
    if _script(letter) == "CYRILLIC":
        if beside_latin or (letter.isupper() and before.islower()):
            return -0.8  # a capital amid a word is the other Cyrillic page's
        return 1.0 if letter.lower() in FREQUENT else 0.5 if letter.lower() in RUSSIAN else 0.0
    # Western letters are rare among plain ones: two in a row are hardly ever meant.
    if ord(before) >= 128 or ord(after) >= 128:
        return -0.5
    usual = WESTERN if encoding == "cp1252" else DOS
    return 0.6 if letter in usual else -0.5
