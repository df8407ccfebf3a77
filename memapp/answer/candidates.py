"""Which of a reader's likely answers the passages bear out best.

A small reader knows what kind of thing is asked for, but takes it from the wrong sentence: among its eight likeliest
answers a right one is found far more often than it is the first. So each is weighed also by how near the question's
words stand to it (term proximity; Tao and Zhai, 2007), by how many of them its sentence shares, by whether it only
repeats them, and by how likely a span reader, another model that read the passage, holds it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from memapp.answer import cite, kind, pointing, reading, speakers
from memapp.answer.pointing import Point
from memapp.types import Hit, Piece

NEAR, SHARED, REPEATS, UNFOUND, UNFIT = 6.0, 4.0, -2.0, -1.5, -4.0
"""What is added to the log-probability of an answer, in nats: for how near the question's words stand, for the share of
them in the sentence, for the share of the answer's own words that the question has, for standing in no sentence, and
for being no answer of the kind that is asked for (`kind.unfit`). Chosen by the F1 of what is preferred; bench/LOG.md
has what each gives, set by set."""
NOTHING, LACKING, TEMPERATURE = 2.0, 4.0, 2.0
"""What is added to the log-probability that nothing tells, always and for the share of the question's words that the
passage of the answer lacks; and what all scores are divided by to become a confidence."""
POINTED, LEAST = 0.5, -12.0
"""How much the span reader's log-probability of an answer in its passage counts, and what that is at least, in nats."""
SURE = 0.5
"""How much of that counts for the confidence, as does what it holds of the passage telling nothing: it is surer of what
it points at than of its being told."""
BEHIND = 3.0
"""Nats by which a further answer may score less than the best one, where several are asked for."""
REACH = 8.0
"""Words over which nearness falls to a third."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer that is best borne out."""

    cited: cite.Cited
    """With the sentence that says it; empty and without citations where the reader knows none."""
    confidence: float
    """In [0, 1]: among its likely answers, and that nothing tells."""

    def stands(self, bound: float) -> bool:
        """Whether it can be given: something that was read says it, and its confidence is not below the bound."""
        return bool(self.cited.citations) and self.confidence >= bound


@dataclass(frozen=True, slots=True)
class Candidate:
    """A likely answer."""

    text: str
    """Empty where the reader says that no passage tells."""
    logprob: float
    """Of all ways in which it was written, in nats."""
    sentence: cite.Sentence | None
    """The sentence that says it; None where none does."""
    score: float
    pointed: float = 0.0
    """What of the score is the span reader's."""
    untold: float = 0.0
    """What the span reader holds of its passage telling nothing, on the same scale."""


def chosen(
    question: str,
    beams: Sequence[Piece],
    hits: Sequence[Hit],
    numbered: Callable[[int], Hit | None],
    point: Point | None = None,
) -> Choice:
    """The best of what was written, however likely it is that nothing tells: that counts for its confidence."""
    found = weighed(question, beams, hits, numbered, point)
    best = next((one for one in found if one.text), None)
    if best is None:
        return Choice(cite.Cited("", (), 0.0), 0.0)
    if best.sentence is None:
        cited = cite.cite(best.text, question, hits)
    else:
        told = _several(question, found, hits) if kind.several(question) else [(best.text, best.sentence)]
        cited = cite.listed([(kind.whole_day(question, text, sentence.text), sentence) for text, sentence in told])
    return Choice(cited, round(_confidence(best, found, set(cite.words(question))) * cited.support, 4))


def _several(question: str, found: Sequence[Candidate], hits: Sequence[Hit]) -> list[tuple[str, cite.Sentence]]:
    """The best answer and those of other sentences that are not far behind it; of answers that overlap, the longest."""
    name = speakers.asked_about(question, hits)
    told: list[tuple[str, cite.Sentence]] = []
    for one in found:
        if not one.text or one.sentence is None or one.score < found[0].score - BEHIND:
            continue
        if any((one.sentence.hit, one.sentence.start) == (other.hit, other.start) for _, other in told):
            continue
        if told and name and speakers.of_another(name, cite.citation(one.sentence), one.sentence.hit.passage):
            continue
        words = set(cite.words(one.text))
        same = next((n for n, (text, _) in enumerate(told) if _overlap(words, set(cite.words(text)))), None)
        if same is None:
            told.append((one.text, one.sentence))
        elif len(words) > len(set(cite.words(told[same][0]))):
            told[same] = (one.text, one.sentence)
    return told


def _overlap(one: set[str], other: set[str]) -> bool:
    return one <= other or other <= one


def _confidence(best: Candidate, found: Sequence[Candidate], asked: set[str]) -> float:
    passage = best.sentence.hit.passage if best.sentence else None
    lacking = 1 - _share(asked, set(cite.words(f"{passage.title}\n{passage.text}"))) if passage else 1.0
    nothing = _untold(found) + NOTHING + LACKING * lacking + SURE * best.untold
    scores = [_sure(one) for one in found if one.text]
    return 1 / sum(math.exp((score - _sure(best)) / TEMPERATURE) for score in [*scores, nothing])


def _sure(one: Candidate) -> float:
    return one.score - (1 - SURE) * one.pointed


def _untold(found: Sequence[Candidate]) -> float:
    """The log-probability that nothing tells; where it is not among the likely ones, the most that it can be."""
    listed = [one.logprob for one in found if not one.text]
    rest = 1 - sum(math.exp(one.logprob) for one in found)
    return listed[0] if listed else min(math.log(max(rest, 1e-9)), *(one.logprob for one in found))


def weighed(
    question: str,
    beams: Sequence[Piece],
    hits: Sequence[Hit],
    numbered: Callable[[int], Hit | None],
    point: Point | None = None,
) -> list[Candidate]:
    """The answers that were written as `beams`, best first, and last that nothing tells. `numbered` gives the passage
    that a number names, `point` what a span reader makes of passages; without it they are weighed without it."""
    asked = _Asked(set(cite.words(question)), "or" in cite.tokens(question), kind.unfit(question))
    read = cite.sentences_of(hits)
    found: dict[str, tuple[str, float, list[Hit]]] = {}
    for beam in beams:
        told = reading.written(beam.text)
        text = "" if told.number == 0 else told.text
        before = found.get(text.casefold(), (text, -math.inf, []))
        named = numbered(told.number)
        found[text.casefold()] = (before[0], _added(before[1], beam.logprob), before[2] + ([named] if named else []))
    every = [_candidate(text, logprob, asked, named, read) for text, logprob, named in found.values()]
    every = _pointed(question, every, point) if point else every
    return sorted(every, key=lambda one: (not one.text, -one.score))


def _pointed(question: str, found: Sequence[Candidate], point: Point) -> list[Candidate]:
    """The candidates, each with what the span reader makes of it in the passage of its sentence."""
    hits = {one.sentence.hit.rank: one.sentence.hit for one in found if one.sentence}
    shown = {rank: reading.shown(hit.passage) for rank, hit in hits.items()}
    spans = dict(zip(shown, point(question, list(shown.values())), strict=True)) if shown else {}
    made = []
    for one in found:
        likely, untold = LEAST, 0.0
        if one.sentence:
            rank = one.sentence.hit.rank
            likely = max(likely, pointing.logprob(spans[rank], shown[rank], one.text))
            untold = POINTED * max(LEAST, spans[rank].nothing)
        pointed = POINTED * likely
        made.append(replace(one, score=one.score + pointed, pointed=pointed, untold=untold) if one.text else one)
    return made


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of the question counts."""

    words: set[str]
    choice: bool
    """Whether it offers answers."""
    unfit: re.Pattern[str] | None
    """What cannot answer it."""


def _candidate(
    text: str, logprob: float, asked: _Asked, named: Sequence[Hit], read: Sequence[cite.Sentence]
) -> Candidate:
    if not text:
        return Candidate(text, logprob, None, logprob)
    bearing = cite.bearing(text, read)
    places = [one for one in bearing if one.hit in named] or bearing
    said, own = cite.tokens(text), cite.words(text)
    # What is offered for a choice is bound to be repeated.
    score = logprob + (0.0 if asked.choice else REPEATS * _share(own, asked.words))
    score += UNFIT if asked.unfit and asked.unfit.fullmatch(text) else 0.0
    fits = [_fit(said, asked.words, one) for one in places]
    if not fits:
        return Candidate(text, logprob, None, score + UNFOUND)
    best = max(range(len(fits)), key=fits.__getitem__)
    return Candidate(text, logprob, places[best], score + fits[best])


def _fit(said: Sequence[str], asked: set[str], place: cite.Sentence) -> float:
    return NEAR * near(said, asked, cite.tokens(place.text)) + SHARED * _share(asked, place.words)


def _share(words: Collection[str], others: Collection[str]) -> float:
    """Of some words, how many are among others."""
    return sum(word in others for word in words) / len(words) if words else 0.0


def near(said: Sequence[str], asked: Iterable[str], sentence: Sequence[str]) -> float:
    """How near the words that are `asked` for stand to what is `said` in a sentence, from 0 to 1, at its best place.

    All are folded, and those asked for are stemmed. What is said but does not stand there stands before it.
    """
    wanted = set(asked)
    stems = [cite.stem(word) for word in sentence]
    places = [n for n in range(len(stems) - len(said) + 1) if sentence[n : n + len(said)] == said] or [-len(said)]
    best = 0.0
    for start in places:
        end = start + len(said)
        far: dict[str, int] = {}
        for n, word in enumerate(stems):
            if word in wanted and not start <= n < end:
                distance = start - n if n < start else n - end + 1
                far[word] = min(distance, far.get(word, distance))
        best = max(best, sum(math.exp(-distance / REACH) for distance in far.values()))
    return best / len(wanted) if wanted else 0.0


def _added(one: float, other: float) -> float:
    """The logarithm of the sum of two probabilities."""
    top = max(one, other)
    return top if top == -math.inf else top + math.log(math.exp(one - top) + math.exp(other - top))
