"""The chat screen: it decides what happens. Widgets below it say what a person did, threads what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from memapp.errors import MemappError, UsageError
from memapp.tui import commands, export
from memapp.tui.backstage import Backstage
from memapp.tui.commands import Command
from memapp.tui.composer import Composer
from memapp.tui.confirm import confirm
from memapp.tui.conversation import Conversation, explain
from memapp.tui.document import DocumentScreen
from memapp.tui.exchange import Exchange
from memapp.tui.forget import ForgetScreen
from memapp.tui.help import HelpScreen
from memapp.tui.idle import Idle
from memapp.tui.ingest import IngestBar, report_text
from memapp.tui.sessions import Choice, SessionsScreen
from memapp.tui.sources import SourcesPane
from memapp.tui.status import StatusLine, TopLine
from memapp.tui.text import count, one_line, plain
from memapp.tui.view import entry_of_turn, session_name, source_of_hit, source_of_point
from memapp.types import ForgetReport

if TYPE_CHECKING:
    from memapp.memory import Memory

KEYS = "/ commands · F1 help"
WAITS = {"embedder": "Loading the embedder", "model": "Loading the language model"}


class ChatScreen(Screen[None]):
    """One session of a memory."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Stop / back"),
        Binding("f1,question_mark", "help", "Help"),
        Binding("f2,ctrl+o", "sources", "Sources"),
        Binding("f3,ctrl+r", "sessions", "Sessions"),
        Binding("ctrl+n", "new", "New session"),
        Binding("ctrl+y", "copy", "Copy answer"),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("ctrl+up", "older", "Earlier questions", show=False),
    ]

    def __init__(self, open_memory: Callable[[], Memory], session: str = "") -> None:
        super().__init__()
        self._backstage = Backstage(open_memory)
        self._idle = Idle()
        self._session = plain(session).strip()
        self._names: frozenset[str] | None = None
        self._documents = 0
        self._stale = False
        self._proposed: list[str] = []
        self._last_note = ""
        self._top = TopLine()
        self._conversation = Conversation()
        self._ingest = IngestBar()
        self._composer = Composer()
        self._pane = SourcesPane()
        self._status = StatusLine()

    def compose(self) -> ComposeResult:
        yield self._backstage
        yield self._idle
        yield self._top
        with Horizontal(id="middle"):
            with Vertical(id="main"):
                yield self._conversation
                yield self._ingest
                yield self._composer
            yield self._pane
        yield self._status

    def on_mount(self) -> None:
        """Draws first, loads after."""
        self._top.show_session(self._session)
        self._composer.put("")
        self._begin()

    # Opening and loading

    def _begin(self) -> None:
        self._backstage.prepare()
        self._status.activity = "Opening memory"
        self._status.detail = "you can write meanwhile"

    @on(Backstage.Opened)
    def _use(self, message: Backstage.Opened) -> None:
        self._conversation.memory = message.memory
        self._idle.attend(message.memory)
        self._backstage.load(self._session)

    @on(Idle.Began)
    def _say_it_learns(self) -> None:
        self._status.activity = "Learning what is remembered"
        self._status.detail = "typing stops it"

    @on(Idle.Ended)
    async def _say_it_learned(self, message: Idle.Ended) -> None:
        if not self._conversation.busy:
            self._status.activity, self._status.detail = "", KEYS
        if message.error is not None:
            await self._report(message.error)

    @on(Composer.Typed)
    def _leave_the_machine(self) -> None:
        """Whoever types wants the machine for it."""
        self._idle.stir()

    @on(Backstage.Preparing)
    def _say_what_loads(self, message: Backstage.Preparing) -> None:
        progress = message.progress
        share = f" {progress.done / progress.total:.0%}" if progress.total and progress.total > 2 else ""
        self._status.activity = f"{WAITS.get(progress.stage, f'Loading {progress.stage}')}{share}"

    @on(Backstage.Prepared)
    async def _go_on(self, message: Backstage.Prepared) -> None:
        self._status.activity = ""
        self._status.detail = KEYS
        if message.error is None:
            self._conversation.ready = True
            self._conversation.go_on()
        else:
            await self._report(message.error)
            await self._conversation.refuse(message.error)

    @on(Backstage.Loaded)
    async def _show_session(self, message: Backstage.Loaded) -> None:
        self._names = message.names
        if message.session != self._session:
            return
        self._stale = self._conversation.busy
        if self._stale:
            return
        entries = [entry_of_turn(turn) for turn in message.turns]
        await self._conversation.show(entries, message.until)
        self._pane.show(entries[-1].sources if entries else ())
        if not entries:
            await self._conversation.welcome(self._documents)

    @on(Backstage.Counted)
    def _show_count(self, message: Backstage.Counted) -> None:
        self._documents = message.stats.documents
        self._top.holds(message.stats.documents, message.stats.namespace)

    @on(Backstage.Failed)
    async def _show_failure(self, message: Backstage.Failed) -> None:
        await self._report(message.error)

    @on(Backstage.Done)
    def _say_done(self, message: Backstage.Done) -> None:
        self.notify(message.remark)

    async def _report(self, error: BaseException | None) -> None:
        message, hint = explain(error)
        await self._conversation.note(f"✗ {message}\n{hint}".rstrip(), "error")

    # Asking

    @on(Composer.Submitted)
    async def _submit(self, message: Composer.Submitted) -> None:
        self._idle.stir()
        if not commands.is_command(message.text):
            await self._ask(message.text)
        elif not await self._attempt(message.text):
            self._composer.put_back(message.text)

    async def _ask(self, question: str) -> None:
        if not self._conversation.ready:
            self._begin()
        if not self._session:
            self._session = session_name(question, self._names)
            self._top.show_session(self._session)
        await self._conversation.ask(question, self._session)

    @on(Conversation.Found)
    def _show_found(self, message: Conversation.Found) -> None:
        self._pane.show_answer(message.sources, message.abstained)

    @on(Conversation.Changed)
    def _show_activity(self, message: Conversation.Changed) -> None:
        if self._backstage.preparing:
            return
        self._status.activity = message.activity
        self._status.detail = "Esc stops" if message.activity else KEYS
        if message.rate:
            self._status.rate = message.rate
        if self._stale and not self._conversation.busy:
            self._backstage.load(self._session)

    @on(Conversation.Answered)
    def _show_meter(self, message: Conversation.Answered) -> None:
        self._idle.stir()
        self._status.tokens = message.answer.tokens
        self._status.rate = message.rate

        if message.answer.finish != "cancelled":
            self._backstage.consider(message.answer.question, self._session)

    @on(Backstage.Considered)
    async def _show_notes(self, message: Backstage.Considered) -> None:
        kept = [note for note in message.notes if note.id]
        self._proposed = [note.text for note in message.notes if not note.id]
        if kept:
            self._last_note = kept[-1].id
            said = "; ".join(f"“{one_line(note.text, 200)}”" for note in kept)
            await self._conversation.note(f"Remembered: {said}\n/forget that takes it back.")
            self._backstage.count()
        if self._proposed:
            said = "; ".join(f"“{one_line(text, 200)}”" for text in self._proposed)
            await self._conversation.note(f"Remember {said}?\n/remember keeps it, /remember TEXT other words.")

    @on(Conversation.Failed)
    def _return_question(self, message: Conversation.Failed) -> None:
        if not self._composer.put_back(message.question):
            self.notify("The question is kept: press ↑ in an empty prompt.")

    # Commands

    async def run_command(self, command: Command) -> None:
        """Carries out a command chosen by name; one that needs an argument is written into the prompt."""
        if command.needs_argument:
            self._composer.put(f"/{command.name} ")
        else:
            await self._attempt(f"/{command.name}")

    async def _attempt(self, line: str) -> bool:
        try:
            await self._carry_out(*commands.parse(line))
        except MemappError as error:
            self.notify(str(error), severity="warning")
            return False
        return True

    async def _carry_out(self, command: Command, argument: str) -> None:
        do: dict[str, Callable[[str], Awaitable[None] | None]] = {
            "ingest": self._do_ingest,
            "search": self._do_search,
            "summarize": self._do_summarize,
            "forget": self._do_forget,
            "remember": self._do_remember,
            "sessions": self._do_sessions,
            "new": self._switch,
            "export": self._do_export,
            "copy": lambda what: self._copy(self._last(), code=what == "code"),
            "theme": self._do_theme,
            "help": lambda _: self.action_help(),
            "quit": lambda _: self.app.exit(),
        }
        done = do[command.name](argument)
        if done is not None:
            await done

    def _do_ingest(self, argument: str) -> None:
        memory = self._backstage.memory
        if self._ingest.running:
            raise UsageError("Something is being read in already.", "Wait for it, or stop it with Esc.")
        self._ingest.start(memory, commands.split_paths(argument))

    @on(IngestBar.Finished)
    async def _ingested(self, message: IngestBar.Finished) -> None:
        if message.report is None:
            await self._report(message.error)
        else:
            kind = "warning" if message.report.failed or message.report.interrupted else "info"
            await self._conversation.note(report_text(message.report), kind)
        self._backstage.count()

    @on(IngestBar.StopWanted)
    def _ask_to_stop_ingest(self) -> None:
        confirm(self.app, "Stop reading?", ["What is committed stays remembered."], "Stop", self._ingest.stop)

    def _do_search(self, text: str) -> None:
        self._backstage.search(text)
        self._pane.show((), "Searching…", "…")
        self._open_pane(True)

    @on(Backstage.Searched)
    def _show_hits(self, message: Backstage.Searched) -> None:
        sources = [source_of_hit(hit, str(hit.rank)) for hit in message.result.hits]
        self._pane.show(sources, f"Search: {one_line(message.result.question, 60)}", "No passage was found.")
        self._open_pane(True)
        if sources:
            self._pane.take_focus()

    def _do_summarize(self, text: str) -> None:
        self._backstage.summarize(text)
        self._pane.show((), "Summing up…", "…")
        self._open_pane(True)

    @on(Backstage.Summed)
    def _show_points(self, message: Backstage.Summed) -> None:
        summary = message.summary
        title = f"About: {one_line(summary.query, 60)}" if summary.query else "What is remembered"
        self._pane.show([source_of_point(point) for point in summary.points], title, "There is nothing to sum up.")
        self._open_pane(True)
        if summary.points:
            self._pane.take_focus()

    def _do_remember(self, text: str) -> None:
        statements = [text] if text else self._proposed
        if not statements:
            raise UsageError("Nothing was proposed to be remembered.", "Write /remember TEXT.")
        self._backstage.remember(statements, self._session)

    def _do_forget(self, what: str) -> None:
        if what.casefold() == "that" and self._last_note:
            what = self._last_note
        self.app.push_screen(ForgetScreen(self._backstage.memory, what), self._forgotten)

    def _forgotten(self, report: ForgetReport | None) -> None:
        if report is None:
            return
        gone = f"Forgot {count(len(report.documents), 'document')}, {count(report.passages, 'passage')}"
        erased = f"; {count(report.turns, 'answer')} that quoted them went too" if report.turns else ""
        failed = [f"{check.message} {check.remedy}" for check in report.checks if not check.ok]
        self.notify(" ".join([f"{gone}{erased}.", *failed]), severity="warning" if failed else "information")
        self._pane.show(())
        self._backstage.load(self._session)

    def _do_export(self, argument: str) -> None:
        path = export.target(argument, self._session)
        write = partial(self._backstage.export, self._session, path)
        if path.exists():
            confirm(self.app, "Replace the file?", [str(path)], "Replace", write, danger=True)
        else:
            write()

    def _do_theme(self, name: str) -> None:
        if not name:
            self.app.search_themes()
        elif name in self.app.available_themes:
            self.app.theme = name
        else:
            raise UsageError(f"There is no theme {name}.", f"Known: {', '.join(sorted(self.app.available_themes))}.")

    # Sessions

    def _do_sessions(self, _: str) -> None:
        self.app.push_screen(SessionsScreen(self._backstage.memory, self._session), self._leave_sessions)

    async def _switch(self, name: str, turn: int = 0) -> None:
        for question in self._conversation.drop():
            self._composer.put_back(question)
        self._session = name
        self._top.show_session(name)
        self._composer.put(self._composer.text)
        await self._conversation.show(())
        self._pane.show(())
        if self._conversation.memory is not None:
            self._backstage.load(self._session, turn)

    async def _leave_sessions(self, choice: Choice | None) -> None:
        if choice is None:
            return
        if choice.session or choice.new:
            await self._switch(choice.session, choice.turn)
        elif self._session in choice.deleted:
            await self._switch("")

    # Sources, copying, links

    @on(Exchange.SourceChosen)
    @on(SourcesPane.Opened)
    def _open_source(self, message: SourcesPane.Opened | Exchange.SourceChosen) -> None:
        self.app.push_screen(DocumentScreen(self._backstage.memory, message.source), self._leave_document)

    def _leave_document(self, unwanted: str | None) -> None:
        if unwanted:
            self._do_forget(unwanted)

    @on(SourcesPane.Unwanted)
    def _forget_source(self, message: SourcesPane.Unwanted) -> None:
        self._do_forget(message.source.document)

    @on(Exchange.Chosen)
    def _show_sources_of(self, message: Exchange.Chosen) -> None:
        entry = message.exchange.entry
        if entry.answer:
            self._pane.show_answer(entry.sources, entry.abstained)

    @on(Exchange.Requested)
    def _grant(self, message: Exchange.Requested) -> None:
        if message.what == "sources":
            self._open_pane(True)
            self._pane.take_focus()
        else:
            self._copy(message.exchange, code=message.what == "code")

    def _last(self) -> Exchange | None:
        return next((each for each in reversed(self._conversation.exchanges) if each.entry.answer), None)

    def _copy(self, exchange: Exchange | None, code: bool = False) -> None:
        text = exchange.copyable(code) if exchange is not None else ""
        if text:
            self.app.copy_to_clipboard(text)
            self.notify(f"Copied {count(len(text), 'character')}")
        else:
            self.notify("There is no code to copy." if code else "There is no answer to copy yet.")

    # Keys

    async def action_back(self) -> None:
        """Stops the answer; else closes the pane over it; else offers to stop an ingest; always back to writing."""
        taken = self._conversation.stop()
        if taken:
            self._composer.put_back(taken)
        elif taken is None and self._pane_over():
            self._open_pane(False)
        elif taken is None and self._ingest.running and self._composer.has_focus_within:
            self._ask_to_stop_ingest()
        self._composer.put(self._composer.text)

    def action_help(self) -> None:
        """Shows keys and commands."""
        self.app.push_screen(HelpScreen())

    def action_sources(self) -> None:
        """Shows the pane and goes there, or comes back from it."""
        if self._pane.has_focus_within or (self._pane_over() and not self._pane.sources):
            self._open_pane(False)
            self._composer.put(self._composer.text)
            return
        self._open_pane(True)
        if self._pane.sources:
            self._pane.take_focus()

    async def action_sessions(self) -> None:
        """Shows the kept sessions."""
        await self._attempt("/sessions")

    async def action_new(self) -> None:
        """Begins a new session."""
        await self._switch("")

    def action_copy(self) -> None:
        """Copies the last answer."""
        self._copy(self._last())

    def action_page(self, direction: int) -> None:
        """Scrolls the conversation."""
        (self._conversation.action_page_down if direction > 0 else self._conversation.action_page_up)()

    async def action_older(self) -> None:
        """Brings earlier questions back."""
        await self._conversation.load_older()

    def _open_pane(self, wanted: bool) -> None:
        self._pane.set_class(wanted, "-open")

    def _pane_over(self) -> bool:
        return self.has_class("-narrow") and self._pane.has_class("-open")
