"""Files to documents, documents to passages. It knows nothing of stores and models: the caller counts tokens."""

from memapp.read.find import Found, find, source_of, spool
from memapp.read.intake import read, readers
from memapp.read.split import split, split_all

__all__ = ["Found", "find", "read", "readers", "source_of", "split", "split_all", "spool"]
