"""PagedAttention (Kwon et al. 2023): a key-value cache in blocks of a fixed number of tokens that may lie anywhere in memory.

A sequence has a block table: entry i says in which block its tokens i·s … i·s + s - 1 lie. A block is taken when the last one is full, so at
most one block of a sequence is partly empty. Blocks know how many tables name them; a table that wants to write into a shared block first gets
a copy of it (copy-on-write), and a block that nobody names is free again.

`BlockPool` and `BlockTable` only keep the books; `PagedKeyValues` holds the keys and values themselves.
"""

from __future__ import annotations

import heapq

import torch
from torch import Tensor

from models.attention import scaled_dot_product


class OutOfBlocks(Exception):
    """No block is free, or no stretch of free blocks is long enough."""


class BlockPool:
    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self.users = [0] * count  # tables that name the block
        self.filled = [0] * count  # slots of it that hold a token
        self.free = list(range(count))  # a heap: the lowest number goes first

    def take(self) -> int:
        if not self.free:
            raise OutOfBlocks(f"All {self.count} blocks are in use.")
        block = heapq.heappop(self.free)
        self.users[block], self.filled[block] = 1, 0
        return block

    def take_stretch(self, length: int) -> list[int]:
        """Neighbouring blocks, the first stretch that fits: what caches without a block table need."""
        run = 0
        for block in range(self.count):
            run = 0 if self.users[block] else run + 1
            if run == length:
                stretch = list(range(block - length + 1, block + 1))
                self.free = [free for free in self.free if free not in stretch]
                heapq.heapify(self.free)
                for taken in stretch:
                    self.users[taken], self.filled[taken] = 1, 0
                return stretch
        raise OutOfBlocks(f"No {length} neighbouring blocks are free; {len(self.free)} are free in all.")

    def give_back(self, block: int) -> None:
        self.users[block] -= 1
        if not self.users[block]:
            self.filled[block] = 0
            heapq.heappush(self.free, block)

    @property
    def used(self) -> int:
        return self.count - len(self.free)


class BlockTable:
    """One sequence: where its tokens lie."""

    def __init__(self, pool: BlockPool) -> None:
        self.pool = pool
        self.blocks: list[int] = []
        self.length = 0

    def needs(self, tokens: int) -> int:
        """Free blocks that `append(tokens)` would take."""
        held = len(self.blocks)
        writes_into_shared = tokens > 0 and self.length % self.pool.size > 0 and self.pool.users[self.blocks[self.length // self.pool.size]] > 1
        return max(-(-(self.length + tokens) // self.pool.size) - held, 0) + writes_into_shared

    def append(self, tokens: int = 1) -> list[tuple[int, int]]:
        """Make room for `tokens` more; returns the copies that had to be made, (from, to). All or nothing."""
        pool, copies = self.pool, []
        if self.needs(tokens) > len(pool.free):
            raise OutOfBlocks(f"{tokens} more tokens need {self.needs(tokens)} blocks, {len(pool.free)} are free.")
        end = self.length + tokens
        while self.length < end:
            at, used = divmod(self.length, pool.size)
            if at == len(self.blocks):
                self.blocks.append(pool.take())
            elif pool.users[self.blocks[at]] > 1:  # others read it: write into a copy
                copy = pool.take()
                copies.append((self.blocks[at], copy))
                pool.give_back(self.blocks[at])
                self.blocks[at] = copy
            written = min(pool.size - used, end - self.length)
            pool.filled[self.blocks[at]] = used + written
            self.length += written
        return copies

    def reserve(self, blocks: int) -> None:
        """A contiguous stretch for the longest case, taken at once."""
        self.blocks = self.pool.take_stretch(blocks)

    def fork(self) -> BlockTable:
        """Another sequence with the same tokens so far, and not one block more."""
        other = BlockTable(self.pool)
        other.blocks, other.length = list(self.blocks), self.length
        for block in self.blocks:
            self.pool.users[block] += 1
        return other

    def release(self) -> None:
        for block in self.blocks:
            self.pool.give_back(block)
        self.blocks, self.length = [], 0


class PagedKeyValues:
    """Keys and values of one layer in the blocks of a pool: (blocks, s, H, D)."""

    def __init__(self, pool: BlockPool, heads: int, head_size: int) -> None:
        self.pool = pool
        self.k, self.v = torch.zeros(2, pool.count, pool.size, heads, head_size)

    def append(self, table: BlockTable, k: Tensor, v: Tensor) -> None:
        """k, v (T, H, D): the keys and values of the sequence's next T tokens."""
        positions = torch.arange(table.length, table.length + len(k))
        for source, copy in table.append(len(k)):
            self.k[copy], self.v[copy] = self.k[source], self.v[source]
        slots = torch.tensor(table.blocks)[positions // self.pool.size] * self.pool.size + positions % self.pool.size  # (T,) over all blocks
        self.k.flatten(0, 1)[slots], self.v.flatten(0, 1)[slots] = k, v

    def gather(self, table: BlockTable) -> tuple[Tensor, Tensor]:
        """(S, H, D) each: the sequence's blocks in the table's order, the empty end of the last one cut off."""
        k, v = (part[table.blocks].flatten(0, 1)[: table.length] for part in (self.k, self.v))
        return k, v

    def attend(self, q: Tensor, table: BlockTable) -> Tensor:
        """q (H, D), the newest token's -> (H, D)."""
        k, v = self.gather(table)
        return scaled_dot_product(q[:, None], k.transpose(0, 1), v.transpose(0, 1))[0][:, 0]  # (H, 1, D) against (H, S, D)
