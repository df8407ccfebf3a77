"""Questions made of statements: a phrase of a sentence is asked for by what the sentence says besides.

Cloze translation (Lewis et al., 2019, "Unsupervised Question Answering by Cloze Translation") with noise in the order
of words; where another sentence says the phrase too, and something else of the passage, that one asks (Fabbri et al.,
2020, "Template-Based Question Generation from Retrieved Sentences").
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from memapp.extract import rules

Span = tuple[int, int]

EACH = 5
"""Questions of a passage at most."""
FROM_ANOTHER = 0.7
"""Share of phrases said elsewhere that another sentence asks for, where one fits."""
_LONGEST = 220
_NAME, _DATE, _NUMBER, _THING = "name", "date", "number", "thing"
_ASKING: Mapping[str, Sequence[str]] = {
    _NAME: ("who", "what", "who", "where", "which", "what", "whose", "what is the name of"),
    _DATE: ("when", "what year", "when", "in what year", "what date", "on what date"),
    _NUMBER: ("how many", "how much", "what number", "how many", "what"),
    _THING: ("what", "what", "which", "what kind of thing", "what type of thing", "how"),
}
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        "of in on at to by for with from as and or but that which who whom whose when where while is are was were be "
        "been being has have had do does did will would can could may might must should than then so if it its this "
        "these those he she they we i you not no into over under after before during between among through about "
        "against because since until also such more most very only just both either each all any some other another "
        "same up out down off ",
    )
)
_COMMON = _FUNCTION_WORDS | {"the", "a", "an", "his", "her", "their"}
_AMOUNT = re.compile(
    r"(?<![\w.,])[$£€]?\d[\d,.]*\d?(?:\s?%|\s(?:percent|per cent|million|billion|years?|miles|km|metres|meters|feet|"
    r"people|days|months|hours))?(?!\w)"
)
_THINGS = (
    re.compile(r"\b(?:an?|the|his|her|their|its)\s+((?:[a-z][a-z'-]+\s){0,3}[a-z][a-z'-]+)"),
    re.compile(
        r"\b(?:by|of|to|as|called|named|through|with|from|in|into|for|because of|using|include|includes|including|"
        r"became|is|are|was|were)\s+((?:[a-z][a-z-]+\s){0,2}[a-z][a-z-]+)"
    ),
)
"""Where a phrase of common words begins."""
_CLAUSES = re.compile(r"[,;:()–—]| (?:and|but|which|who|that|while|where|when|because|although) ")
_LEADING = re.compile(r"^(?:and|but|which|who|that|while|where|when|because|although|however|also)\s+", re.IGNORECASE)
_TRAILING = re.compile(r"(?:in|on|at|by|the|a|an|about|of|during|since|from|to|with)", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?!\s+[A-Z\"“])[^.!?]*)*[.!?]?[\"”)]*")
_EDGE = " ,;:()–—"


@dataclass(frozen=True, slots=True)
class Made:
    """A question, and a passage that answers it."""

    question: str
    answer: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class _Phrase:
    start: int
    end: int
    kind: str


def questions(
    passages: Sequence[tuple[str, str]], names: Sequence[Sequence[Span]], chance: random.Random
) -> Iterator[Made]:
    """Questions on passages (title and text), `names` being where names stand in the text of each."""
    phrases = [_phrases(text, found) for (_, text), found in zip(passages, names, strict=True)]
    sentences = [[match.span() for match in _SENTENCE.finditer(text)] for _, text in passages]
    said = defaultdict(list)
    for number, (_, text) in enumerate(passages):
        for one in phrases[number]:
            if one.kind != _THING and one.end - one.start > 3:
                said[text[one.start : one.end].casefold()].append((number, one))
    for number, (title, text) in enumerate(passages):
        order = chance.sample(phrases[number], len(phrases[number]))
        order.sort(key=lambda one: one.kind == _THING and chance.random() < 0.5)
        made = 0
        for phrase in order:
            if made == EACH:
                break
            answer = text[phrase.start : phrase.end]
            own = _around(sentences[number], phrase)
            if not answer.strip() or own is None:
                continue
            asked, read = None, text
            places = [place for place in said.get(answer.casefold(), ()) if place != (number, phrase)]
            if phrase.kind != _THING and places and chance.random() < FROM_ANOTHER:
                found = _elsewhere(text, own, answer, places, passages, sentences, chance)
                if found:
                    other, where, stretch = found
                    asked = _question(passages[other][1], stretch, where, chance)
                    read = f"{text[: stretch[0]]} {text[stretch[1] :]}".strip() if other == number else text
            if not asked:
                asked, read = _question(text, own, phrase, chance), text
            if asked and answer.casefold() not in asked.casefold() and answer in read:
                made += 1
                yield Made(asked, answer, title, read)


def _phrases(text: str, names: Sequence[Span]) -> list[_Phrase]:
    """Names, days, amounts, and short runs of common words, in order."""
    dates = set(rules.dates(text))
    found = {span: _DATE if span in dates else _NAME for span in names} | dict.fromkeys(dates, _DATE)

    def add(start: int, end: int, kind: str) -> None:
        if not any(other_start < end and start < other_end for other_start, other_end in found):
            found[start, end] = kind

    for match in _AMOUNT.finditer(text):
        add(*match.span(), _NUMBER)
    for pattern in _THINGS:
        for match in pattern.finditer(text):
            start = end = match.start(1)
            for word in re.finditer(r"\S+", match[1]):
                if word[0] in _FUNCTION_WORDS:
                    break
                end = start + word.end()
            if end - start > 3:
                add(start, end, _THING)
    return [_Phrase(*span, kind) for span, kind in sorted(found.items())]


def _around(sentences: Sequence[Span], phrase: _Phrase) -> Span | None:
    return next((one for one in sentences if one[0] <= phrase.start and phrase.end <= one[1]), None)


def _elsewhere(
    text: str,
    own: Span,
    answer: str,
    places: Sequence[tuple[int, _Phrase]],
    passages: Sequence[tuple[str, str]],
    sentences: Sequence[Sequence[Span]],
    chance: random.Random,
) -> tuple[int, _Phrase, Span] | None:
    """Another sentence that says the answer and the most of the passage's other words, two at least."""
    here, most, best = _content(text), 1, None
    for number, phrase in chance.sample(places, min(12, len(places))):
        stretch, other = _around(sentences[number], phrase), passages[number][1]
        if stretch is None or other[slice(*stretch)] == text[slice(*own)]:
            continue
        shared = len((_content(other[slice(*stretch)]) & here) - _content(answer))
        if shared > most:
            most, best = shared, (number, phrase, stretch)
    return best


def _content(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.casefold()) if word not in _COMMON and len(word) > 2}


def _question(text: str, sentence: Span, phrase: _Phrase, chance: random.Random) -> str | None:
    """What asks for the phrase by the rest of its clause, more or less in order."""
    before, after = _clause(text, sentence, phrase, chance)
    left, right = _noisy(_LEADING.sub("", before).split(), chance), _noisy(after.split(), chance)
    if left and _TRAILING.fullmatch(left[-1]) and chance.random() < 0.6:
        left.pop()
    if len(left) + len(right) < 3:
        return None
    asking, form = [chance.choice(_ASKING[phrase.kind])], chance.random()
    if not left or (len(left) <= 2 and form < 0.8):
        words = asking + right + (left if left and chance.random() < 0.4 else [])
    elif form < 0.45:
        verb = chance.choices([[], ["did"], ["was"]], [0.56, 0.2, 0.24])[0]
        words = asking + verb + left + (right if chance.random() < 0.7 else [])
    elif form < 0.7:
        words = asking + right + left
    else:
        words = left + (asking if form < 0.9 else ["[MASK]"]) + right
    asked, style = " ".join(words)[:_LONGEST], chance.random()
    if style < 0.5:
        return f"{asked[:1].upper()}{asked[1:]}?"
    return asked.lower() if style < 0.7 else asked


def _clause(text: str, sentence: Span, phrase: _Phrase, chance: random.Random) -> tuple[str, str]:
    """What stands before and after the phrase in a part of its sentence, of some 24 words at most."""
    whole = text[slice(*sentence)]
    start, end = phrase.start - sentence[0], phrase.end - sentence[0]
    between = [match.start() for match in _CLAUSES.finditer(whole) if not start <= match.start() < end]
    cuts = [0, *(cut for cut in between if cut > 0), len(whole)]
    first = max(n for n, cut in enumerate(cuts) if cut <= start)
    last = min(n for n, cut in enumerate(cuts) if cut >= end)
    own = len(whole[start:end].split())
    while len(whole[cuts[first] : cuts[last]].split()) - own < 5 or chance.random() < 0.5:
        lower, higher = first > 0, last < len(cuts) - 1
        if lower and (not higher or chance.random() < 0.6):
            first -= 1
        elif higher:
            last += 1
        else:
            break
        if len(whole[cuts[first] : cuts[last]].split()) > 24:
            break
    return whole[cuts[first] : start].strip(_EDGE), whole[end : cuts[last]].strip(f"{_EDGE}.!?")


def _noisy(words: Sequence[str], chance: random.Random) -> list[str]:
    """Some words left out, common ones more often, and now and then their order shaken."""
    kept = list(words)
    if len(kept) > 5:
        kept = [word for word in kept if chance.random() > (0.35 if word.lower() in _FUNCTION_WORDS else 0.08)]
    if chance.random() < 0.3:
        places = [n + 3 * chance.random() for n in range(len(kept))]
        kept = [word for _, word in sorted(zip(places, kept, strict=True))]
    return kept
