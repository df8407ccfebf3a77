"""Text of models, documents and people can neither break the chat nor reach the terminal as a command."""

from __future__ import annotations

from typing import Any

import pytest

from memapp.errors import GenerationFailed
from memapp.tui.confirm import ConfirmScreen

HOSTILE = [
    "[/]",
    "[bold",
    "[a=b",
    "[@click=app.exit]x[/]",
    "\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[31m\x1bc",
    "\x1b]52;c;AAAA\x07\x9b31m\x9d0;t\x9c",
    "a\x00b\x07c\x08d\x7fe\x85f",
    "\ud800x\udfff",
    "\u202eevil\u2066 &#x202e;evil &#27;[31m &#155;31m",
    "x" * 5000,
    "e" + "\u0301" * 300,
    "👩‍👩‍👧" * 40,
    "\t" * 20 + "\r\n\r\x0b\x0c\u2028",
    "`[/]` **[bold** _[a=b_ ~~[/~~",
    "# [/h]\n## \x1b\n### \n#### &#x202e;",
    "| [a | b]\n|---|---|\n| [/] | [bold | c |\n| \x1b |",
    "```[/] \x1b\n[bold\n\x1b[31m\n```",
    "```python\nx = '[/]'\n",
    "```html\n<a b='[/]'>&#27;\n```",
    "> " * 60 + "deep",
    "- " * 60 + "deep",
    "1. " * 60 + "deep",
    "[x]: http://e 'title'\n[x] [y][x] [1] [1](x) [1]: http://e",
    "![i](http://e/a.png) ![[/]](http://e)",
    "<script>[/]</script> <b>",
    "[j](javascript:alert(1)) [f](file:///etc/passwd) [q](<http://e/')\"[/]>) http://e/[/]'\") www.e.org",
    "[" * 1000,
    "*_" * 800,
    "\n" * 200,
    "$primary ${error} {0} %s",
]


GROUPS = [HOSTILE[start : start + 8] for start in range(0, len(HOSTILE), 8)]


@pytest.mark.parametrize("texts", GROUPS, ids=range(len(GROUPS)))
async def test_an_answer_of_any_text(open_chat: Any, make_memory: Any, make_document: Any, texts: list[str]) -> None:
    memory = make_memory()
    async with open_chat(memory, session=f"s{texts[-1][:60]}", size=(110, 30)) as chat:
        await chat.until(lambda: memory.prepared)
        for text in texts:
            memory.documents_ = {text: make_document(f"d{text[:50]}", text, text, text)}
            memory.documents_[f"d{text[:50]}"] = memory.documents_.pop(text)
            memory.answers = _Always(f"a {text} [1]")
            await chat.ask(f"q {text}")
            await chat.until(lambda: chat.chat._pane.sources)
            await chat.pilot.press("f2", "enter")
            await chat.until(lambda: chat.screen.query("#page"))
            await chat.pilot.press("c", "escape", "escape", "ctrl+y")
        await chat.pilot.press("f3")
        await chat.until(lambda: chat.screen.query("#search"))
        await chat.until(lambda: chat.screen._shown)
        await chat.pilot.press("a", "escape", "ctrl+up")
        chat.assert_harmless(clipboard=True)


@pytest.mark.parametrize("theme", ["ansi-dark", "memapp-dark"])
async def test_all_of_it_at_once_in_every_kind_of_theme(
    open_chat: Any, make_memory: Any, make_document: Any, theme: str
) -> None:
    memory = make_memory(make_document("d", "t", "x", "s"))
    memory.answers = _Always("\n\n".join(HOSTILE))
    async with open_chat(memory, theme=theme, size=(80, 24)) as chat:
        await chat.until(lambda: memory.prepared)
        await chat.ask("all of it")
        for other in ("ansi-light", "memapp-light", theme):
            chat.app.theme = other
            await chat.pilot.pause()
        await chat.pilot.press("pageup", "pageup")
        chat.assert_harmless()


@pytest.mark.parametrize("texts", GROUPS, ids=range(len(GROUPS)))
async def test_everything_else_that_shows_text(open_chat: Any, library: Any, texts: list[str]) -> None:
    async with open_chat(library, size=(110, 30)) as chat:
        await chat.until(lambda: library.prepared)
        for text in texts:
            library.errors = [RuntimeError(text) if len(text) % 2 else GenerationFailed(text, text)]
            await chat.ask(f"one {text}")
            chat.chat._composer.put(text)
            chat.chat._composer.put(f"/ingest {text}")
            chat.app.notify(text, title=text)
            await chat.chat._conversation.note(text, "error")
            chat.chat._status.activity = text
            chat.chat._ingest.start(library, [f"bad {text}", text])
            await chat.until(lambda: not chat.chat._ingest.running)
            chat.chat._do_forget(text)
            await chat.until(lambda: chat.screen.query("#yes"))
            await chat.until(lambda: "Looking" not in chat.text())
            await chat.pilot.press("escape")
            chat.app.push_screen(ConfirmScreen(text, [text, text], "Yes"))
            await chat.pilot.pause()
            await chat.pilot.press("escape")
        chat.assert_harmless()


async def test_a_hostile_paste_is_cleaned(open_chat: Any, library: Any) -> None:
    from textual.events import Paste

    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        chat.app.post_message(Paste("a\x1b[31mb\x00\nc" + "x" * 50_000))
        await chat.until(lambda: chat.chat._composer.text.startswith("a[31mb\nc"))
        assert len(chat.chat._composer.text) < 21_000
        await chat.until(lambda: len("".join(chat.written)) > 2000, "for the drawing")
        chat.assert_harmless()


class _Always(dict[str, str]):
    """Gives the same answer to every question."""

    def __init__(self, answer: str) -> None:
        super().__init__()
        self._answer = answer

    def get(self, key: str, default: Any = None) -> Any:
        return self._answer
