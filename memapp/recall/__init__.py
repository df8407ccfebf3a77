"""From a question to ranked passages: clues, fuse. Pure functions, one step each."""
