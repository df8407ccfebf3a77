"""The one place where the exceptions of the file system and of parsers become memapp's."""

from __future__ import annotations

import zipfile
import zlib

from memapp.errors import Malformed, ReadError, TooLarge, Unreadable


def explain(error: Exception) -> ReadError:
    """The ReadError that says what a foreign exception means and what to do about it."""
    match error:
        case ReadError():
            return error
        case FileNotFoundError():
            return Unreadable("It does not exist, or no longer.", "Check the path.")
        case PermissionError():
            return Unreadable("Permission denied.", "Give yourself the right to read it, or leave it out.")
        case OSError():
            return Unreadable(f"It cannot be read: {error.strerror or error}.", "Check the disk and the path.")
        case RecursionError():
            return Malformed("It is nested too deeply.", "Flatten it, or leave it out.")
        case MemoryError():
            return TooLarge("There is not enough memory to read it.", "Split it into smaller files.")
        case zipfile.BadZipFile() | zlib.error() | EOFError():
            return Malformed(f"The archive is damaged or cut short: {_first_line(error)}.", "Get a whole copy of it.")
        case UnicodeError():
            return Malformed("Its text is not valid in its encoding.", "Save it as UTF-8 and ingest it again.")
        case _:
            return Malformed(
                f"Its content is not what its format promises: {_first_line(error)}.",
                "Open it in the program that it comes from and save it again, or name its --format.",
            )


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split())[:200].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
