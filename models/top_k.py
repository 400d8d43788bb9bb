"""Top-k sampling (Fan et al. 2018): keep the k largest logits, rule out the rest. z (..., V); ruled-out tokens get -inf."""

from torch import Tensor


def keep_top(z: Tensor, k: int) -> Tensor:
    """Tokens that tie with the k-th are kept too: nothing in the logits tells them apart."""
    if k < 1:
        raise ValueError(f"top-k keeps at least one token, and k = {k} came.")
    kth = z.topk(min(k, z.shape[-1]), dim=-1).values[..., -1:]
    return z.masked_fill(z < kth, float("-inf"))
