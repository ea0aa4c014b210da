"""Text whose encoding nobody wrote down: names in old archives, tables saved by old programs.

UTF-8 proves itself, since other text is hardly ever valid UTF-8. What is left is read in each encoding that archives of
the last decades used, and the reading whose letters belong together is taken and told.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence

ENCODINGS = ("shift_jis", "gbk", "big5", "euc_kr", "cp866", "cp1251", "cp1252", "cp437")
"""Tried in this order; of equal readings the first is taken."""

_COMMON = {
    # Two-byte codes of the letters that everyday text is made of: where a script's own standard put the usual ones.
    "gbk": lambda raw: 0xB0 <= raw[0] <= 0xD7 and raw[1] >= 0xA1,
    "big5": lambda raw: 0xA4 <= raw[0] <= 0xC6,
    "euc_kr": lambda raw: 0xB0 <= raw[0] <= 0xC8 and raw[1] >= 0xA1,
    "shift_jis": lambda raw: 0x88 <= raw[0] <= 0x97 or raw[0] in (0x82, 0x83),
}


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
        previous = ""
        for letter in text:
            if ord(letter) < 128:
                previous = letter
                continue
            size = len(letter.encode(encoding))
            total += size
            points += size * _plausible(letter, previous, encoding)
            scripts[_script(letter)] += size
            previous = letter
    if not total:
        return 0.0
    # Letters of one word come from one script; kana and ideographs are one.
    return (points + 0.5 * max(scripts.values()) - 0.5 * total) / total


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "none").partition(" ")[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name


def _plausible(letter: str, previous: str, encoding: str) -> float:
    if unicodedata.category(letter)[0] not in "LM":
        return -0.5
    if encoding in _COMMON:
        raw = letter.encode(encoding)
        if len(raw) == 1:
            return -0.8  # half-width kana: what bytes of another encoding look like
        return 1.0 if _COMMON[encoding](raw) else 0.0
    if _script(letter) == "CYRILLIC":
        # Small letters after small ones; a capital in the middle of a word is the other Cyrillic page's.
        if letter.isupper() and previous.isalpha() and previous.islower():
            return -0.5
        return 0.9 if unicodedata.name(letter).rpartition(" ")[2] in _RUSSIAN else 0.3
    # Western letters are rare among plain ones: two in a row are hardly ever meant.
    if ord(previous or "a") >= 128:
        return -0.5
    if encoding == "cp437":
        return 0.5 if letter in "äöüÄÖÜßéèàçêâîôûëïñáíóú" else -0.5
    return 0.6 if letter in "äöüÄÖÜßéèàçêâîôûëïñáíóúãõåøæÅØÆÉ" else -0.2


_RUSSIAN = frozenset(
    [
        "A",
        "BE",
        "VE",
        "GHE",
        "DE",
        "IE",
        "ZHE",
        "ZE",
        "I",
        "KA",
        "EL",
        "EM",
        "EN",
        "O",
        "PE",
        "ER",
        "ES",
        "TE",
        "U",
        "EF",
        "HA",
        "TSE",
        "CHE",
        "SHA",
        "SHCHA",
        "YERU",
        "E",
        "YU",
        "YA",
        "IO",
    ]
) | {"SIGN", "I", "U"}
