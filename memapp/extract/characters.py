"""What kind of character each of many is, looked up for all of them at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.uint16]

KNOWN = 1 << 0
UPPER = 1 << 1
LOWER = 1 << 2
LETTER = 1 << 3
DIGIT = 1 << 4
MARK = 1 << 5
"""Part of the character before it: accents, vowel signs, joiners."""
ALONE = 1 << 6
"""A letter of a script without spaces, which the tokenizer sets apart: Chinese characters."""
SPACE = 1 << 7
LINE = 1 << 8
QUOTE = 1 << 9
OPENING = 1 << 10
CLOSING = 1 << 11
STOP = 1 << 12
PAUSE = 1 << 13
HYPHEN = 1 << 14
JOINT = 1 << 15
"""An apostrophe, an ampersand, a slash: may stand inside a name."""

_SIGNS = {
    LINE: "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029",
    QUOTE: '"`“”„‟«»‹›「」『』《》〈〉＂',
    OPENING: "([{（［｛【",
    CLOSING: ")]}）］｝】",
    STOP: ".!?。！？…।؟",
    PAUSE: ",;:、，；：،؛",
    HYPHEN: "-‐‑‒–—−",
    JOINT: "'’‘&/＆＇+#@",
}
_BY_SIGN = {sign: flag for flag, signs in _SIGNS.items() for sign in signs}
_IDEOGRAPHS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x2FA20))


def flags(text: str) -> Flags:
    """The flags of each character of a text."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    found: Flags = _TABLE[codes]
    if not (found & KNOWN).all():
        for code in np.unique(codes[(found & KNOWN) == 0]).tolist():
            _TABLE[code] = _kind(chr(code)) | KNOWN
        found = _TABLE[codes]
    return found


def count(found: Flags, flag: int, spans: NDArray[Any] | Sequence[Sequence[int]]) -> NDArray[np.int32]:
    """How many characters of each span [start, end) have any bit of `flag`; spans have shape (n, 2)."""
    sums = np.zeros(len(found) + 1, np.int32)
    np.cumsum((found & flag) != 0, out=sums[1:])
    places = np.asarray(spans)
    counts: NDArray[np.int32] = sums[places[:, 1]] - sums[places[:, 0]]
    return counts


def _kind(character: str) -> int:
    if character in _BY_SIGN:
        return _BY_SIGN[character] | (SPACE if character.isspace() else 0)
    if character.isspace():
        return SPACE
    category = unicodedata.category(character)
    if category[0] == "M" or character in "\u200c\u200d":
        return MARK
    if category[0] == "N":
        return DIGIT
    if category[0] != "L":
        return 0
    alone = any(first <= ord(character) < end for first, end in _IDEOGRAPHS)
    return LETTER | (UPPER if category in ("Lu", "Lt") else LOWER if category == "Ll" else 0) | (ALONE if alone else 0)


_TABLE: Flags = np.zeros(0x110000, np.uint16)
