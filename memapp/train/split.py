"""Which documents training never sees: the rule that measuring goes by."""

from memapp.evaluate.split import held_out

__all__ = ["held_out"]
