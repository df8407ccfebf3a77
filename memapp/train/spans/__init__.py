"""Teaches the embedder's encoder to point at answers: where one begins and ends in a passage, or that none does.

Two thousand questions are few, so it learns from questions that are made of statements first. `prepare` makes them and
turns all to tokens, `fit` trains on them, `pack` writes what ships; `python -m memapp.train.spans` does one after the
other.
"""
