"""Messages to prompt tokens.

The chat template comes from the model's file and runs in llama-cpp-python's sandbox. It never sees what the messages
say: it is given markers, and the contents are put between the template's parts as plain text. So a passage that spells
out a control token stays text, and no template can act on what it reads.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from memapp.errors import ModelError
from memapp.models.native import library

if TYPE_CHECKING:
    from memapp.models.native import Model
    from memapp.types import Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""For models whose file carries no template."""


class Template:
    """One model's way of writing a chat."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @cached_property
    def _format(self) -> Any:
        library()  # not left to the import below: it decides how llama.cpp is loaded
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        def spelled(token: int) -> str:
            return self._model.piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

        try:
            return Jinja2ChatFormatter(
                self._model.template or CHATML, eos_token=spelled(self._model.eos), bos_token=spelled(self._model.bos)
            )
        except Exception as error:
            raise ModelError(
                f"The chat template of {self._model.path.name} cannot be read: {error}.", _OTHER
            ) from error

    @cached_property
    def takes_system(self) -> bool:
        """Whether the template knows a system message; without it, its text leads the first user message."""
        try:
            return "system-probe" in self._render([("system", "system-probe"), ("user", "user-probe")])
        except ModelError:
            return False

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """The prompt that asks for the next assistant message, or for the rest of a last one that the assistant began.

        Raises ModelError when the template cannot write it.
        """
        if messages and messages[-1].role == "assistant":
            begun = self._model.tokenize(messages[-1].content, special=False)
            return [*self.tokens(messages[:-1]), *begun]
        before, after = self.around(messages)
        return [*before, *after]

    def around(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """The prompt that asks for the next assistant message, cut where the last message's content ends.

        Raises ModelError when the template cannot write it.
        """
        if not self.takes_system:
            messages = _without_system(messages)
        mark = f"m{secrets.token_hex(8)}x"
        rendered = self._render([(message.role, f"{mark}{n}x") for n, message in enumerate(messages)])
        parts = re.split(f"{mark}([0-9]+)x", rendered)
        if [int(n) for n in parts[1::2]] != list(range(len(messages))):
            raise ModelError(f"The chat template of {self._model.path.name} drops or repeats messages.", _OTHER)
        tokens, after = [], self._model.tokenize(parts[0], special=True)
        for message, part in zip(messages, parts[2::2], strict=True):
            tokens += [*after, *self._model.tokenize(message.content, special=False)]
            after = self._model.tokenize(part, special=True)
        if self._model.adds_bos and tokens[:1] != [self._model.bos]:
            tokens.insert(0, self._model.bos)
        return tokens, after

    def _render(self, messages: Sequence[tuple[str, str]]) -> str:
        chat = [{"role": role, "content": content} for role, content in messages]
        try:
            return str(self._format(messages=chat).prompt)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"The chat template of {self._model.path.name} failed: {error}.", _OTHER) from error


_OTHER = "Use a model with another template: `memapp models list`."


def _without_system(messages: Sequence[Message]) -> list[Message]:
    told = "\n\n".join(message.content for message in messages if message.role == "system")
    rest = [message for message in messages if message.role != "system"]
    first = next((n for n, message in enumerate(rest) if message.role == "user"), None)
    if told and first is not None:
        rest[first] = replace(rest[first], content=f"{told}\n\n{rest[first].content}")
    return rest
