"""The commands that ask memory: search, ask, batch, chat."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memapp.cli import output
from memapp.cli.options import (
    INTERRUPTED,
    Json,
    K,
    Layers,
    Mode,
    Options,
    interruptible,
    layer_names,
    memory_of,
    open_memory,
    options,
)
from memapp.cli.parametric import tell_influence
from memapp.cli.progress import bar
from memapp.errors import UsageError
from memapp.types import Answer, Citation, Done, Event, Hit, Hop, Passage, Recalled, Token

if TYPE_CHECKING:
    from memapp.memory import Memory

_NEAREST = 120
"""Characters of a passage that is shown because there is no answer."""
_UNSURE = "Not sure: this may well be wrong."

Question = Annotated[str, typer.Argument(metavar="QUESTION", help="What to look for, in your own words.")]


def search(
    context: typer.Context,
    question: Question,
    k: K = None,
    layers: Layers = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show each layer's part in each passage.")] = False,
    as_json: Json = False,
) -> None:
    """Find the passages that fit a question."""
    with memory_of(context) as memory:
        result = memory.search(question, k, layers=layer_names(layers))
        if as_json:
            from memapp.records import search_record

            output.out_json(search_record(result))
            return
        for hit in result.hits:
            _print_hit(hit, question, explain)
        given = options(context)
        if not result.hits:
            given.note(_nothing(memory))
            return
    if result.clues:
        given.note(f"Searched for besides: {'; '.join(map(output.one_line, result.clues))}")
    parts = output.milliseconds(result.timing_ms)
    total = result.timing_ms.get("total", 0.0)
    given.note(f"{output.plural(len(result.hits), 'passage')} in {total:.0f} ms" + (f" ({parts})" if parts else ""))


def ask(
    context: typer.Context,
    question: Question,
    k: K = None,
    layers: Layers = None,
    memory: Mode = None,
    as_json: Json = False,
) -> None:
    """Answer a question from memory, with its sources."""
    given = options(context)
    with memory_of(context, parametric=memory) as opened, interruptible() as cancel:
        events = opened.stream(question, k, layers=layer_names(layers), cancel=cancel)
        answer = _drain(events) if as_json else _print_stream(events, given)
        if not answer.hits:
            given.note(_nothing(opened))
    if as_json:
        from memapp.records import answer_record

        output.out_json(answer_record(answer))
    else:
        _print_evidence(answer, given)
    if answer.finish == "cancelled":
        given.note("Interrupted; the answer above is as far as it came.")
        raise typer.Exit(INTERRUPTED)


def summarize(
    context: typer.Context,
    query: Annotated[str, typer.Argument(metavar="[QUERY]", help="What about; all that is remembered without.")] = "",
    points: Annotated[int, typer.Option("--points", "-n", min=1, metavar="N", help="Key points at most.")] = 7,
    as_json: Json = False,
) -> None:
    """Say in key points what is remembered, or what is remembered about something; each with its source."""
    given = options(context)
    with memory_of(context) as memory:
        summary = memory.summarize(query, points)
        if as_json:
            from memapp.records import summary_record

            output.out_json(summary_record(summary))
            return
        for point in summary.points:
            output.out(output.paragraph(f"{output.one_line(point.citation.text)} [{point.citation.n}]", indent=0))
        for point in summary.points:
            _print_source(point.citation)
        if not summary.points:
            given.note(_nothing(memory))
            return
    given.note(f"of {output.plural(summary.passages, 'passage')}, in {summary.ms:.0f} ms")


def batch(
    context: typer.Context,
    questions: Annotated[Path, typer.Argument(metavar="QUESTIONS.jsonl", help='Lines of {"id", "question"}.')],
    out: Annotated[Path, typer.Option("--out", metavar="ANSWERS.jsonl", help="Where the records go, in order.")],
    k: K = None,
    layers: Layers = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what an earlier run wrote.")] = False,
    search_only: Annotated[bool, typer.Option("--search-only", help="Recall passages, write no answers.")] = False,
    as_json: Json = False,
) -> None:
    """Answer a file of questions, one record each."""
    given = options(context)
    names = layer_names(layers)
    with memory_of(context) as memory, interruptible() as cancel, bar(given) as progress:
        report = memory.batch(
            questions, out, k=k, layers=names, resume=resume, search_only=search_only, progress=progress, cancel=cancel
        )
    for failure in _failures(out, report.skipped) if report.failed else ():
        output.err(failure)
    if as_json:
        output.out_json(report)
    skipped = f", {report.skipped:,} were there already" if report.skipped else ""
    answered = report.done - report.failed
    given.note(f"{answered:,} answered, {report.failed:,} failed{skipped}; in {output.one_line(str(out))}.")
    if report.interrupted:
        given.note("Interrupted; what is written stays. The same command with --resume goes on.")
        raise typer.Exit(INTERRUPTED)
    if report.failed:
        raise typer.Exit(1)


def chat(
    context: typer.Context,
    session: Annotated[str, typer.Option("--session", metavar="NAME", help="Open or start this session.")] = "",
) -> None:
    """Talk with memory in the terminal."""
    from memapp import tui

    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise UsageError("The chat needs a terminal.", "In scripts, use `memapp ask` or `memapp batch`.")
    # opened behind the first screen, which is there at once
    tui.run(lambda: open_memory(context, create=True), session=session)


def place(passage: Passage | Citation) -> str:
    """Where a passage stands: source and page, as far as known."""
    parts = [output.one_line(passage.source)] if passage.source else []
    if passage.page is not None:
        parts.append(f"p. {passage.page}")
    return ", ".join(parts)


def _print_hit(hit: Hit, question: str, explain: bool) -> None:
    title = output.one_line(hit.passage.title) or hit.passage.document
    where = place(hit.passage)
    output.out(f"{hit.rank:>2}  {hit.score:.3f}  {title}" + (f"  ({where})" if where else ""))
    text = output.paragraph(output.snippet(hit.passage.text, question), indent=4)
    output.out(output.emphasised(text, question) if output.colourful() else text)
    if hit.standing:
        output.out(f"    ({output.one_line(hit.standing)})")
    if explain:
        _print_way(hit)


def _print_way(hit: Hit) -> None:
    """Each layer's part in a hit, and below it the way that it took."""
    for share in hit.shares:
        output.out(f"    - {share.layer}: rank {share.rank}, score {share.score:.4f}")
        if share.why and not (share.layer == "graph" and hit.path):
            output.out(output.paragraph(output.one_line(share.why), indent=6))
    named = [f"“{output.one_line(step.phrase)}”" for step in hit.path if not step.source]
    if named:
        output.out(output.paragraph(f"named in the question: {', '.join(named)}", indent=6))
    for step in hit.path:
        if step.source:
            way = f"from “{output.one_line(step.source)}” through “{output.one_line(step.phrase)}”"
            output.out(output.paragraph(way, indent=6))


def _nothing(memory: Memory) -> str:
    if memory.documents(limit=1):
        return "Nothing found."
    return "Memory is empty. Feed it with: memapp ingest PATH"


def _drain(events: Iterator[Event]) -> Answer:
    for event in events:
        if isinstance(event, Done):
            return event.answer
    raise RuntimeError("the stream of an answer ended without Done")


def _print_stream(events: Iterator[Event], given: Options) -> Answer:
    """Prints the answer and returns it whole; on a terminal also the model's draft, dimmed, as it comes."""
    waiting = _Waiting(given)
    live = sys.stdout is not None and sys.stdout.isatty()
    draft = ""
    waiting.show("Recalling ...")
    try:
        for event in events:
            match event:
                case Recalled(hits=hits):
                    waiting.show(f"Reading {output.plural(len(hits), 'passage')} ...")
                case Hop():
                    waiting.show(f"{_hop(event)} ...")
                case Token(text=text) if live:
                    waiting.clear()
                    draft += text
                    output.out(output.dimmed(output.plain(text)), end=False)
                case Done(answer=answer):
                    waiting.clear()
                    if draft:
                        output.out(_after(draft), end=False)
                    output.out(output.plain(answer.text))
                    return answer
    finally:
        waiting.clear()
    raise RuntimeError("the stream of an answer ended without Done")


def _hop(hop: Hop) -> str:
    """A question that was asked instead, and its answer."""
    return f"{output.one_line(hop.question)} {output.one_line(hop.text) or 'Not in memory.'}"


def _after(draft: str) -> str:
    """What takes a draft off the terminal where it is on one line, else ends its paragraph."""
    one_line = "\n" not in draft and 2 * len(draft) < shutil.get_terminal_size().columns
    return "\r\x1b[K" if one_line else "\n\n"


class _Waiting:
    """One line on a terminal's standard error that says what is waited for, until the answer begins."""

    def __init__(self, given: Options) -> None:
        self._on = not given.quiet and sys.stderr is not None and sys.stderr.isatty()
        self._shown = False

    def show(self, text: str) -> None:
        if self._on:
            output.err(f"\r\x1b[K{text}", end=False)
            self._shown = True

    def clear(self) -> None:
        if self._shown:
            output.err("\r\x1b[K", end=False)
            self._shown = False


def _print_source(citation: Citation) -> None:
    where = place(citation)
    title = output.one_line(citation.title) or citation.document
    output.out(f"[{citation.n}] {title}" + (f" ({where})" if where else ""))


def _print_evidence(answer: Answer, given: Options) -> None:
    if answer.unsure:
        output.out(_UNSURE)
    for citation in answer.citations:
        _print_source(citation)
        output.out(output.paragraph(output.one_line(citation.text), indent=4))
    for hop in answer.hops:
        given.note(_hop(hop))
    if answer.abstained and answer.hits:
        given.note("Nearest passages:")
        for hit in answer.hits:
            given.note(f"  {output.one_line(hit.passage.title) or hit.passage.document}")
            given.note(output.paragraph(output.snippet(hit.passage.text, answer.question, _NEAREST), indent=4))
    if answer.dropped:
        given.note(f"Not read by the model: passages {', '.join(map(str, answer.dropped))}.")
    if answer.reminded:
        given.note(f"Read as soft tokens besides: {output.plural(len(answer.reminded), 'passage')}.")
    if answer.finish == "length":
        given.note("The answer reached its longest length; the setting answer_tokens allows more.")
    tell_influence(given, answer.influence)
    tokens = answer.tokens
    given.note(
        f"confidence {answer.confidence:.2f}; {tokens.prompt} + {tokens.generated} of {tokens.context} tokens; "
        f"{answer.timing_ms.get('total', 0.0) / 1000:.1f} s"
    )


def _failures(out: Path, skipped: int) -> Iterator[str]:
    with out.open(encoding="utf-8") as file:
        for line in islice(file, skipped, None):
            answer = json.loads(line)
            if "error" in answer:
                yield f"failed  {output.one_line(str(answer.get('id')))}: {output.one_line(str(answer['error']))}"
