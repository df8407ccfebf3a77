"""The parametric memory: next tokens by what the model's hidden state is near, and a network that learned the same.

keys.py       every remembered token under the state that came before it: kNN-LM's datastore, editable
suffix.py     every run of remembered tokens: infini-gram's suffix array
network.py    the network; consolidated.py the one that is in use; training.py how it comes about
gate.py       how much each of them may say about the next token
mixture.py    the distribution that the model is given, token by token
layer.py      the layer over the log
"""
