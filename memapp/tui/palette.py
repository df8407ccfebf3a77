"""The slash commands in the command palette."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from memapp.tui.commands import COMMANDS, Command


class ChatCommands(Provider):
    """Offers every command; one that needs an argument is written into the prompt to be completed."""

    async def discover(self) -> Hits:
        """All commands, in their own order."""
        for command in COMMANDS:
            yield DiscoveryHit(_title(command), partial(self._run, command), help=command.help)

    async def search(self, query: str) -> Hits:
        """The commands that match what is typed."""
        matcher = self.matcher(query)
        for command in COMMANDS:
            score = max(matcher.match(_title(command)), matcher.match(command.help))
            if score > 0:
                yield Hit(score, matcher.highlight(_title(command)), partial(self._run, command), help=command.help)

    async def _run(self, command: Command) -> None:
        from memapp.tui.chat import ChatScreen

        if isinstance(self.screen, ChatScreen):
            await self.screen.run_command(command)


def _title(command: Command) -> str:
    return command.name.capitalize()
