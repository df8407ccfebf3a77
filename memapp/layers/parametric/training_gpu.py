"""The training step on a GPU, by torch: the same loss and optimizer as the reference, in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.layers.parametric.network import Parameters, blocks
from memapp.layers.parametric.training import Progressed
from memapp.types import Vectors

_EPSILON = 1e-6
_CHUNK = 4096


class TorchTrainer:
    """Keeps parameters and moments on the device, and hands them back when they are asked for."""

    def __init__(self, progressed: Progressed, rows: Vectors, on: str = "cuda") -> None:
        import torch

        self._torch, self._on, self._at = torch, on, progressed
        self._parameters = {
            name: torch.tensor(value, device=on, requires_grad=True) for name, value in progressed.parameters.items()
        }
        self._mean, self._square = (
            {name: torch.tensor(value, device=on) for name, value in moments.items()}
            for moments in (progressed.optimizer.mean, progressed.optimizer.square)
        )
        self._rows = torch.tensor(rows, device=on)

    def step(self, states: Vectors, labels: Vectors, rate: float) -> float:
        """One batch of AdamW, as `network.AdamW` does it."""
        torch = self._torch
        said = self._said(torch.tensor(states, device=self._on))
        loss = -(torch.tensor(labels, device=self._on) * said).sum() / len(states)
        gradients = torch.autograd.grad(loss, list(self._parameters.values()))
        optimizer = self._at.optimizer
        optimizer.steps += 1
        first, second = optimizer.betas
        with torch.no_grad():
            for (name, value), gradient in zip(self._parameters.items(), gradients, strict=True):
                mean, square = self._mean[name], self._square[name]
                mean.lerp_(gradient, 1 - first)
                square.lerp_(gradient * gradient, 1 - second)
                corrected = (square / (1 - second**optimizer.steps)).sqrt_().add_(1e-8)
                value.mul_(1 - rate * optimizer.decay)
                value.addcdiv_(mean, corrected, value=-rate / (1 - first**optimizer.steps))
        return float(loss.detach())

    def loss(self, states: Vectors, targets: NDArray[np.int64]) -> float:
        """Mean cross-entropy in nats."""
        torch, total = self._torch, 0.0
        with torch.no_grad():
            for start in range(0, len(states), _CHUNK):
                said = self._said(torch.tensor(states[start : start + _CHUNK], device=self._on))
                wanted = torch.tensor(targets[start : start + _CHUNK], device=self._on)
                total -= float(said.gather(1, wanted[:, None]).sum())
        return total / max(1, len(states))

    def parameters(self) -> Parameters:
        """A copy, brought to the CPU; the training's own are brought up to date too, so that it can be kept."""
        now = {name: value.detach().cpu().numpy().copy() for name, value in self._parameters.items()}
        self._at.parameters.update({name: value.copy() for name, value in now.items()})
        self._at.optimizer.mean.update({name: value.cpu().numpy().copy() for name, value in self._mean.items()})
        self._at.optimizer.square.update({name: value.cpu().numpy().copy() for name, value in self._square.items()})
        return now

    def _said(self, states: Any) -> Any:
        torch = self._torch
        with self._precision():
            moved = states
            for block in range(blocks(self._parameters)):
                normal = moved * torch.rsqrt((moved * moved).mean(1, keepdim=True) + _EPSILON)
                gate, up = normal @ self._parameters[f"{block}.gate"], normal @ self._parameters[f"{block}.up"]
                moved = moved + (torch.nn.functional.silu(gate) * up) @ self._parameters[f"{block}.down"]
            logits = moved @ self._rows.T
        return torch.log_softmax(logits.float() + self._parameters["bias"], -1)

    @contextmanager
    def _precision(self) -> Iterator[None]:
        """bfloat16 for products on a GPU; what is added up stays in float32."""
        with self._torch.autocast("cuda", self._torch.bfloat16, enabled=self._on == "cuda"):
            yield
