"""Teaches a model to answer from passages: in a few words, with the number of the passage, or not at all.

`prepare` turns texts into tokens, `fit` trains on them, `pack` writes what llama.cpp loads; `python -m
memapp.train.reader` does one after the other.
"""
