"""Every error that memapp raises, as one tree.

    MemappError
      UsageError            a call or command that cannot be carried out as given      exit 2
      StoreError            the store cannot be used                                   exit 3
        StoreForeign          not a memapp store, or damaged
        StoreBusy             another process held the write lock for too long
        StoreFull             no room left on the disk
        StoreVersion          written by another version of memapp
        EmbedderMismatch      its vectors come from another embedder
        StatesMismatch        its parametric memory was made with another model
      ModelError            a model cannot be used                                     exit 3
        ModelMissing          the file or package is not there
        ModelDamaged          the file is not what its checksum or header says
        ContextOverflow       the prompt does not fit, even with every passage dropped
        GenerationFailed      the model broke off
        DownloadFailed        `memapp models pull` did not get the whole file
        TrainingFailed        the parametric memory could not be consolidated
      ReadError             one item could not be read; the others go on               exit 1
        UnsupportedFormat     no reader for it
        Malformed             its content is not what its format promises
        Encrypted             it needs a password
        TooLarge              it passes a limit of the settings
        Unreadable            the file system refuses it
      PluginError           an installed plugin is broken, or a named one is absent    exit 3

Foreign exceptions are mapped to these at one boundary each: store/engine.py, models/, read/.
"""

from __future__ import annotations

from typing import ClassVar


class MemappError(Exception):
    """What went wrong and, in `hint`, what to do next."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class UsageError(MemappError):
    """A call or command that cannot be carried out as given."""

    exit_code = 2


class StoreError(MemappError):
    """The store cannot be used."""


class StoreForeign(StoreError):
    """The file is not a memapp store, or it is damaged."""


class StoreBusy(StoreError):
    """Another process held the write lock for longer than the time-out."""


class StoreFull(StoreError):
    """No room left on the disk; nothing of the transaction was kept."""


class StoreVersion(StoreError):
    """The store was written by a version of memapp that this one cannot read."""


class EmbedderMismatch(StoreError):
    """The store's vectors were made by another embedder than the one in use."""


class StatesMismatch(StoreError):
    """The parametric memory was made with another model, or another form of it, than the one in use."""


class ModelError(MemappError):
    """A model cannot be used."""

    per_question: ClassVar[bool] = False
    """Whether only this question fails, so that the next one is worth a try."""


class ModelMissing(ModelError):
    """The model's file or package is not there."""


class ModelDamaged(ModelError):
    """The model's file is not what its checksum or header says."""


class ContextOverflow(ModelError):
    """The prompt does not fit into the model's context, even with every passage dropped."""

    per_question = True


class GenerationFailed(ModelError):
    """The model broke off while it evaluated a prompt or wrote an answer."""

    per_question = True


class DownloadFailed(ModelError):
    """A model was not received whole; what came is kept for the next try."""


class TrainingFailed(ModelError):
    """The parametric memory could not be consolidated; what was there before stays."""


class ReadError(MemappError):
    """One item could not be read; the others go on."""

    exit_code = 1


class UnsupportedFormat(ReadError):
    """No reader is known for the item."""


class Malformed(ReadError):
    """The item's content is not what its format promises."""


class Encrypted(ReadError):
    """The item needs a password."""


class TooLarge(ReadError):
    """The item passes a limit of the settings."""


class Unreadable(ReadError):
    """The file system refuses the item."""


class PluginError(MemappError):
    """An installed plugin is broken, or one that was named is not installed."""
