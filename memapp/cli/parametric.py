"""The commands of the parametric memory: train it, and write with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memapp.cli import output
from memapp.cli.options import INTERRUPTED, Json, Mode, Options, interruptible, memory_of, options
from memapp.cli.progress import bar
from memapp.errors import ModelError, UsageError
from memapp.types import Influence, LearnReport, ReadReport


def train(
    context: typer.Context,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0, metavar="M", help="Read for so long; learn when all is read.")
    ] = None,
    network: Annotated[
        bool, typer.Option("--network/--no-network", help="Whether a network learns what was read, too.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Have the chat model read all that is remembered, token by token, and a network learn it; resumable."""
    given = options(context)
    seconds = None if minutes is None else minutes * 60
    with memory_of(context) as memory, interruptible() as cancel, bar(given) as progress:
        read, learned = memory.consolidate(network=network, seconds=seconds, progress=progress, cancel=cancel)
        on = memory.settings.parametric
    if as_json:
        output.out_json({"read": read, "learned": learned})
    _tell(given, read, learned)
    if read.interrupted or (learned is not None and learned.interrupted):
        given.note("Interrupted; the same command goes on where this one ended.")
        raise typer.Exit(INTERRUPTED)
    if on == "off":
        given.note("Answers do not use it: the setting `parametric` is off. See `memapp complete --memory both`.")


def train_amortized(
    context: typer.Context,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, metavar="M", help="Encode for so long.")] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="Train the encoder itself, from this data; needs torch."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make soft tokens of every passage that has none; resumable.

    With --data, train what makes them instead, for the default model or another one (--model FILE.gguf); further
    options are then the training's own, see `python -m memapp.train.amortized --help`.
    """
    if data is not None:
        raise typer.Exit(_encoder_trained(["--data", str(data), *context.args]))
    if context.args:
        raise UsageError(f"{context.args[0]} goes with --data only.", "Name the data to train the encoder from.")
    given = options(context)
    seconds = None if minutes is None else minutes * 60
    with memory_of(context) as memory, interruptible() as cancel, bar(given) as progress:
        report = memory.encode(seconds=seconds, progress=progress, cancel=cancel)
        on = memory.settings.bank
    if as_json:
        output.out_json(report)
    given.note(f"{output.plural(report.made, 'passage')} encoded in {report.seconds:.1f} s; {report.remaining:,} left.")
    if report.interrupted:
        given.note("Interrupted; the same command goes on where this one ended.")
        raise typer.Exit(INTERRUPTED)
    if on <= 0:
        given.note("Answers do not use them: the setting `bank` is 0.")


def _encoder_trained(arguments: list[str]) -> int:
    try:
        from memapp.train.amortized.__main__ import main
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModelError("Training an encoder needs torch.", "Install it: pip install torch.") from error
    return main(arguments)


def complete(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The beginning of a text.")],
    tokens: Annotated[int | None, typer.Option("--tokens", "-n", min=1, metavar="N", help="Write so many.")] = None,
    memory: Mode = None,
    as_json: Json = False,
) -> None:
    """Go on with a text as the model and its parametric memory would."""
    given = options(context)
    with memory_of(context, parametric=memory) as opened, interruptible() as cancel:
        made = opened.complete(text, tokens=tokens, cancel=cancel)
    if as_json:
        from memapp.records import completion_record

        output.out_json(completion_record(text, made))
    else:
        output.out(output.plain(made.text))
        tell_influence(given, made.influence)
    if made.finish == "cancelled":
        raise typer.Exit(INTERRUPTED)


def tell_influence(given: Options, influence: Influence | None) -> None:
    """One line on what the parametric memory did, and one for each of the passages it mostly took from."""
    if influence is None:
        return
    given.note(f"memory ({influence.memory}) changed {influence.changed} of {influence.tokens} tokens")
    for source in influence.sources[:3]:
        name = output.one_line(source.title) or source.document
        given.note(f"  {output.plural(source.tokens, 'token')} as in {name}, passage {source.passage}")


def _tell(given: Options, read: ReadReport, learned: LearnReport | None) -> None:
    if read.read:
        rate = read.tokens / max(read.seconds, 1e-9)
        given.note(
            f"{output.plural(read.read, 'passage')} read, {output.plural(read.tokens, 'token')} "
            f"in {read.seconds:.1f} s ({rate:,.0f} a second); {read.remaining:,} left."
        )
    if learned is not None and not learned.interrupted:
        given.note(
            f"Network trained on {output.plural(learned.tokens, 'token')} in {learned.seconds:.1f} s; "
            f"perplexity {learned.held_out:.1f} on the part that was held out, among the words of the corpus."
        )
