"""Passages that the model has read once, as soft tokens: what makes them and what picks from them."""
