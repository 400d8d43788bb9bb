"""Who runs next: three schedulers of a server that writes for many at once, over the blocks of models/paged_cache.

    static      a batch starts together and ends together; each request has a stretch reserved for the longest answer
    reserved    continuous batching (Orca, Yu et al. 2022): joining and leaving at every step, but with the same reservations
    paged       continuous batching over pages (vLLM, Kwon et al. 2023): blocks are taken as tokens come; when none is free, the request that
                arrived last is put off and its cache is computed again later

Time goes in steps. In a step every running request gets one token; a request that joins has its prompt read in that same step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from models.paged_cache import BlockPool, BlockTable, OutOfBlocks

Scheduler = Literal["static", "reserved", "paged"]


@dataclass(frozen=True)
class Request:
    number: int
    arrives: int  # step
    prompt: int  # tokens, the common prefix included
    answer: int  # tokens it will turn out to write; the scheduler does not know


@dataclass(eq=False)  # two are the same only if they are the same one
class Running:
    request: Request
    table: BlockTable
    written: int


@dataclass(frozen=True)
class Block:
    """A block as one step left it."""

    owners: tuple[int, ...]  # numbers of the requests, -1 for the prefix that the server keeps
    filled: int


@dataclass
class Served:
    finished: dict[int, int] = field(default_factory=dict)  # request -> the step that it left in
    in_system: list[int] = field(default_factory=list)  # per step, waiting and running
    waiting: list[int] = field(default_factory=list)  # per step, those without a place
    writing: list[int] = field(default_factory=list)  # per step, requests that got a token
    used: list[int] = field(default_factory=list)  # per step, blocks in use
    filled: list[int] = field(default_factory=list)  # per step, slots that hold a token
    maps: dict[int, list[Block]] = field(default_factory=dict)  # the steps that were watched
    put_off: int = 0
    copies: int = 0

    @property
    def steps(self) -> int:
        return len(self.in_system)


def serve(
    requests: Sequence[Request],
    scheduler: Scheduler,
    pool: BlockPool,
    *,
    longest: int,
    prefix: int = 0,
    watch: Collection[int] = (),
) -> Served:
    """Until the last answer is written. `longest` is the answer to reserve for; a `prefix` of so many tokens is kept once and shared (paged)."""
    server = _Server(scheduler, pool, longest, prefix)
    coming, step = deque(sorted(requests, key=lambda request: request.arrives)), 0
    while coming or server.waiting or server.running:
        while coming and coming[0].arrives <= step:
            server.waiting.append((coming.popleft(), 0))
        server.admit()
        present = len(server.waiting) + len(server.running)
        writing = server.write()
        server.record(present, writing, watch)
        server.leave(step)
        step += 1
    return server.told


class _Server:
    def __init__(self, scheduler: Scheduler, pool: BlockPool, longest: int, prefix: int) -> None:
        self.scheduler, self.pool, self.longest = scheduler, pool, longest
        self.waiting: deque[tuple[Request, int]] = deque()  # and how many tokens it had written before it was put off
        self.running: list[Running] = []
        self.told = Served()
        self.kept = BlockTable(pool)
        if scheduler == "paged" and prefix:
            self.kept.append(prefix)

    def admit(self) -> None:
        if self.scheduler == "static" and self.running:
            return  # the batch has to end first
        while self.waiting:
            request, written = self.waiting[0]
            try:
                table = self._room(request, written)
            except OutOfBlocks as error:
                if not self.running:
                    raise ValueError(f"Request {request.number} of {request.prompt} tokens fits into no empty memory: {error}") from error
                return  # first come, first served: nobody overtakes
            self.waiting.popleft()
            self.running.append(Running(request, table, written))

    def _room(self, request: Request, written: int) -> BlockTable:
        if self.scheduler != "paged":
            table = BlockTable(self.pool)
            table.reserve(-(-(request.prompt + self.longest) // self.pool.size))
            table.append(request.prompt)
            return table
        table = self.kept.fork()
        own = request.prompt - self.kept.length + written
        if table.needs(own + 1) > len(self.pool.free):  # room for one token at least, or it would be put off at once
            table.release()
            raise OutOfBlocks(f"{own} tokens do not fit into {len(self.pool.free)} free blocks")
        self.told.copies += len(table.append(own))
        return table

    def write(self) -> int:
        """One token for each that is not done."""
        count = 0
        for run in list(self.running):
            if run in self.running and run.written < run.request.answer and self._extend(run):
                run.written += 1
                count += 1
        return count

    def _extend(self, run: Running) -> bool:
        while True:
            try:
                self.told.copies += len(run.table.append())
                return True
            except OutOfBlocks:
                last = max(self.running, key=lambda other: other.request.number)
                if last is run and len(self.running) == 1:
                    raise ValueError(f"Request {run.request.number} alone needs more than {self.pool.count} blocks.") from None
                self._put_off(last)
                if last is run:
                    return False

    def _put_off(self, run: Running) -> None:
        run.table.release()
        self.running.remove(run)
        self.waiting.appendleft((run.request, run.written))
        self.told.put_off += 1

    def leave(self, step: int) -> None:
        done = [run for run in self.running if run.written == run.request.answer]
        if self.scheduler == "static" and len(done) < len(self.running):
            return  # finished ones hold their place
        for run in done:
            run.table.release()
            self.running.remove(run)
            self.told.finished[run.request.number] = step

    def record(self, present: int, writing: int, watch: Collection[int]) -> None:
        if self.told.steps in watch:
            self.told.maps[self.told.steps] = self._map()
        self.told.in_system.append(present)
        self.told.waiting.append(len(self.waiting))
        self.told.writing.append(writing)
        self.told.used.append(self.pool.used)
        self.told.filled.append(sum(self.pool.filled))

    def _map(self) -> list[Block]:
        owners: list[list[int]] = [[] for _ in range(self.pool.count)]
        for number, table in [(-1, self.kept), *((run.request.number, run.table) for run in self.running)]:
            for block in table.blocks:
                owners[block].append(number)
        return [Block(tuple(named), filled) for named, filled in zip(owners, self.pool.filled)]
