"""Text as the full-text index sees it, and a question as an expression that the index understands.

The index splits words and drops accents by itself. What is done here is what it cannot do: one form for
characters that look or mean the same, words that are written with signs, and scripts without spaces. No
ranking; stems only where texts are compared outside the index.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from itertools import pairwise

MAX_TERMS = 64
"""Distinct words of a question that are searched for; a pasted page is not worth more."""

_COMMON = """
a an and are as at be been being by did do does for from had has have how in is it its of on or that the these
this those to was were what when where which who whom whose why with
"""
STOP_WORDS = frozenset(_COMMON.split())
"""Words that every question has. Few, because BM25 gives common words little weight anyway."""

_UNSPACED = (
    "\u0e00-\u0e4f\u0e5a-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u3005-\u3007\u3040-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\uac00-\ud7a3"  # Hangul, whose particles are glued to the words
)
_RUN = re.compile(f"[{_UNSPACED}]+")
_SIGNED = re.compile(r"(?<!\w)([a-z])(\+\+|#)")
_SIGN_NAMES = {"++": "plusplus", "#": "sharp"}
_CONTRACTED = re.compile(r"(?<=\w)['\u2019](?:s|t|d|m|re|ve|ll)\b", re.IGNORECASE)
_ACCENT = re.compile("[\u0300-\u036f]")
_TOKEN = re.compile(r"[^\W_]+")
_ENDINGS = ("ingly", "edly", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s")
_SURROGATE = re.compile("[\ud800-\udfff]")


def fold(text: str) -> str:
    """The text to index: NFKC, case folded; `C`, `C++` and `C#` stay three words.

    A run of a script without spaces becomes overlapping pairs of characters, its last character alone:
    every pair can be searched for as a word, and every character as the beginning of one.
    """
    text = _normal(text)
    if text.isascii():
        return text
    return _RUN.sub(lambda run: f" {' '.join([*_pairs(run.group()), _characters(run.group())[-1]])} ", text)


def terms(question: str) -> list[str]:
    """FTS5 strings for the words of the question, each once; none when it has no word.

    Whatever the question holds, they are valid: words are quoted and have no sign in them.
    """
    found = [term for word in words(question) for term in _terms(word)]
    return list(dict.fromkeys(found))[:MAX_TERMS]


def match(question: str) -> str | None:
    """An FTS5 expression for passages that hold any word of the question; None when it has no word."""
    return " OR ".join(terms(question)) or None


def words(text: str) -> list[str]:
    """The words of a text that say something, in order: folded, without stop words, unless there are no others."""
    found = _words(_normal(_CONTRACTED.sub("", text)))
    return [word for word in found if word not in STOP_WORDS] or found


def stems(text: str) -> list[str]:
    """The words of a text without accents and common endings, stop words left out, in order: to compare texts by.

    Coarser than the index, and faster: what is counted here is which words of a question a text covers.
    """
    folded = fold(text)
    if not folded.isascii():
        folded = _ACCENT.sub("", unicodedata.normalize("NFKD", folded))
    return [stem(word) for word in _TOKEN.findall(folded) if word not in STOP_WORDS]


@functools.lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A folded word without its ending, as long as three letters are left."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _normal(text: str) -> str:
    if text.isascii():
        text = text.lower()
    else:
        text = _SURROGATE.sub(" ", text)
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SIGNED.sub(lambda found: f"{found[1]}{_SIGN_NAMES[found[2]]} ", text)


def _words(text: str) -> list[str]:
    """Runs of letters, digits and marks; a run of marks alone is none."""
    kept = "".join(character if unicodedata.category(character)[0] in "LNM" else " " for character in text)
    return [word for word in kept.split() if any(character.isalnum() for character in word)]


def _terms(word: str) -> list[str]:
    """Quoted terms of one word: itself, or the pairs of each run without spaces and what stands between."""
    found: list[str] = []
    end = 0
    for run in _RUN.finditer(word):
        found += [f'"{rest}"' for rest in _words(word[end : run.start()])]
        found += [f'"{pair}"' for pair in _pairs(run.group())] or [f'"{run.group()}"*']
        end = run.end()
    return found + [f'"{rest}"' for rest in _words(word[end:])]


def _pairs(run: str) -> list[str]:
    characters = _characters(run)
    return [first + second for first, second in pairwise(characters)]


def _characters(run: str) -> list[str]:
    """Characters as a reader counts them: a base with the marks that follow it."""
    found: list[str] = []
    for character in run:
        if found and unicodedata.category(character)[0] == "M":
            found[-1] += character
        else:
            found.append(character)
    return found
