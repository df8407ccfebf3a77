"""The store: the log of passages in SQL, and everything that is read back from it."""
