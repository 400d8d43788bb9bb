"""A neural language model over a window of letters (Bengio et al. 2003): the last W letters, each as a vector, one hidden layer, the next letter.

    h = relu(W₁ [e₁; …; e_W] + b₁)        logits = W₂ h + b₂

No attention and no recurrence: every training example is one window, and a step costs what its two matrices cost.
Shapes: B windows, W letters each, E numbers per letter, H hidden units, V letters.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW, LETTER_WIDTH = 8, 8


class WindowModel(nn.Module):
    def __init__(self, vocabulary: int, hidden: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(vocabulary, LETTER_WIDTH)
        self.first = nn.Linear(WINDOW * LETTER_WIDTH, hidden)
        self.second = nn.Linear(hidden, vocabulary)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W) -> logits (B, V)"""
        x = self.letters(windows).flatten(1)  # (B, W, E) -> (B, W·E)
        return self.second(F.relu(self.first(x)))


def multiplying_weights(vocabulary: int, hidden: int) -> int:
    """N: the entries of both matrices. Looking up a letter's vector multiplies nothing."""
    return (WINDOW * LETTER_WIDTH + vocabulary) * hidden


def next_letter_loss(model: WindowModel, stream: Tensor, ends: Tensor) -> Tensor:
    """Nats on the letters at the places `ends`, each from the WINDOW letters before it."""
    windows = stream[ends[:, None] + torch.arange(-WINDOW, 0)]  # (B, W)
    return F.cross_entropy(model(windows), stream[ends])
