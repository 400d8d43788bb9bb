"""How many bytes are alive at once while a piece of torch code runs: a look at every operation's results as they come and go.

On the "meta" device nothing is computed or allocated, yet every tensor has a size and a lifetime, so the peak of a text of a million tokens can be
seen without a machine that could hold it. What a fused kernel keeps inside itself is not seen, just as it is not in memory.
"""

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class PeakMemory(TorchDispatchMode):
    """`with PeakMemory() as memory: ...` and then `memory.peak`: bytes of the results alive at the worst moment, inputs not counted."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        results = function(*args, **(kwargs or {}))
        for result in results if isinstance(results, tuple | list) else (results,):
            if isinstance(result, torch.Tensor) and not result_is_view(function):
                self.born(result.untyped_storage())
        return results

    def born(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self.known:
            return
        self.known.add(key)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self.died, key, storage.nbytes())

    def died(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def result_is_view(function: Any) -> bool:
    """A view has no memory of its own."""
    return any(returned.alias_info is not None for returned in function._schema.returns)
