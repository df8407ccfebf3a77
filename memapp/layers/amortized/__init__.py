"""Passages that the model has read once, as soft tokens: a bank of them and what picks from it."""
