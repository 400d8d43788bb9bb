"""Block tables and a continuous-batching scheduler

A server writes for many at once, and every request's cache grows by a token per step to a length that nobody knows beforehand. **PagedAttention**
cuts the memory into blocks of a few tokens that may lie anywhere; a block table per request says where. Blocks are taken as they are needed,
shared by requests with the same beginning, copied when one of them wants to write, and given back at the end.

Requests arrive at random here (a Poisson process over 160 steps) with a common beginning of 40 tokens, some of their own, and answers of
geometric length; three schedulers serve the same requests:

| scheduler | joins and leaves | memory |
|---|---|---|
| static | a batch starts and ends together | reserved for the longest answer, in one stretch |
| reserved | at every step (continuous) | reserved for the longest answer, in one stretch |
| paged | at every step (continuous) | a block when the last is full; when none is free, the latest request is put off |

A step gives each running request one token, and takes as long for one request as for twenty, as it does where reading the weights is what
takes the time; a newcomer's prompt is read in the step it joins. The schedulers only keep the books. Beside them three short sequences with
real keys and values grow in blocks of this size, and attention through their tables is compared with attention over a cache in one piece.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import plotly.graph_objects as go
import torch
import torch.nn.functional as F

from backend.questions import Form, Question
from models.attention import scaled_dot_product
from models.paged_cache import BlockPool, BlockTable, PagedKeyValues
from models.serving import Block, Request, Scheduler, Served, serve
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Stops, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Cell, Frame, Playback

TOPIC = "vllm-paged-attention"
REFERENCE = "torch SDPA over a contiguous cache; Little's law; a batch's length by hand"
MECHANISM = (BlockTable.append, BlockTable.fork, BlockPool.take_stretch, PagedKeyValues.gather, serve)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g opacity=".6"><rect x="12" y="18" width="26" height="14"/><rect x="12" y="38" width="26" height="14"/><rect x="12" y="58" width="26" height="14"/></g>
<g stroke="none"><path d="M82 14h18v16H82z" fill="#d4620f"/><path d="M126 36h18v16h-18z" fill="#1f77c9"/><path d="M82 58h18v16H82zM104 36h18v16h-18z" fill="#0f9d77"/></g>
<g opacity=".45"><path d="M82 14h62v60H82zM82 36h62M82 58h62M104 14v60M126 14v60"/></g><path d="M38 25h44M38 45c34 0 50 0 66 0M38 65h44" stroke-dasharray="3 4"/></svg>"""

SLUG = "paged-attention-sim"
SCHEDULERS = {"static": "static batch", "reserved": "continuous, reserved", "paged": "continuous, paged"}
ARRIVING = 160  # steps in which requests arrive; then the rest is served
PREFIX = 40  # tokens that all requests begin with
OWN = (8, 24)  # fewest and most tokens of a prompt after the prefix
TAIL = 4  # the longest answer, in means of the answers' length
ROWS = (8, 16)  # blocks in a row of the map: few, or many
MOST_CELLS = 16_000  # of a playback


@dataclass(frozen=True)
class Figures:
    """What a run comes to."""

    served: Served
    requests: tuple[Request, ...]
    slots: int
    size: int

    @property
    def throughput(self) -> float:
        """Tokens per step."""
        return sum(self.served.writing) / self.served.steps

    @property
    def times(self) -> list[int]:
        """Steps in the system, one per request."""
        return sorted(self.served.finished[request.number] - request.arrives + 1 for request in self.requests)

    @property
    def mean_time(self) -> float:
        return sum(self.times) / len(self.times)

    @property
    def slow_time(self) -> float:
        """95 of 100 requests are faster."""
        return self.times[min(int(0.95 * len(self.times)), len(self.times) - 1)]

    @property
    def waste(self) -> float:
        """Share of the slots taken that hold no token, over all steps."""
        taken = sum(self.served.used) * self.size
        return 1 - sum(self.served.filled) / taken

    @property
    def filled(self) -> float:
        """Share of the whole memory that holds tokens, until the last request arrived."""
        busy = self.served.filled[: self.requests[-1].arrives + 1]
        return sum(busy) / len(busy) / self.slots

    @property
    def taken(self) -> float:
        busy = self.served.used[: self.requests[-1].arrives + 1]
        return sum(busy) * self.size / len(busy) / self.slots


@dataclass(frozen=True)
class Result:
    size: int
    slots: int
    scheduler: str
    sharing: bool
    runs: Mapping[str, Figures]  # scheduler -> what it came to
    apart: Figures  # paged without sharing, whatever the switch says
    difference: float  # of attention through the blocks

    @property
    def here(self) -> Figures:
        return self.runs[self.scheduler]

    @property
    def requests(self) -> int:
        return len(self.here.requests)


def compute(
    size: Annotated[int, Stops(4, 8, 16, 32, 64, label="Block size", unit="tokens")] = 16,
    slots: Annotated[int, Stops(512, 1024, 2048, 4096, label="Memory", unit="tokens", help="How many tokens' keys and values fit.")] = 1024,
    rate: Annotated[float, Stops(0.05, 0.1, 0.2, 0.3, 0.4, 0.6, label="Requests per step", help="Mean of a Poisson process.")] = 0.3,
    answer: Annotated[int, Stops(8, 16, 32, 64, label="Mean answer", unit="tokens", help="Lengths are geometric, cut at four means.")] = 32,
    scheduler: Annotated[str, Choice(SCHEDULERS, label="Scheduler", help="Which run the first picture shows.")] = "paged",
    sharing: Annotated[bool, Toggle(label="Share the common prefix", help="Its 40 tokens are kept once; only pages can be shared.")] = False,
    seed: Annotated[int, Seed(label="Random draw")] = 0,
) -> Result:
    longest = min(TAIL * answer, slots - PREFIX - OWN[1] - 2 * size)  # one request alone must fit, beside the kept prefix
    setting = (size, slots, rate, answer, longest, seed)
    runs = {name: _run(name, *setting, sharing=sharing and name == "paged", watched=name == scheduler) for name in SCHEDULERS}
    apart = _run("paged", *setting, sharing=False, watched=False) if sharing else runs["paged"]
    return Result(size, slots, scheduler, sharing, runs, apart, _through_blocks(size, seed))


@functools.lru_cache(maxsize=64)
def _run(
    scheduler: Scheduler, size: int, slots: int, rate: float, answer: int, longest: int, seed: int, *, sharing: bool = False, watched: bool = False
) -> Figures:
    requests = _arrivals(rate, answer, longest, seed)
    watch = range(0, ARRIVING, max(2, -(-ARRIVING * (slots // size) // MOST_CELLS))) if watched else ()
    served = serve(requests, scheduler, BlockPool(slots // size, size), longest=longest, prefix=PREFIX if sharing else 0, watch=watch)
    return Figures(served, requests, slots, size)


@functools.lru_cache(maxsize=64)
def _arrivals(rate: float, answer: int, longest: int, seed: int) -> tuple[Request, ...]:
    """Gaps of a Poisson process are exponential; the first request comes at once, so that there is something to see."""
    rng, at, made = random.Random(seed), 0.0, []
    while at < ARRIVING:
        length = 1
        while rng.random() > 1 / answer and length < longest:
            length += 1
        made.append(Request(len(made), int(at), PREFIX + rng.randint(*OWN), length))
        at += rng.expovariate(rate)
    return tuple(made)


@functools.lru_cache(maxsize=64)
def _through_blocks(size: int, seed: int) -> float:
    """Two sequences grow in turns and a third forks off: attention through the tables against attention over each cache in one piece."""
    generator = torch.Generator().manual_seed(seed)
    pool = BlockPool(3 * (-(-60 // size)), size)
    cache, tables = PagedKeyValues(pool, heads=2, head_size=16), [BlockTable(pool), BlockTable(pool)]
    whole = [torch.zeros(2, 0, 2, 16)] * 2
    for step in range(12):
        if step == 6:
            tables.append(tables[0].fork())
            whole.append(whole[0])
        for at in range(len(tables)):
            new = torch.randn(2, 1 + (step + at) % 3, 2, 16, generator=generator)  # (k and v, T, H, D)
            cache.append(tables[at], *new)
            whole[at] = torch.cat([whole[at], new], dim=1)
    q = torch.randn(2, 16, generator=generator)
    return max((cache.attend(q, table) - _in_one_piece(q, kv)).abs().max().item() for table, kv in zip(tables, whole))


def _in_one_piece(q: torch.Tensor, kv: torch.Tensor) -> torch.Tensor:
    k, v = kv.transpose(1, 2)  # (H, S, D)
    return scaled_dot_product(q[:, None], k, v)[0][:, 0]


def figures(result: Result) -> dict[str, go.Figure | Playback]:
    return {
        "The memory, block by block": _map(result),
        "What the memory holds while requests arrive": _memory(result),
        "Requests in the system": _in_system(result),
        "Tokens per step": bars(
            list(SCHEDULERS), [result.runs[name].throughput for name in SCHEDULERS], x_axis=axis(), y_axis=axis("tokens per step"), colour=2
        ),
        "From arrival to the last token: mean, and 95th percentile": bars(
            list(SCHEDULERS),
            {"mean": [result.runs[name].mean_time for name in SCHEDULERS], "p95": [result.runs[name].slow_time for name in SCHEDULERS]},
            x_axis=axis(),
            y_axis=axis("steps"),
        ),
    }


def _map(result: Result) -> Playback:
    maps, count = result.here.served.maps, result.slots // result.size
    frames, before = [], [Block((), 0)] * count
    for step, blocks in maps.items():
        frames.append(Frame(_told(result, step, before, blocks), _rows(before, blocks, result.size)))
        before = blocks
    width = _width(count)
    return Playback(
        frames,
        row_names=[str(first) for first in range(0, count, width)],
        tones={1: "one request's tokens", 2: "shared by several", 3: "reserved, still empty"},
        start=min(len(frames) - 1, 24),
        height=420,
    )


def _rows(before: list[Block], blocks: list[Block], size: int) -> list[list[Cell]]:
    cells = [_cell(was, block, size) for was, block in zip(before, blocks)]
    width = _width(len(cells))
    return [cells[first : first + width] for first in range(0, len(cells), width)]


def _width(count: int) -> int:
    return ROWS[count > 128]


def _cell(was: Block, block: Block, size: int) -> Cell:
    return _drawn(block.owners, block.filled, size, was.owners != block.owners and bool(block.owners))


@functools.lru_cache(maxsize=4096)  # few different ones, many times over: a map has thousands of cells
def _drawn(owners: tuple[int, ...], filled: int, size: int, changed: bool) -> Cell:
    if not owners:
        return Cell("")
    if len(owners) > 1:
        return Cell(f"×{len(owners)}", 1, 2, mark=changed)
    return Cell("P" if owners[0] < 0 else str(owners[0]), filled / size, 1 if filled else 3, mark=changed)


def _told(result: Result, step: int, before: list[Block], blocks: list[Block]) -> str:
    served = result.here.served
    taken = sum(not was.owners and bool(block.owners) for was, block in zip(before, blocks))
    given_back = sum(bool(was.owners) and not block.owners for was, block in zip(before, blocks))
    shared = sum(len(block.owners) > 1 for block in blocks)
    sharing = f", {shared} of them shared" if shared else ""
    done = served.in_system[step] - served.writing[step] - served.waiting[step]
    holding = f" and {done} are done but hold their place" if done else ""
    return (
        f"Step {step}: {served.writing[step]} requests write, {served.waiting[step]} wait{holding}; {served.used[step]} of {len(blocks)} blocks are taken{sharing}, "
        f"{taken} newly and {given_back} given back since the last picture; {served.filled[step]} of {served.used[step] * result.size} slots taken hold a token."
    )


def _memory(result: Result) -> go.Figure:
    runs = [result.runs[name] for name in SCHEDULERS]
    series = {
        "tokens": [run.filled for run in runs],
        "taken, but empty": [run.taken - run.filled for run in runs],
        "free": [1 - run.taken for run in runs],
    }
    return bars(list(SCHEDULERS), series, x_axis=axis(), y_axis=axis("share of the memory", span=(0, 1.02)), barmode="stack")


def _in_system(result: Result) -> go.Figure:
    last = max(run.served.steps for run in result.runs.values())
    places = range(0, last, max(1, last // 120))
    series = {name: [_at(result.runs[name].served.in_system, step) for step in places] for name in SCHEDULERS}
    return lines(
        list(places),
        series,
        x_axis=axis(f"step (nobody arrives after {ARRIVING})"),
        y_axis=axis("requests, waiting and running"),
        strong=result.scheduler,
        markers=False,
        upright=[(ARRIVING, "")],
    )


def _at(counts: list[int], step: int) -> float:
    return counts[step] if step < len(counts) else 0


def facts(result: Result) -> dict[str, float]:
    here = result.here
    return {
        "requests": result.requests,
        "block size": result.size,
        "blocks": result.slots // result.size,
        "throughput": here.throughput,
        "time": here.mean_time,
        "waste": 100 * here.waste,
        "put off": here.served.put_off,
        "difference": result.difference,
        "copies": here.served.copies,
        **{f"{name} throughput": run.throughput for name, run in result.runs.items()},
    }


def says(result: Result) -> str:
    here = result.here
    others = " and ".join(f"{numeral(result.runs[name].throughput)} with {SCHEDULER_WORDS[name]}" for name in SCHEDULERS if name != result.scheduler)
    put_off = f"; {numeral(here.served.put_off)} times a request was put off for want of a block" if here.served.put_off else ""
    exactly = f" to within {numeral(result.difference)}" if result.difference else ", to the last bit"
    copies = f"; {numeral(here.served.copies)} shared blocks were copied before writing" if here.served.copies else ""
    return (
        f"{numeral(result.requests)} requests in {result.slots // result.size} blocks of {result.size} tokens, with {SCHEDULER_WORDS[result.scheduler]}: {numeral(here.throughput)} tokens per step "
        f"({others}), {numeral(here.mean_time)} steps from arrival to the last token on average, and {numeral(100 * here.waste)}% of the slots taken hold nothing{put_off}{copies}; "
        f"attention through a table is that over a cache in one piece{exactly}."
    )


SCHEDULER_WORDS = {"static": "static batches", "reserved": "continuous batching over reservations", "paged": "continuous batching over pages"}


TRY = [
    Experiment(
        title="Reservations",
        settings={"scheduler": "reserved"},
        ask="Continuous batching, but each request reserves memory for the longest answer (128 tokens; the mean is 32). What share of the memory taken holds no token?",
        options=("About a tenth", "More than half", "None: the memory is full"),
        right=1,
        why="Every request takes up to 192 tokens' worth and most use less than half of it. The scheduler cannot know which. So five fit at once, the rest wait, and the queue grows.",
        look="The first picture: the blocks in the colour of “reserved, still empty”. The second: the middle bar.",
        holds=lambda result: result.here.waste > 0.5,
        tempting={0: "That would be so if answers were nearly as long as the longest.", 2: "Full of reservations."},
    ),
    Experiment(
        title="Static batches",
        settings={"scheduler": "static"},
        ask="Now batches start and end together. Compared with continuous batching over the same reservations, how many tokens per step?",
        options=("About as many: the memory is the same", "Less than two thirds", "More: there is less to schedule"),
        right=1,
        why="A batch lasts as long as its longest answer, with lengths that scatter widely. The others hold their places long after they are done, and nobody may take them.",
        look="The fourth picture, left and middle. In the first, step on: the blocks of finished requests stay taken.",
        holds=lambda result: result.here.throughput < 0.67 * result.runs["reserved"].throughput,
        tempting={
            0: "The memory is, but most of the batch idles while the longest is written.",
            2: "Scheduling costs nothing here, and little in reality.",
        },
    ),
    Experiment(
        title="A shared beginning",
        settings={"sharing": True},
        ask="All prompts begin with the same 40 tokens: two and a half blocks. With sharing, how many blocks does a newcomer copy?",
        options=("None: a shared block is shared", "One: the half-full block that it writes into", "Three: the whole prefix"),
        right=1,
        why="Its own first token goes into the third block, which others read: that one is copied, the two full ones stay shared for good. On average less memory is taken for the same work.",
        look="The first picture: the cells with ×, shared by so many; and the end of the sentence.",
        holds=lambda result: (
            result.here.served.copies == result.requests + result.here.served.put_off
            and sum(result.here.served.used) < 0.85 * sum(result.apart.served.used)
        ),
        tempting={0: "Writing into it would change the others' cache.", 2: "Sharing goes block by block."},
    ),
    Experiment(
        title="Large blocks",
        settings={"size": 64},
        ask="Blocks of 64 tokens instead of 16. Paging wastes at most the rest of each request's last block. What does that come to here?",
        options=("Still a few percent", "More than a quarter of what is taken", "The same as with reservations"),
        right=1,
        why="On average half a block per request stays empty: 32 slots beside some 70 tokens of cache. With blocks of 16 it is 8. Small blocks waste less and mean longer tables; 16 is a compromise.",
        look="The second picture: the upper part of the right bar. The figure in the sentence.",
        holds=lambda result: 0.25 < result.here.waste < result.runs["reserved"].waste,
        tempting={
            0: "True of long sequences; these are hardly longer than a block.",
            2: "A reservation wastes all of the answer's tail, a page only its end.",
        },
    ),
    Experiment(
        title="More than it can serve",
        settings={"rate": 0.6, "slots": 512},
        ask="Twice as many requests, half the memory. Does paging keep the queue short?",
        options=("Yes: nothing is wasted", "No: it grows as long as requests arrive, with every scheduler", "It grows only with reservations"),
        right=1,
        why="More arrives than the memory can work on. Paging writes more tokens per step than the others, and also puts requests off; but the queue grows by the difference of "
        "the two rates at every step, and the time that each request stays grows with it.",
        look="The third picture: all three lines rise until step 160.",
        holds=lambda result: (
            all(run.served.in_system[ARRIVING - 1] > 1.5 * run.served.in_system[ARRIVING // 2] for run in result.runs.values())
            and result.here.served.put_off > 0
        ),
        tempting={0: "Little is, and still it is not enough.", 2: "They are worse off, but paging is beyond its limit too."},
    ),
]


def verify() -> list[Check]:
    """Attention through blocks, Little's law in every run, and batches whose length can be worked out by hand."""
    pool = BlockPool(64, 4)
    cache, table, other = PagedKeyValues(pool, heads=4, head_size=16), BlockTable(pool), BlockTable(pool)
    generator = torch.Generator().manual_seed(1)
    kv = torch.randn(2, 50, 4, 16, generator=generator)
    for at in range(50):  # two sequences in turns, so that their blocks lie mixed
        cache.append(table, kv[0, at : at + 1], kv[1, at : at + 1])
        cache.append(other, kv[1, at : at + 1], kv[0, at : at + 1])
    fork = table.fork()
    cache.append(fork, kv[0, :1], kv[1, :1])
    q = torch.randn(4, 16, generator=generator)
    k, v = kv.transpose(1, 2)
    off = max(
        (cache.attend(q, found) - F.scaled_dot_product_attention(q[None, :, None], k[None, :, :count], v[None, :, :count])[0, :, 0])
        .abs()
        .max()
        .item()
        for found, count in ((table, 50),)
    )
    longer = torch.cat([kv, kv[:, :1]], dim=1).transpose(1, 2)
    forked = (cache.attend(q, fork) - F.scaled_dot_product_attention(q[None, :, None], *longer[:, None])[0, :, 0]).abs().max().item()
    little = 0.0
    for scheduler in SCHEDULERS:
        for rate, slots in ((0.3, 1024), (0.6, 512)):
            run = _run(scheduler, 16, slots, rate, 32, 128, 1)
            L, steps = sum(run.served.in_system) / run.served.steps, run.served.steps
            little = max(little, abs(L - len(run.requests) / steps * run.mean_time))
    answers = (10, 20, 30, 100)
    batch = serve([Request(at, 0, 4, answer) for at, answer in enumerate(answers)], "static", BlockPool(999, 1), longest=100)
    return [
        Check("attention through a table", "torch F.scaled_dot_product_attention, one piece", off, 1e-6),
        Check("the same after a fork and a copy", "torch F.scaled_dot_product_attention, one piece", forked, 1e-6),
        Check("mean number in the system, six runs", "Little's law: arrival rate times mean time", little, 1e-9),
        Check("use of a static batch of 10, 20, 30, 100", "160 of 400 slot-steps, by hand", abs(sum(batch.writing) / (4 * batch.steps) - 0.4), 1e-12),
    ]


# Computed questions; what was drawn travels in settings["drawn"].


def ask_waste(rng: random.Random) -> Question:
    while True:
        tokens, size = rng.randint(30, 900), rng.choice([8, 16, 32, 64])
        if tokens % size == 0:
            continue
        pool = BlockPool(tokens, size)
        BlockTable(pool).append(tokens)
        right = pool.used * size - sum(pool.filled)
        mistakes = [
            Mistake("the-remainder", tokens % size, "This many tokens stand in the last block; what is empty is the rest of it."),
            Mistake("half-a-block", size / 2, "Half a block is the average over many lengths."),
            Mistake("a-whole-block", size, "The last block is partly filled."),
            Mistake("one-off", right + 1, "Blocks begin at token 0: the count of slots less the count of tokens."),
            Mistake("number-of-blocks", pool.used, "This is how many blocks are taken."),
        ]
        options = number_options(rng, right, "Slots of the blocks taken, less the tokens.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A sequence of {tokens} tokens is held in blocks of {size}. How many slots are taken and empty?",
        answer="Round up to whole blocks, then subtract the tokens.",
        options=options,
        working=(f"$\\lceil{tokens}/{size}\\rceil={pool.used}$ blocks have {pool.used * size} slots", f"{pool.used * size} − {tokens} = {right}"),
        lab=SLUG,
        settings={"size": size, "drawn": [tokens, size]},
        level=1,
    )


def second_waste(question: Question) -> float:
    """The next multiple above, less the number: the remainder of its negative."""
    tokens, size = question.settings["drawn"]
    return float(-tokens % size)


def ask_samples(rng: random.Random) -> Question:
    """Several answers drawn from one prompt, with copy-on-write."""
    while True:
        prompt, answer, samples, size = rng.randint(40, 400), rng.randint(20, 120), rng.randint(2, 8), rng.choice([8, 16, 32])
        pool = BlockPool(samples * (-(-(prompt + answer) // size)) + 1, size)
        first = BlockTable(pool)
        first.append(prompt)
        tables = [first, *(first.fork() for _ in range(samples - 1))]
        for table in tables:
            table.append(answer)
        right, each = pool.used, -(-(prompt + answer) // size)
        mistakes = [
            Mistake("stored-apart", samples * each, "Full blocks of the prompt are stored once for all."),
            Mistake(
                "prompt-rounded-up",
                -(-prompt // size) + samples * (-(-answer // size)),
                "An answer does not begin in a new block: it goes on in a copy of the prompt's last one.",
            ),
            Mistake(
                "nothing-copied",
                -(-prompt // size) + samples * (each - -(-prompt // size)),
                "The half-full block must be copied, or the samples would overwrite each other.",
            ),
            Mistake("one-sample", each, "This is one sample; each answer needs blocks of its own."),
            Mistake(
                "all-tokens-together",
                -(-(prompt + samples * answer) // size),
                "Blocks are not shared by different answers: each has its own last block.",
            ),
        ]
        if prompt % size == 0:
            continue
        options = number_options(rng, right, "Full prompt blocks once, the rest for each sample.", mistakes)
        if options:
            break
    full = prompt // size
    return Question(
        form=Form.CHOICE,
        prompt=f"{samples} samples of {answer} tokens each are drawn from one prompt of {prompt} tokens, in blocks of {size} with copy-on-write. How many blocks are taken when all are written?",
        answer="The prompt's full blocks exist once; everything after them once per sample.",
        options=options,
        working=(
            f"full blocks of the prompt: $\\lfloor{prompt}/{size}\\rfloor={full}$",
            f"a sample's table has $\\lceil{prompt + answer}/{size}\\rceil={each}$ entries, so {each - full} of its own",
            f"${full}+{samples}\\cdot{each - full}={right}$",
        ),
        lab=SLUG,
        settings={"size": size, "sharing": True, "drawn": [prompt, answer, samples, size]},
        level=2,
    )


def second_samples(question: Question) -> float:
    """Counting blocks by name: a block is known by its sample and place, and full blocks of the prompt by their place alone."""
    prompt, answer, samples, size = question.settings["drawn"]
    names = set()
    for sample in range(samples):
        for token in range(prompt + answer):
            place = token // size
            names.add(place if (place + 1) * size <= prompt else (sample, place))
    return float(len(names))


def ask_static_use(rng: random.Random) -> Question:
    while True:
        answers = [rng.randint(1, 12) * 10 for _ in range(rng.choice([3, 4, 5]))]
        served = serve([Request(at, 0, 4, answer) for at, answer in enumerate(answers)], "static", BlockPool(40, 32), longest=120)
        right = 100 * sum(served.writing) / (len(answers) * served.steps)
        top, mean = max(answers), sum(answers) / len(answers)
        mistakes = [
            Mistake("shortest-over-longest", 100 * min(answers) / top, "The others count too, each with its own length."),
            Mistake("idle-share", 100 - right, "This is the share that idles."),
            Mistake(
                "without-the-longest", 100 * (sum(answers) - top) / ((len(answers) - 1) * top), "The longest one's own steps are useful as well."
            ),
            Mistake("over-the-sum", 100 * top / sum(answers), "The batch does not run one after the other; it lasts as long as its longest."),
            Mistake("median", 100 * sorted(answers)[len(answers) // 2] / top, "It is the mean length that counts."),
            Mistake("half-the-mean", 50 * mean / top, "All slots are taken from the start."),
        ]
        options = number_options(rng, right, "Tokens written over slots times steps.", mistakes, unit="%")
        if options:
            break
    listed = ", ".join(map(str, answers[:-1])) + f" and {answers[-1]}"
    return Question(
        form=Form.CHOICE,
        prompt=f"{len(answers)} requests need {listed} tokens and run as one static batch. What share of the slot-steps does useful work?",
        answer="The batch lasts as long as its longest; useful are the tokens written.",
        options=options,
        working=(
            f"slot-steps: ${len(answers)}\\cdot{top}={len(answers) * top}$",
            f"tokens: {sum(answers)}",
            f"{sum(answers)} / {len(answers) * top} = {numeral(right)}%",
        ),
        lab=SLUG,
        settings={"scheduler": "static", "drawn": answers},
        level=1,
    )


def second_static_use(question: Question) -> float:
    """The mean length against the longest."""
    answers = question.settings["drawn"]
    return 100 * (sum(answers) / len(answers)) / max(answers)


questions = {"empty-slots": ask_waste, "samples-of-one-prompt": ask_samples, "static-batch-use": ask_static_use}
second = {"empty-slots": second_waste, "samples-of-one-prompt": second_samples, "static-batch-use": second_static_use}
