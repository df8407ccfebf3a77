"""The amortizer in torch: a passage becomes a few soft tokens that the frozen model reads in the passage's place.

The encoder is the frozen model with an adapter of low rank. Its states are pooled by stretches of the passage, as mean
pooling does better than appended gist tokens (Feldman and Artzi, 2025; Ge et al., 2023 for those); here each stretch
is weighed by what its states say is worth keeping, and what is pooled starts as the tokens' own embeddings, so training
starts from something that the model can already read. The number of soft tokens is free, and several are trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from memapp.train.llama_torch import Llama, add_lora, load_lora, lora_state


class Amortizer(nn.Module):  # type: ignore[misc]
    """Passages to soft tokens."""

    def __init__(self, frozen: Llama, rank: int, alpha: float, begin: int, seed: int = 0) -> None:
        super().__init__()
        self.encoder, self.begin, self.rank, self.alpha = frozen.twin(), begin, rank, alpha
        self.adapter = add_lora(self.encoder, rank, alpha, seed=seed)
        width, device = frozen.shape.width, frozen.embedding.device
        self.salience = nn.Parameter(torch.zeros(width, device=device))
        self.change = nn.Parameter(torch.zeros(width, width, device=device))
        size = frozen.embedding.float().pow(2).mean().sqrt()
        self.size = nn.Parameter(size.clone())
        self.register_buffer("unit", size.clone(), persistent=False)

    def own(self) -> list[nn.Parameter]:
        """What is trained beside the adapter."""
        return [self.salience, self.change, self.size]

    def forward(self, ids: Tensor, lengths: Tensor, count: int) -> Tensor:
        """ids: (batch, longest), padded on the right with any token; lengths: (batch,). (batch, count, width).

        A passage of fewer tokens than `count` has some of them more than once.
        """
        first = torch.full_like(ids[:, :1], self.begin)
        states = self.encoder(torch.cat((first, ids), 1))[:, 1:].float()
        states = F.rms_norm(states, states.shape[-1:])
        values = self.encoder.embed(ids).float() + self.unit * F.linear(states, self.change)
        starts, ends = stretches(lengths, count)
        place = torch.arange(ids.shape[1], device=ids.device)
        inside = (place >= starts[..., None]) & (place < ends[..., None])
        scores = (states @ self.salience)[:, None].masked_fill(~inside, -torch.inf)
        pooled = scores.softmax(-1) @ values
        return F.rms_norm(pooled, pooled.shape[-1:]) * self.size

    def state(self) -> dict[str, Tensor]:
        """All that is trained, by name."""
        own = {"salience": self.salience, "change": self.change, "size": self.size[None], "unit": self.unit[None]}
        return {name: tensor.detach() for name, tensor in own.items()} | lora_state(self.encoder)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes back what `state` gave."""
        with torch.no_grad():
            self.salience.copy_(state["salience"])
            self.change.copy_(state["change"])
            self.size.copy_(state["size"][0])
        load_lora(self.encoder, state, self.alpha)


def stretches(lengths: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Where the `count` stretches of each passage start and end: (batch, count) each; none is empty."""
    steps = torch.arange(count + 1, device=lengths.device)
    edges = steps * lengths[:, None] // count
    return edges[:, :-1], torch.maximum(edges[:, 1:], edges[:, :-1] + 1)


def rounded(soft: Tensor) -> Tensor:
    """Soft tokens as the bank gives them back: each in 8-bit steps of its largest component."""
    step = soft.abs().amax(-1, keepdim=True).clamp(min=1e-8) / 127
    return (soft / step).round() * step


class Reader:
    """The frozen model reading soft tokens, or text, before a question."""

    def __init__(self, frozen: Llama, heads: Sequence[Sequence[int]]) -> None:
        """`heads`: the prompt before passages, before a question without any, and the request to repeat."""
        self.frozen, self.device = frozen, frozen.embedding.device
        self.before, self.alone, self.repeat = (torch.tensor(each, device=self.device) for each in heads)

    def losses(
        self, soft: Tensor | None, tails: Tensor, asked: Tensor, lengths: Tensor, head: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Negative log-probabilities, both (batch, longest - 1): of every token of `tails` after the first where it is
        an answer's, else 0; and the same for the tokens before the answer.

        soft: (batch, n, width), what is read in place of the passages. tails: (batch, longest), question and answer,
        padded on the right. asked: (batch,), where the answer begins; lengths: (batch,), where it ends.
        """
        head = self.before if head is None else head
        parts = [self.frozen.embed(head).expand(len(tails), -1, -1), self.frozen.embed(tails[:, :-1])]
        if soft is not None:
            parts.insert(1, soft.to(parts[0].dtype))
        states = self.frozen(torch.cat(parts, 1))[:, -(tails.shape[1] - 1) :]
        place = torch.arange(1, tails.shape[1], device=tails.device)
        real = place < lengths[:, None]
        answer = real & (place >= asked[:, None])
        found = torch.zeros(real.shape, device=tails.device)
        logits = self.frozen.head(states[real]).float()
        found = found.masked_scatter(real, F.cross_entropy(logits, tails[:, 1:][real], reduction="none"))
        return found * answer, found * (real & ~answer)


def per_answer(losses: Tensor, asked: Tensor, lengths: Tensor) -> Tensor:
    """Mean over the answer's tokens, (batch,)."""
    return losses.sum(1) / (lengths - asked)


def as_numpy(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """In half precision, for the file."""
    return {name: tensor.to(torch.float16).cpu().numpy() for name, tensor in state.items()}
