"""A second task while the base model begins: name what each token shows.

The truth of every picture is known, so a linear head on the network's last features must tell the
part of which kind each token shows. Shapes come many times sooner than from the flow alone. The
head is thrown away afterwards.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sprites.world.scene import PARTS


class Tutor(nn.Module):
    """Listens to the input of the model's last normalisation."""

    def __init__(self, flux: nn.Module, hidden: int) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, PARTS))
        flux.norm_out.register_forward_pre_hook(self._listen)

    def _listen(self, module: nn.Module, inputs: tuple) -> None:
        self.features = inputs[0]

    def forward(self, parts: Tensor) -> Tensor:
        """The cross entropy of its answers for the model's latest call."""
        answers = self.head(self.features[:, : parts.shape[1]]).float()  # references come behind
        del self.features
        return F.cross_entropy(answers.flatten(0, 1), parts.flatten())
