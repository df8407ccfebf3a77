"""A document's text into passages: whole sentences under a token budget, and their exact place in the text.

Tokens are counted by a function that is passed in, a batch at a time. Nothing here changes a character.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from memapp.read.sentence import CHARACTER, CLAUSE, PARAGRAPH, SENTENCE, WORD, boundaries
from memapp.types import Document, Span

Count = Callable[[list[str]], list[int]]

_LONGEST = 4000
"""Characters of a unit that is counted whole; a longer one is cut first."""
_CRUMB = 16
"""Neighbouring sentences of together less than this part of the budget are packed as one; paragraphs of half that."""
_TINY = 0.2
"""A section of less than this share of the budget joins its neighbour."""
_PENALTY = {PARAGRAPH: 0.0, SENTENCE: 0.08, CLAUSE: 0.3, WORD: 0.6, CHARACTER: 1.0}
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_ATOM = re.compile(rf"[{_NO_SPACES}]\s*|[^\s{_NO_SPACES}]{{1,40}}\s*")
_CLAUSE_END = re.compile(r"[,;:—–、，；：،؛][\"'”’»)\]]*\s*$")
_JOINERS = "\u200c\u200d"


class _Unit(NamedTuple):
    """A stretch of text that is not cut any further, its following white space included."""

    start: int
    end: int
    tokens: int
    kind: int
    """The boundary before it."""
    section: bool = False
    """True when a section begins here."""


def split(document: Document, budget: int, count: Count, whole: int | None = None) -> list[Span]:
    """The passages of one document; see split_all."""
    return split_all([document], budget, count, whole)[0]


def split_all(documents: Sequence[Document], budget: int, count: Count, whole: int | None = None) -> list[list[Span]]:
    """The passages of each document: in order, trimmed, apart, and together every character that is not white space.

    No passage has more than `budget` tokens, unless a single character has; sentences are cut only where one alone is
    longer. A passage keeps to its section, unless the section is tiny and no turn of a conversation. With `whole`, any
    other document of at most that many tokens, and of at most 16 times as many characters, is one passage. `count`
    gives the tokens of each text; it is called a few times in all, and the parts of a text must not count less than
    the whole.
    """
    if budget < 1:
        raise ValueError("budget must be at least 1")
    spans: dict[int, list[Span]] = _whole(documents, count, whole) if whole is not None else {}
    waiting = [index for index in range(len(documents)) if index not in spans]
    raw = [_units(documents[index]) for index in waiting]
    texts = [documents[index].text for index in waiting]
    for index, text, units in zip(waiting, texts, _counted(texts, raw, budget, count), strict=True):
        tiny = 0.0 if documents[index].spoken else budget * _TINY
        spans[index] = [span for group in _groups(units, budget, tiny) for span in _packed(text, group, budget)]
    return [spans[index] for index in range(len(documents))]


def _whole(documents: Sequence[Document], count: Count, whole: int) -> dict[int, list[Span]]:
    short = [i for i, document in enumerate(documents) if not document.spoken and len(document.text) <= 16 * whole]
    counts = count([documents[index].text for index in short]) if short else []
    return {
        index: list(_trimmed(documents[index].text, 0, len(documents[index].text)))
        for index, tokens in zip(short, counts, strict=True)
        if tokens <= whole
    }


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    if stripped := piece.strip():
        start += len(piece) - len(piece.lstrip())
        yield Span(start, start + len(stripped))


def _units(document: Document) -> list[_Unit]:
    """The sentences of a document, uncounted."""
    text = document.text
    edges = sorted({0, len(text), *(s.start for s in document.sections if 0 < s.start < len(text))})
    units: list[_Unit] = []
    for start, end in pairwise(edges):
        kind, section = PARAGRAPH, True
        for offset, next_kind in (*boundaries(text, start, end), (end, PARAGRAPH)):
            if offset > start:
                units.append(_Unit(start, offset, 0, kind, section))
                start, kind, section = offset, next_kind, False
    return units


def _counted(texts: Sequence[str], raw: Sequence[list[_Unit]], budget: int, count: Count) -> Iterator[list[_Unit]]:
    """The units of each text with their tokens; those over the budget cut up."""
    flat = [(text, unit) for text, units in zip(texts, raw, strict=True) for unit in units]
    counts = _count(flat, count)
    long = [item for item, tokens in zip(flat, counts, strict=True) if tokens > budget]
    pieces = iter(_cut(long, budget, count))
    tokens = iter(counts)
    for units in raw:
        done: list[_Unit] = []
        for unit in units:
            size = next(tokens)
            if size > budget:
                done += next(pieces)
            else:
                done.append(unit._replace(tokens=size))
        yield done


def _count(items: Sequence[tuple[str, _Unit]], count: Count) -> list[int]:
    """Tokens of each unit; one that is too long to be worth counting has too many."""
    short = [text[unit.start : unit.end] for text, unit in items if unit.end - unit.start <= _LONGEST]
    counts = iter(count(short) if short else [])
    return [next(counts) if unit.end - unit.start <= _LONGEST else 1 << 62 for _, unit in items]


def _cut(items: Sequence[tuple[str, _Unit]], budget: int, count: Count) -> list[list[_Unit]]:
    """Each unit in pieces within the budget, as even as clauses and words allow."""
    if not items:
        return []
    atoms = [[(text, atom) for atom in _atoms(text, unit)] for text, unit in items]
    while True:
        flat = [item for group in atoms for item in group]
        counts = iter(_count(flat, count))
        sized = [[(text, atom, next(counts)) for text, atom in group] for group in atoms]
        if not any(tokens > budget and _halved(text, atom) for group in sized for text, atom, tokens in group):
            return [_assembled(group, budget) for group in sized]
        atoms = [
            [
                (text, part)
                for text, atom, tokens in group
                for part in ((tokens > budget and _halved(text, atom)) or (atom,))
            ]
            for group in sized
        ]


def _atoms(text: str, unit: _Unit) -> list[_Unit]:
    """The words of a unit, or its characters where the script has no spaces."""
    starts = [unit.start]
    kinds = [unit.kind]
    for match in _ATOM.finditer(text, unit.start, unit.end):
        start = match.start()
        if start <= starts[-1] or _clings(text, start):
            continue
        before = text[max(unit.start, start - 8) : start]
        if _CLAUSE_END.search(before):
            kinds.append(CLAUSE)
        else:
            kinds.append(WORD if before[-1].isspace() or text[start] > "\u0dff" else CHARACTER)
        starts.append(start)
    ends = [*starts[1:], unit.end]
    return [
        _Unit(start, end, 0, kind, unit.section and number == 0)
        for number, (start, end, kind) in enumerate(zip(starts, ends, kinds, strict=True))
    ]


def _clings(text: str, offset: int) -> bool:
    """True for a character that belongs to the one before it: accents, vowel signs, joiners."""
    character = text[offset]
    if character < "\u0300" or text[offset - 1].isspace():
        return False
    return character in _JOINERS or unicodedata.category(character)[0] == "M"


def _halved(text: str, atom: _Unit) -> tuple[_Unit, _Unit] | None:
    """The atom in two parts, or None when it is a single character."""
    middle = (atom.start + atom.end) // 2
    after = [*range(middle, atom.end), *range(middle - 1, atom.start, -1)]
    for cut in after:
        if cut > atom.start and not text[cut].isspace() and not _clings(text, cut):
            first = _Unit(atom.start, cut, 0, atom.kind, atom.section)
            return first, _Unit(cut, atom.end, 0, CHARACTER)
    return None


def _assembled(atoms: Sequence[tuple[str, _Unit, int]], budget: int) -> list[_Unit]:
    """Neighbouring atoms joined into as few and as even pieces as fit, cut at clauses rather than words."""
    sums = [0, *accumulate(tokens for _, _, tokens in atoms)]
    kinds = [atom.kind for _, atom, _ in atoms]
    pieces: list[_Unit] = []
    first = 0
    while first < len(atoms):
        left = sums[-1] - sums[first]
        target = left / -(-left // budget) if left else 1
        most = max(first + 1, bisect_right(sums, sums[first] + budget) - 1)
        last = len(atoms) if left <= budget else _best_cut(sums, kinds, first, most, sums[first] + target)
        opening = atoms[first][1]
        size = sums[last] - sums[first]
        pieces.append(_Unit(opening.start, atoms[last - 1][1].end, size, opening.kind, opening.section))
        first = last
    return pieces


def _best_cut(sums: Sequence[int], kinds: Sequence[int], first: int, most: int, target: float) -> int:
    """Where to end a piece: near the target, and at a clause if one is not far."""
    size = max(1.0, target - sums[first])
    least = max(first + 1, bisect_right(sums, sums[first] + size / 2))
    candidates = range(min(least, most), min(most, len(kinds) - 1) + 1)
    return min(candidates, key=lambda cut: abs(sums[cut] - target) / size + _PENALTY[kinds[cut]], default=most)


def _groups(units: Sequence[_Unit], budget: int, tiny: float) -> Iterator[list[_Unit]]:
    """Runs of units that passages may not leave: sections, those under `tiny` tokens joined to a neighbour."""
    groups: list[list[_Unit]] = []
    tokens = 0
    for unit in units:
        if not groups or (unit.section and tokens >= tiny):
            groups.append([])
            tokens = 0
        _append(groups[-1], unit, budget // _CRUMB)
        tokens += unit.tokens
    if len(groups) > 1 and tokens < tiny:
        last = groups.pop()
        groups[-1] += last
    yield from groups


def _append(group: list[_Unit], unit: _Unit, crumb: int) -> None:
    if group and not unit.section:
        last = group[-1]
        tokens = last.tokens + unit.tokens
        if tokens <= (crumb // 2 if unit.kind == PARAGRAPH else crumb):
            group[-1] = last._replace(end=unit.end, tokens=tokens)
            return
    group.append(unit)


def _packed(text: str, units: Sequence[_Unit], budget: int) -> Iterator[Span]:
    """The passages of a run with the least waste: full, even, and cut at paragraphs where that costs little."""
    if sum(unit.tokens for unit in units) <= budget:
        yield from _trimmed(text, units[0].start, units[-1].end)
        return
    costs, cuts = [0.0], [0]
    for last in range(1, len(units) + 1):
        tokens, best, cut = 0, float("inf"), last - 1
        for first in range(last - 1, -1, -1):
            tokens += units[first].tokens
            if tokens > budget and first < last - 1:
                break
            slack = max(0, budget - tokens) / budget
            cost = costs[first] + slack * slack + (_PENALTY[units[first].kind] if first else 0.0)
            if cost < best:
                best, cut = cost, first
        costs.append(best)
        cuts.append(cut)
    edges = [len(units)]
    while edges[-1]:
        edges.append(cuts[edges[-1]])
    for last, first in zip(edges[-2::-1], edges[:0:-1], strict=True):
        yield from _trimmed(text, units[first].start, units[last - 1].end)
