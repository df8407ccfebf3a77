"""The story of answering: search, prompt, generate, cite, judge."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memapp import complete, multihop, withhold
from memapp.answer import candidates, cite, confidence, decompose, order, prompt, quote, reading
from memapp.answer.plan import Plan
from memapp.answer.pointing import Point
from memapp.errors import UsageError
from memapp.protocols import Engine, SetEngine, SoftEngine, StateStore, Taught
from memapp.recall import changed
from memapp.search import Clock, Recall, search
from memapp.settings import Settings
from memapp.store import content
from memapp.types import (
    Answer,
    Beam,
    Done,
    Event,
    Finish,
    Hit,
    Hop,
    Piece,
    Recalled,
    Sampling,
    SearchResult,
    SoftPrompt,
    Token,
    Tokens,
    Turn,
    Vectors,
)

if TYPE_CHECKING:
    from memapp.layers.parametric.mixture import Mixture

SEQUENTIAL, SET, APART = READINGS = ("sequential", "set", "apart")
"""How passages can be read."""
OPENING = "Passages:\n\n"
"""Comes before soft tokens, as when they were learned."""
_AROUND = 16
"""Tokens that it may take."""

Remind = Callable[[Vectors, int, Collection[int]], Sequence[tuple[int, Vectors]]]
"""A question's vector, a number and the passages that are read otherwise, to that many others as soft tokens."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What takes part in an answer beside the passages that are found."""

    bias: Mixture | None = None
    """The parametric memory."""
    states: StateStore | None = None
    """Where what the model makes of passages that are read apart is kept."""
    remind: Remind | None = None
    """The bank of soft tokens."""
    point: Point | None = None
    """The span reader, for weighing what the reader writes."""


def stream(
    recall: Recall,
    engine: Engine,
    question: str,
    k: int,
    history: Sequence[Turn] = (),
    cancel: threading.Event | None = None,
    beside: Beside | None = None,
) -> Iterator[Event]:
    """Recalled, Hops, Tokens, Citations and Done, as they come about. Setting `cancel` ends it with what there is."""
    beside = beside or Beside()
    found = search(recall, question, k, history)
    yield Recalled(found.hits, found.question)
    if not found.hits:
        yield Token(confidence.NOTHING)
        yield Done(Answer(question, confidence.NOTHING, abstained=True, timing_ms=found.timing_ms))
        return
    plan = _plan(engine, recall.settings, found)
    tried = (
        (yield from _in_hops(plan, recall, engine, question, found, k, cancel, beside)) if plan else multihop.Tried()
    )
    if tried.answer is not None:
        yield Token(tried.answer.text)
        yield from tried.answer.citations
        yield Done(tried.answer)
        return
    yield from _whole(recall, engine, question, found, history, cancel, beside, tried)


def _whole(
    recall: Recall,
    engine: Engine,
    question: str,
    found: SearchResult,
    history: Sequence[Turn],
    cancel: threading.Event | None,
    beside: Beside,
    tried: multihop.Tried,
) -> Iterator[Event]:
    """Tokens, Citations and Done of a question that is asked as it is, as what was `tried` in hops came to nothing."""
    clock = Clock()
    way = _way(engine, recall.settings, question, found.question, beside.point)
    read = prompt.worth_reading(changed.current(found.question, found.hits), recall.settings.focus)
    made, note = prompted(way.engine, recall.settings, way.question, read, history, way.form)
    made, missing = _reminded(recall, way, beside.remind, found, made)
    clock.lap("prompt")
    draft = _Draft(question)
    for piece in written(way.engine, made, way.sampling, cancel, beside.bias, beside.states):
        if isinstance(piece, Finish):
            draft.finish = piece
            break
        if not draft.tokens:
            clock.lap("first token")
        if isinstance(piece, Beam):
            draft.beams.append(piece)
            continue
        yield Token(piece.text)
        if draft.repeats(piece):
            break
    clock.lap("generate")
    answer = way.judged(recall, found, draft, made)
    if not draft.stopped:
        answer = withhold.of_another(recall, found, answer)
        answer = withhold.after_hops(answer, tried, recall.settings.abstain_below)
    if draft.beams:
        yield Token(answer.text)
    clock.lap("cite")
    yield from answer.citations
    finish = draft.finish or Finish("stop", engine.count(made.messages), draft.tokens)
    told = complete.influence(beside.bias, functools.partial(content.passages_by_id, recall.store))
    notes = "; ".join(filter(None, (finish.reading.note or note, missing))) if finish.reading else ""
    how = replace(finish.reading, note=notes) if finish.reading else None
    tokens = Tokens(finish.prompt_tokens, finish.generated_tokens, engine.context_tokens)
    timing = _timing(found, clock)
    answer = replace(answer, tokens=tokens, timing_ms=timing, finish=finish.reason, influence=told, reading=how)
    yield Done(replace(answer, reminded=made.reminded, budget=made.budget))


def ended(events: Iterator[Event]) -> Answer:
    """The answer at the end of a stream."""
    for event in events:
        if isinstance(event, Done):
            return event.answer
    raise RuntimeError("the stream of an answer ended without Done")


def _plan(engine: Engine, settings: Settings, found: SearchResult) -> Plan | None:
    """How the question is answered in several hops; None where it is asked whole."""
    if not settings.hops or reader_of(engine, settings) is None:
        return None
    told = decompose.outright(found.question, [hit.passage.content for hit in found.hits])
    return None if told else decompose.plan(found.question)


def _in_hops(
    plan: Plan,
    recall: Recall,
    engine: Engine,
    question: str,
    found: SearchResult,
    k: int,
    cancel: threading.Event | None,
    beside: Beside,
) -> Generator[Hop, None, multihop.Tried]:
    """Every hop once it is made, and what became of the plan."""
    single = replace(recall, settings=replace(recall.settings, hops=False))

    def one(hop: str) -> Answer:
        return ended(stream(single, engine, hop, k, (), cancel, beside))

    return (yield from multihop.answered(plan, question, one, found.timing_ms, cancel))


@dataclass(frozen=True, slots=True)
class _Way:
    """How a model is asked, and what is made of what it writes."""

    engine: Engine
    question: str
    form: prompt.Form
    sampling: Sampling
    judged: Callable[[Recall, SearchResult, _Draft, prompt.Prompt], Answer]


def _way(engine: Engine, settings: Settings, asked: str, alone: str, point: Point | None) -> _Way:
    """As it was taught, where it was; `alone` is the question as it stands without the turns before it."""
    reader = reader_of(engine, settings)
    if reader is not None:
        return _Way(reader, alone, form_of(reader), reading_sampling(settings), functools.partial(_told, point))
    # A small model has said what it has to say in its first paragraph.
    stop = () if settings.trust_model else ("\n\n",)
    return _Way(engine, asked, form_of(None), complete.sampling(settings, settings.answer_tokens, stop), _judged)


def _timing(found: SearchResult, clock: Clock) -> dict[str, float]:
    searched = found.timing_ms["total"]
    return {**found.timing_ms, **clock.ms, "search": searched, "total": searched + clock.total()["total"]}


def prompted(
    engine: Engine,
    settings: Settings,
    question: str,
    hits: Sequence[Hit],
    history: Sequence[Turn] = (),
    form: prompt.Form | None = None,
) -> tuple[prompt.Prompt, str]:
    """The prompt for these hits, read as the settings say, and why it is not, where it cannot be.

    Raises UsageError for an unknown way of reading, ContextOverflow when the question does not fit.
    """
    if settings.reading not in READINGS:
        raise UsageError(f"There is no reading '{settings.reading}'.", f"Known: {', '.join(READINGS)}.")
    room = engine.context_tokens - settings.answer_tokens
    turns = prompt.recent(history, settings.history_tokens, engine.count)
    note = ""
    if settings.reading != SEQUENTIAL:
        if isinstance(engine, SetEngine) and not (note := engine.reads_apart()):
            spread = settings.reading == APART
            made = prompt.build_set(question, hits, turns, room, engine.count_set, form, spread)
            return _with_turns_left_out(made, len(history) - len(turns)), ""
        note = f"passages are read one after another: {note or 'this engine cannot read them apart'}"
    arrange = functools.partial(order.arranged, order=settings.order, curve=_curve(engine, settings))
    made = prompt.build(question, hits, turns, room, engine.count, form, arrange)
    return _with_turns_left_out(made, len(history) - len(turns)), note


def _curve(engine: Engine, settings: Settings) -> tuple[float, ...]:
    """How well the model reads each place, where that counts and was measured."""
    if settings.order != order.PROFILE:
        return ()
    from memapp.models import profiles

    return profiles.curve(engine.identity)


def _with_turns_left_out(made: prompt.Prompt, turns: int) -> prompt.Prompt:
    """The prompt, with the turns that exceeded `history_tokens` told of."""
    return replace(made, budget=replace(made.budget, turns_left_out=made.budget.turns_left_out + turns))


def _reminded(
    recall: Recall, way: _Way, remind: Remind | None, found: SearchResult, made: prompt.Prompt
) -> tuple[prompt.Prompt, str]:
    """The prompt with what the bank reminds of in the room that is left, and why there is nothing of it."""
    if remind is None or recall.settings.bank <= 0:
        return made, ""
    if made.apart is not None:
        return made, "no soft tokens: passages are read apart"
    if not isinstance(way.engine, SoftEngine):
        return made, "no soft tokens: this engine cannot read them"
    (vector,) = recall.embedder.embed([found.question])
    near = remind(vector, recall.settings.bank, {hit.passage.id for hit in made.used})
    # The most similar are the last, so those before them are left out.
    fitting = [sum(len(soft) for _, soft in near[at:]) + _AROUND <= made.budget.left for at in range(len(near))]
    near = near[fitting.index(True) :] if True in fitting else ()
    if not near:
        return made, "no soft tokens: none were made yet (`memapp train amortized`), or there is no room for them"
    soft = SoftPrompt(made.messages, OPENING, tuple(soft for _, soft in near))
    budget = replace(made.budget, soft=sum(len(each) for each in soft.soft))
    return replace(made, soft=soft, reminded=tuple(id for id, _ in near), budget=budget), ""


def written(
    engine: Engine,
    made: prompt.Prompt,
    sampling: Sampling,
    cancel: threading.Event | None = None,
    bias: Mixture | None = None,
    states: StateStore | None = None,
) -> Iterator[Piece | Finish]:
    """What the model writes after the prompt, its passages one after another or apart as it was made."""
    if made.apart is not None and isinstance(engine, SetEngine):
        return engine.stream_set(made.apart, sampling, cancel, bias, states)
    if made.soft is not None and isinstance(engine, SoftEngine):
        return engine.stream_soft(made.soft, sampling, cancel, bias)
    return engine.stream(made.messages, sampling, cancel, bias)


class _Draft:
    """What the model has written so far."""

    def __init__(self, question: str) -> None:
        self.question = question
        self.text = ""
        self.logprob = 0.0
        self.tokens = 0
        self.finish: Finish | None = None
        self.beams: list[Beam] = []

    @property
    def likely(self) -> Sequence[Piece]:
        """The texts that it may be."""
        return self.beams or [Piece(self.text, self.logprob, self.tokens)]

    @property
    def stopped(self) -> bool:
        """Whether the person did not want more of it."""
        return self.finish is not None and self.finish.reason == "cancelled"

    def repeats(self, piece: Piece) -> bool:
        """Takes in a piece; True once the text begins to say a sentence again, which is then taken off."""
        self.text += piece.text
        self.logprob += piece.logprob
        self.tokens += piece.tokens
        if not piece.text.strip(" ").endswith((".", "!", "?", "\n")):
            return False
        said = [self.text[start:end] for start, end in cite.sentences(self.text)]
        if len(said) < 2 or said[-1] not in said[:-1]:
            return False
        self.text = self.text[: self.text.rindex(said[-1])].rstrip()
        return True


def _unread(found: SearchResult, made: prompt.Prompt) -> tuple[int, ...]:
    """Ranks of the hits that the model did not read."""
    read = {hit.rank for hit in made.used}
    return tuple(hit.rank for hit in found.hits if hit.rank not in read)


def reader_of(engine: Engine, settings: Settings) -> Engine | None:
    """The model as it was taught to read, where it was and is not told to answer in its own way."""
    if settings.trust_model or not settings.reader or not isinstance(engine, Taught):
        return None
    return engine.taught


def reading_sampling(settings: Settings) -> Sampling:
    """How the reader writes: its words are those that the passages have, so they are not to be varied."""
    return Sampling(settings.answer_tokens, stop=("\n",), beams=settings.beams)


def form_of(reader: Engine | None) -> prompt.Form:
    """How a model is asked that was taught to read, or any."""
    return prompt.Plain() if reader is None else reading.Form()


def _told(point: Point | None, recall: Recall, found: SearchResult, draft: _Draft, made: prompt.Prompt) -> Answer:
    """The reader's few words with the sentence that says them, or the abstention."""
    best = candidates.chosen(found.question, draft.likely, made.used, made.numbered, point)
    cited, unread = best.cited, _unread(found, made)
    answer = Answer(draft.question, cited.text, cited.citations, best.confidence, hits=found.hits, dropped=unread)
    if draft.stopped:
        return answer
    return answer if best.stands(recall.settings.abstain_below) else withhold.withheld(answer)


def _judged(recall: Recall, found: SearchResult, draft: _Draft, made: prompt.Prompt) -> Answer:
    """The model's answer if the passages bear it out, else the sentence that fits best, else the abstention."""
    embed = recall.embedder.embed
    asked = embed([draft.question, found.question]).sum(axis=0)
    current = changed.current(found.question, found.hits)
    quoted = quote.best(draft.question, asked / max(float(asked @ asked) ** 0.5, 1e-9), current, embed)
    cited = cite.cite(draft.text, draft.question, made.used)
    answer = Answer(draft.question, cited.text, cited.citations, hits=found.hits, dropped=_unread(found, made))
    if draft.stopped:
        return answer
    if quoted is None or quoted.fit < confidence.ABSTAIN_BELOW:
        return withhold.withheld(answer)
    if confidence.stands(cited, quoted.citation, recall.settings.trust_model):
        sure = confidence.of_text(quoted.fit, cited.support, draft.logprob, draft.tokens)
        return replace(answer, confidence=sure)
    words = " ".join([*quoted.citation.text.split(), f"[{quoted.citation.n}]"])
    return replace(answer, text=words, citations=(quoted.citation,), confidence=confidence.of_quote(quoted.fit))
