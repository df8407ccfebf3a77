"""Text of others on its way into a prompt: data, unable to speak as anyone else."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"<(?=[|/]|s>)|\[(?=/?INST\])")


def harmless(text: str) -> str:
    """Text of a passage without control characters and without what chat templates take for a change of speaker."""
    return _MARKUP.sub(lambda match: match[0] + " ", _CONTROL.sub("", text))
