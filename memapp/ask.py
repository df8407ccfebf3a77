"""The story of answering: search, prompt, generate, cite, judge."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from memapp.answer import cite, confidence, prompt, quote
from memapp.protocols import Engine
from memapp.search import Clock, Recall, search
from memapp.types import (
    Answer,
    Done,
    Event,
    Finish,
    Piece,
    Recalled,
    Sampling,
    SearchResult,
    Token,
    Tokens,
    Turn,
)

_TURNS = 3
"""Earlier turns that the model sees, if they fit."""


def stream(
    recall: Recall,
    engine: Engine,
    question: str,
    k: int,
    history: Sequence[Turn] = (),
    cancel: threading.Event | None = None,
) -> Iterator[Event]:
    """Recalled, Tokens, Citations and Done, as they come about. Setting `cancel` ends it with what there is."""
    found = search(recall, question, k, history)
    yield Recalled(found.hits, found.question)
    if not found.hits:
        yield Token(confidence.NOTHING)
        yield Done(Answer(question, confidence.NOTHING, abstained=True, timing_ms=found.timing_ms))
        return
    clock = Clock()
    settings = recall.settings
    read = prompt.worth_reading(found.hits, settings.focus)
    room = engine.context_tokens - settings.answer_tokens
    made = prompt.build(question, read, list(history)[-_TURNS:], room, engine.count)
    # A small model has said what it has to say in its first paragraph.
    stop = () if settings.trust_model else ("\n\n",)
    sampling = Sampling(settings.answer_tokens, settings.temperature, settings.top_p, stop=stop)
    clock.lap("prompt")
    draft = _Draft(question)
    pieces = engine.stream(made.messages, sampling, cancel)
    for piece in pieces:
        if isinstance(piece, Finish):
            draft.finish = piece
            break
        if not draft.tokens:
            clock.lap("first token")
        yield Token(piece.text)
        if draft.repeats(piece):
            break
    clock.lap("generate")
    answer = _judged(recall, found, draft, made)
    clock.lap("cite")
    yield from answer.citations
    timing = {**found.timing_ms, **clock.ms, "search": found.timing_ms["total"]}
    timing["total"] = found.timing_ms["total"] + clock.total()["total"]
    finish = draft.finish or Finish("stop", engine.count(made.messages), draft.tokens)
    tokens = Tokens(finish.prompt_tokens, finish.generated_tokens, engine.context_tokens)
    yield Done(replace(answer, tokens=tokens, timing_ms=timing, finish=finish.reason))


class _Draft:
    """What the model has written so far."""

    def __init__(self, question: str) -> None:
        self.question = question
        self.text = ""
        self.logprob = 0.0
        self.tokens = 0
        self.finish: Finish | None = None

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


def _judged(recall: Recall, found: SearchResult, draft: _Draft, made: prompt.Prompt) -> Answer:
    """The model's answer if the passages bear it out, else the sentence that fits best, else the abstention."""
    embed = recall.embedder.embed
    asked = embed([draft.question, found.question]).sum(axis=0)
    quoted = quote.best(draft.question, asked / max(float(asked @ asked) ** 0.5, 1e-9), found.hits, embed)
    cited = cite.cite(draft.text, draft.question, made.used)
    stopped = draft.finish is not None and draft.finish.reason == "cancelled"
    unread = tuple(hit.rank for hit in found.hits if hit.rank not in {one.rank for one in made.used})
    answer = Answer(draft.question, cited.text, cited.citations, hits=found.hits, dropped=unread)
    if stopped:
        return answer
    if quoted is None or quoted.fit < confidence.ABSTAIN_BELOW:
        return replace(answer, text=confidence.NOTHING, citations=(), abstained=True)
    if confidence.stands(cited, quoted.citation, recall.settings.trust_model):
        sure = confidence.of_text(quoted.fit, cited.support, draft.logprob, draft.tokens)
        return replace(answer, confidence=sure)
    words = " ".join([*quoted.citation.text.split(), f"[{quoted.citation.n}]"])
    return replace(answer, text=words, citations=(quoted.citation,), confidence=confidence.of_quote(quoted.fit))
