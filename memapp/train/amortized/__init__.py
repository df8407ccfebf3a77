"""Trains what makes soft tokens of passages: `python -m memapp.train.amortized`.

`prepare` turns texts into tokens, `network` is what is trained, `fit` trains and measures it.
"""
