"""Nucleus (top-p) sampling: keep the most likely tokens until their probabilities reach p, rule out the rest.

The token that crosses the line is kept, so at least one always is. Shapes: z (V,) logits; ruled-out tokens get -inf.
"""

import torch
from torch import Tensor


def keep_nucleus(z: Tensor, top_p: float) -> Tensor:
    if not 0 < top_p <= 1:
        raise ValueError(f"top-p is a share above 0 and at most 1, and {top_p} came.")
    ordered, order = torch.sort(z, descending=True, stable=True)
    p = torch.softmax(ordered, dim=-1)
    before = p.cumsum(dim=-1) - p  # what the likelier tokens hold together
    out = torch.full_like(z, float("-inf"))
    kept = before < top_p
    out[order[kept]] = ordered[kept]
    return out
