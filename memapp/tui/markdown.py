"""Draws the Markdown of an answer. It opens no link and fetches no image: a link only says that it was chosen."""

from __future__ import annotations

import re
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from textual.message import Message
from textual.widgets import Markdown

from memapp.tui.text import plain

_CITATION = re.compile(r"\[(\d{1,3})\](?![(\[:])")
_SCHEME = "memapp-source:"
LONGEST = 40_000
"""Characters drawn of one answer; copy and export have all of it."""


class AnswerText(Markdown):
    """An answer as it grows, then as it is."""

    class CitationChosen(Message):
        """The number of a citation was clicked."""

        def __init__(self, label: str) -> None:
            super().__init__()
            self.label = label

    class LinkChosen(Message):
        """A link was clicked; nothing is opened yet."""

        def __init__(self, address: str) -> None:
            super().__init__()
            self.address = address

    def __init__(self, text: str = "") -> None:
        super().__init__(plain(text[:LONGEST]), parser_factory=parser, open_links=False)
        self._drawn = 0

    async def write(self, text: str) -> None:
        """Draws the next piece of the answer."""
        if self._drawn < LONGEST:
            self._drawn += len(text)
            await self.append(plain(text))

    async def finish(self, text: str) -> None:
        """Draws the answer anew from its whole text, which also mends what growing got wrong."""
        await self.update(plain(text[:LONGEST]))

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        """Turns the click into a message of its own; the base class would open the link."""
        event.stop()
        event.prevent_default()
        if event.href.startswith(_SCHEME):
            self.post_message(self.CitationChosen(event.href.removeprefix(_SCHEME)))
        else:
            self.post_message(self.LinkChosen(plain(event.href)))


def parser() -> MarkdownIt:
    """GitHub's Markdown without HTML and images, and with `[n]` as a link to source n."""
    reader = MarkdownIt("gfm-like", {"html": False, "maxNesting": 12})
    reader.disable(["image", "html_block", "html_inline"])
    reader.inline.ruler.before("link", "citation", _citation)
    reader.core.ruler.push("plain", _clean)
    return reader


def _clean(state: StateCore) -> None:
    """Cleans the text once more: `&#x202e;` and its like become characters only while it is parsed."""
    for token in state.tokens:
        token.content = plain(token.content)
        for child in token.children or ():
            child.content = plain(child.content)


def _citation(state: StateInline, silent: bool) -> bool:
    match = _CITATION.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        attributes: dict[str, Any] = {"href": f"{_SCHEME}{match[1]}"}
        state.push("link_open", "a", 1).attrs = attributes
        state.push("text", "", 0).content = match[0]
        state.push("link_close", "a", -1)
    state.pos = match.end()
    return True
