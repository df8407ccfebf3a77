"""The JSON that other programs read: one function a record. Its names never change, they are only added to."""

from __future__ import annotations

from typing import Any

from memapp.types import (
    Answer,
    Budget,
    Citation,
    Completion,
    Hit,
    Hop,
    Influence,
    Passage,
    Reading,
    SearchResult,
    Summary,
)


def search_record(result: SearchResult) -> dict[str, Any]:
    """What `memapp search --json` prints."""
    return {
        "question": result.question,
        "hits": [hit_record(hit) for hit in result.hits],
        "clues": list(result.clues),
        "timing_ms": _rounded(result.timing_ms),
    }


def answer_record(answer: Answer) -> dict[str, Any]:
    """What `memapp ask --json` prints."""
    return {
        "question": answer.question,
        "answer": answer.text,
        "citations": [citation_record(citation) for citation in answer.citations],
        "confidence": round(answer.confidence, 4),
        "abstained": answer.abstained,
        "tokens": {
            "prompt": answer.tokens.prompt,
            "generated": answer.tokens.generated,
            "context": answer.tokens.context,
        },
        "timing_ms": _rounded(answer.timing_ms),
        "hits": [hit_record(hit) for hit in answer.hits],
        "dropped": list(answer.dropped),
        "finish": answer.finish,
        "memory": influence_record(answer.influence),
        "reading": reading_record(answer.reading),
        "reminded": list(answer.reminded),
        "budget": budget_record(answer.budget),
        "hops": [hop_record(hop) for hop in answer.hops],
    }


def hop_record(hop: Hop) -> dict[str, Any]:
    """One of the questions that were asked instead of another."""
    return {
        "question": hop.question,
        "answer": hop.text,
        "citations": [citation_record(citation) for citation in hop.citations],
        "confidence": round(hop.confidence, 4),
    }


def summary_record(summary: Summary) -> dict[str, Any]:
    """What `memapp summarize --json` prints."""
    points = [{"share": round(one.share, 4), **citation_record(one.citation)} for one in summary.points]
    return {"query": summary.query, "points": points, "passages": summary.passages, "ms": round(summary.ms, 3)}


def reading_record(reading: Reading | None) -> dict[str, Any] | None:
    """How the prompt was read, in tokens and milliseconds; None where nothing was."""
    if reading is None:
        return None
    tokens = {name: getattr(reading, name) for name in ("held", "text", "restored", "prefilled", "soft")}
    return {"kind": reading.kind, "tokens": tokens, "ms": _rounded(reading.ms), "note": reading.note}


def budget_record(budget: Budget | None) -> dict[str, int] | None:
    """What the prompt's room went to, in tokens; None where there was no prompt."""
    if budget is None:
        return None
    names = ("room", "question", "history", "passages", "soft", "left", "turns_left_out")
    return {name: getattr(budget, name) for name in names}


def influence_record(influence: Influence | None) -> dict[str, Any] | None:
    """What the parametric memory did to an answer; None when it was off or had nothing to say."""
    if influence is None:
        return None
    return {
        "mode": influence.memory,
        "tokens": influence.tokens,
        "changed": influence.changed,
        "sources": [
            {"document": one.document, "title": one.title, "passage": one.passage, "tokens": one.tokens}
            for one in influence.sources
        ],
    }


def completion_record(begun: str, made: Completion) -> dict[str, Any]:
    """What `memapp complete --json` prints."""
    return {
        "text": begun,
        "completion": made.text,
        "tokens": {"prompt": made.tokens.prompt, "generated": made.tokens.generated, "context": made.tokens.context},
        "finish": made.finish,
        "memory": influence_record(made.influence),
    }


def hit_record(hit: Hit) -> dict[str, Any]:
    """One hit of a search."""
    passage = hit.passage
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "document": passage.document,
        "title": passage.title,
        "text": passage.text,
        "layers": list(hit.layers),
        "why": hit.why,
        "path": [{"phrase": step.phrase, "from": step.source or None, "passage": step.passage} for step in hit.path],
        "shares": [{"layer": share.layer, "rank": share.rank, "score": round(share.score, 6)} for share in hit.shares],
        "source": passage.source,
        "page": passage.page,
        "start": passage.start,
        "end": passage.end,
        "passage": passage.id,
        "metadata": dict(passage.metadata),
        "said": _said(passage),
        "standing": hit.standing or None,
        "outdated": hit.outdated,
    }


def _said(passage: Passage) -> dict[str, Any] | None:
    """Who said a turn of a conversation, in which session, and when; None for any other passage."""
    said = passage.said
    return {"speaker": said.speaker, "session": said.session, "time": said.time} if said else None


def citation_record(citation: Citation) -> dict[str, Any]:
    """One citation of an answer."""
    return {
        "n": citation.n,
        "document": citation.document,
        "title": citation.title,
        "text": citation.text,
        "start": citation.start,
        "end": citation.end,
        "source": citation.source,
        "page": citation.page,
    }


def _rounded(timing: Any) -> dict[str, float]:
    return {stage: round(ms, 3) for stage, ms in timing.items()}
