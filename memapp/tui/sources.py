"""The pane beside the conversation: the passages that the answer in view rests on, or that a search found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from memapp.tui.text import one_line
from memapp.tui.view import Source

_NAMED = 4
"""Phrases of the question that are listed, each on its line."""


class SourceList(OptionList):
    """The passages, one option each; a digit opens the passage with that number."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("delete,f", "forget", "Forget document"),
        *[Binding(str(n), f"open('{n}')", f"Open {n}", show=False) for n in range(1, 10)],
    ]

    def action_forget(self) -> None:
        """Asks to forget the document of the highlighted passage."""
        if self.highlighted is not None:
            self.post_message(SourcesPane.ForgetWanted(self.highlighted))

    def action_open(self, label: str) -> None:
        """Opens the passage with this number."""
        self.post_message(SourcesPane.NumberWanted(label))


class SourcesPane(Vertical):
    """Shows sources and says which one is to be opened or forgotten."""

    class Opened(Message):
        """A source is to be read in its document."""

        def __init__(self, source: Source) -> None:
            super().__init__()
            self.source = source

    class Unwanted(Message):
        """The document of a source is to be forgotten."""

        def __init__(self, source: Source) -> None:
            super().__init__()
            self.source = source

    class ForgetWanted(Message):
        """The list's own word for a highlighted line."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class NumberWanted(Message):
        """The list's own word for a digit."""

        def __init__(self, label: str) -> None:
            super().__init__()
            self.label = label

    def __init__(self) -> None:
        super().__init__(id="sources")
        self._sources: tuple[Source, ...] = ()
        self._heading = Static("Sources", markup=False, classes="heading")
        self._list = SourceList(markup=False)
        self._way = Static(markup=False, id="way")
        self._empty = Static("The passages behind an answer show here.", markup=False, classes="empty")

    def compose(self) -> ComposeResult:
        yield self._heading
        yield self._empty
        yield self._list
        yield self._way

    def on_mount(self) -> None:
        """Begins empty."""
        self.show((), "Sources")

    def show(self, sources: Sequence[Source], heading: str = "Sources", empty: str = "") -> None:
        """Replaces what is shown."""
        self._sources = tuple(sources)
        self._heading.update(one_line(heading, 80))
        self._empty.update(empty or "The passages behind an answer show here.")
        self._empty.display = not sources
        self._list.display = bool(sources)
        self._list.clear_options()
        self._list.add_options([Option(_prompt(source)) for source in sources])
        if sources:
            self._list.highlighted = 0
        self._show_way()

    def show_answer(self, sources: Sequence[Source], abstained: bool) -> None:
        """Shows what an answer rests on, or the nearest passages when memory held none."""
        self.show(sources, "Nearest passages" if abstained else "Sources", "This answer cites nothing.")

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is shown."""
        return self._sources

    def take_focus(self) -> None:
        """Puts the keyboard into the list."""
        self._list.focus()

    def open_number(self, label: str) -> None:
        """Opens the first source with this number, if there is one."""
        found = next((source for source in self._sources if source.label == label), None)
        if found is not None:
            self.post_message(self.Opened(found))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tells how the highlighted source was found."""
        event.stop()
        self._show_way()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Opens the chosen source."""
        event.stop()
        self.post_message(self.Opened(self._sources[event.option_index]))

    def on_sources_pane_forget_wanted(self, message: ForgetWanted) -> None:
        """Names the source of the line."""
        message.stop()
        self.post_message(self.Unwanted(self._sources[message.index]))

    def on_sources_pane_number_wanted(self, message: NumberWanted) -> None:
        """Opens the source with the number."""
        message.stop()
        self.open_number(message.label)

    def _show_way(self) -> None:
        at = self._list.highlighted
        chosen = self._sources[at] if at is not None and at < len(self._sources) else None
        self._way.display = chosen is not None and bool(chosen.shares)
        self._way.update(_way(chosen) if chosen is not None else "")


def _way(source: Source) -> Content:
    """How a source was found: each layer's part, the phrases that the question names, the steps from other sources."""
    width = max((len(share.layer) for share in source.shares), default=0)
    parts: list[tuple[str, str]] = [("How it was found", "bold")]
    for share in source.shares:
        parts.append((f"\n{one_line(share.layer, 20):<{width}}  #{share.rank:<3} {share.score:8.3f}", "dim"))
        if share.why and not (share.layer == "graph" and source.path):
            parts.append((f"\n  {one_line(share.why, 120)}", "dim"))
    named = [step for step in source.path if not step.source]
    for step in named[:_NAMED]:
        parts.append(("\nnamed ", "dim"))
        parts.append((one_line(step.phrase, 60), "$accent"))
    if len(named) > _NAMED:
        parts.append((f"\n  and {len(named) - _NAMED} more", "dim"))
    for step in source.path:
        if step.source:
            parts += [("\nfrom ", "dim"), (one_line(step.source, 60), ""), (" through ", "dim")]
            parts.append((one_line(step.phrase, 60), "$accent"))
    return Content.assemble(*parts)


def _prompt(source: Source) -> Content:
    why = "  ".join(f"{share.layer} #{share.rank}" for share in source.shares)
    page = f" · p. {source.page}" if source.page is not None else ""
    place = f"{one_line(_tail(source.source), 60)}{page}".removeprefix(" · ")
    return Content.assemble(
        (f"{one_line(source.label, 4)} ", "bold $accent" if source.cited else "dim"),
        (one_line(source.title or source.document, 68), "bold" if source.cited else ""),
        (f"\n{place}" if place else "", "dim"),
        (f"\n{one_line(source.excerpt, 140)}", ""),
        (f"\n{one_line(why, 80)}" if why else "", "dim"),
        "\n",
    )


def _tail(place: str) -> str:
    """The last two names of an absolute path: enough to know a file by in a narrow pane."""
    parts = PurePath(place).parts
    return "/".join(parts[-2:]) if place.startswith("/") and len(parts) > 3 else place
