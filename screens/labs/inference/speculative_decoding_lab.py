"""Draft, verify, accept

Writing one token costs the large model one pass, and that pass could as well check several tokens. So a small **draft** writes
$\\gamma$ tokens, and the **target** looks at all of them at once. A drafted token $x$ is kept with probability
$\\min(1, p(x)/q(x))$; at the first refusal the target draws from what the draft did not cover, $\\max(p-q, 0)$ made to sum to 1.

What comes out follows the target's distribution $p$ *exactly*, with any draft. A bad draft costs time, never quality. With a share
$\\alpha=\\sum_x\\min(p(x),q(x))$ of kept tokens, a pass of the target brings $(1-\\alpha^{\\gamma+1})/(1-\\alpha)$ tokens.

Here a four-layer decoder (0.94 million parameters) is the target and a one-layer decoder (0.12 million) the draft; both know the same 1,024
tokens. The cost of a draft pass, in passes of the target, is yours to set: what it is depends on the machine.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints
from models.speculative import Round, chance, check, expected_tokens, one_round, overlap, residual, speed_up, written
from models.temperature import draw, probabilities, rescale
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, Text, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Strip, TokenStrip

TOPIC = "speculative-decoding"
REFERENCE = "transformers _speculative_sampling; the target's own greedy text; exact enumeration"
MECHANISM = (check, residual, overlap, one_round, expected_tokens, speed_up)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g fill="#1f77c9" stroke="none"><rect x="14" y="18" width="22" height="20" rx="4"/><rect x="42" y="18" width="22" height="20" rx="4"/></g>
<rect x="70" y="18" width="22" height="20" rx="4" stroke="#d4620f" stroke-dasharray="4 3"/><rect x="98" y="18" width="22" height="20" rx="4" opacity=".4"/>
<path d="m72 20 18 16m0-16-18 16" stroke="#d4620f"/><path d="M25 42v10m28-10v10m28-10v10" opacity=".5"/>
<g fill="#0f9d77" stroke="none"><rect x="14" y="56" width="22" height="20" rx="4"/><rect x="42" y="56" width="22" height="20" rx="4"/><rect x="70" y="56" width="22" height="20" rx="4"/></g></svg>"""

SLUG = "speculative-decoding-lab"
WRITTEN = 24
CONTEXT = 80
GAMMAS = tuple(range(1, 9))
DRAWS = 3000
SHOWN = 8
SAMPLES = {
    "A gift": "When Ada and Tom went to the",
    "A sum": "sums: 7 + 5 =",
    "A list": "list: lamp river stone",
    "Agreement": "The keys near the boat",
}
DRAFTS = {"small": "the one-layer draft", "itself": "the target itself", "uniform": "all tokens equal"}
Next = Callable[[Sequence[int], int], Tensor]


@dataclass(frozen=True)
class Result:
    prompt: list[int]
    gamma: int
    cost: float
    rounds: list[Round]
    p: Tensor  # (V,) target's next token after the text
    q: Tensor  # (V,) draft's
    drawn: Tensor  # (DRAWS,) tokens that came out of one speculative step each
    alpha: float  # mean overlap along what was written

    @property
    def tokens(self) -> int:
        return sum(each.kept + 1 for each in self.rounds)

    @property
    def share_kept(self) -> float:
        """Of the drafted tokens that were looked at: those after a refusal were not."""
        looked_at = sum(min(each.kept + 1, len(each.drafted)) for each in self.rounds)
        return sum(each.kept for each in self.rounds) / looked_at


def compute(
    text: Annotated[str, Text(label="Text", limit=200, samples=SAMPLES)] = SAMPLES["A sum"],
    gamma: Annotated[int, Slider(1, 8, 1, label="γ, drafted tokens per round")] = 4,
    draft: Annotated[str, Choice(DRAFTS, label="Draft")] = "small",
    temperature: Annotated[float, Slider(0.1, 2.0, 0.1, label="Temperature", help="For target and draft.")] = 1.0,
    cost: Annotated[float, Stops(0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, label="Cost of a draft pass", help="In passes of the target.")] = 0.2,
    seed: Annotated[int, Seed(label="Random draw")] = 0,
) -> Result:
    tokenizer = checkpoints.load("toy_decoder").tokenizer
    prompt = (tokenizer.encode(text) or [tokenizer.end])[-CONTEXT:]
    target, quick = _next("toy_decoder", temperature), _drafting(draft, temperature)
    rounds, alpha = _rounds(tuple(prompt), gamma, draft, temperature, seed)
    p, q = target(prompt, 1)[0], quick(prompt, 1)[0]
    return Result(prompt, gamma, cost, rounds, p, q, _first_tokens(p, q, seed), alpha)


def _next(name: str, temperature: float) -> Next:
    model = checkpoints.load(name).model

    def probabilities_after(tokens: Sequence[int], n: int) -> Tensor:
        with torch.inference_mode():
            return probabilities(rescale(model(torch.tensor([list(tokens)]))[0, -n:], temperature))

    return probabilities_after


def _drafting(draft: str, temperature: float) -> Next:
    if draft == "uniform":
        return lambda tokens, n: torch.full((n, 1024), 1 / 1024)
    return _next("toy_decoder" if draft == "itself" else "toy_draft", temperature)


@functools.lru_cache(maxsize=64)
def _rounds(prompt: tuple[int, ...], gamma: int, draft: str, temperature: float, seed: int) -> tuple[list[Round], float]:
    generator = torch.Generator().manual_seed(seed)
    target, quick = _next("toy_decoder", temperature), _drafting(draft, temperature)
    text, rounds = list(prompt), []
    while len(text) - len(prompt) < WRITTEN:
        made = one_round(text, gamma, target, quick, torch.rand(2 * gamma + 1, generator=generator))
        rounds.append(made)
        text += [*made.drafted[: made.kept], made.token]
    n = len(text) - len(prompt)
    p, q = target(text[:-1], n), quick(text[:-1], n)
    return rounds, torch.minimum(p, q).sum(dim=-1).mean().item()


def _first_tokens(p: Tensor, q: Tensor, seed: int) -> Tensor:
    """DRAWS speculative steps from the same place, all at once."""
    u = torch.rand(3, DRAWS, generator=torch.Generator().manual_seed(seed))
    x = draw(q, u[0])
    keep = u[1] < p[x] / q[x]
    return torch.where(keep, x, draw(residual(p, q), u[2]))


def figures(result: Result) -> dict[str, Any]:
    return {
        "Draft and target take turns": _turns(result),
        "What comes out follows the target, not the draft": _distribution(result),
        "Speed-up: too large a γ wastes drafts": _speed(result),
        "Tokens per pass of the target": _tokens(result),
    }


def _turns(result: Result) -> TokenStrip:
    show = checkpoints.load("toy_decoder").tokenizer.show
    rows = [Strip("your text", [show(token) for token in result.prompt])]
    for number, each in enumerate(result.rounds, 1):
        kept = each.kept
        marks = ["kept" if at < kept else "refused" if at == kept else "unread" for at in range(len(each.drafted))]
        notes = [
            f"Kept with probability {numeral(c)}." if at <= kept else "It stands after a refusal, so nobody asks."
            for at, c in enumerate(each.chances)
        ]
        from_target = "One more, since all were kept." if kept == len(each.drafted) else "Drawn from what the draft did not cover."
        rows.append(
            Strip(
                f"pass {number}: {kept} of {len(each.drafted)} kept",
                [show(token) for token in [*each.drafted, each.token]],
                [*(c if at <= kept else 0.0 for at, c in enumerate(each.chances)), 0.0],
                [*marks, "target"],
                [*notes, from_target],
                [*(0 if at < kept else 1 if at == kept else 5 for at in range(len(each.drafted))), 2],
            )
        )
    return TokenStrip(rows, value_name="min(1, p/q)")


def _distribution(result: Result) -> Any:
    likeliest = result.p.topk(SHOWN).indices
    drawn = torch.bincount(result.drawn, minlength=len(result.p)) / DRAWS
    show = checkpoints.load("toy_decoder").tokenizer.show
    labels = [*(f"{at}: {show(token).strip() or '␣'}" for at, token in enumerate(likeliest.tolist(), 1)), "others"]

    def with_others(values: Tensor) -> list[float]:
        shares = values[likeliest].tolist()
        return [*shares, max(1 - sum(shares), 0.0)]

    series = {"target p": with_others(result.p), "came out": with_others(drawn), "draft q": with_others(result.q)}
    return bars(labels, series, x_axis=axis("first token after the text"), y_axis=axis("share"))


def _speed(result: Result) -> Any:
    series = {f"cost {numeral(c)}": [speed_up(result.alpha, gamma, c) for gamma in GAMMAS] for c in sorted({0.0, 0.1, 0.5, result.cost})}
    return lines(
        GAMMAS, series, x_axis=axis("γ"), y_axis=axis("times as fast"), strong=f"cost {numeral(result.cost)}", across=[(1, "the target alone")],
        upright=[(result.gamma, "")],
    )  # fmt: skip


def _tokens(result: Result) -> Any:
    series = {"expected": [expected_tokens(result.alpha, gamma) for gamma in GAMMAS], "most: γ + 1": [gamma + 1 for gamma in GAMMAS]}
    here = result.tokens / len(result.rounds)
    return lines(
        GAMMAS, series, x_axis=axis("γ"), y_axis=axis("tokens per pass"), across=[(here, f"this run: {numeral(here)}")], upright=[(result.gamma, "")]
    )


def facts(result: Result) -> dict[str, float]:
    return {
        "gamma": result.gamma,
        "tokens": result.tokens,
        "passes": len(result.rounds),
        "kept": result.share_kept,
        "alpha": result.alpha,
        "cost": result.cost,
        "speed": speed_up(result.alpha, result.gamma, result.cost),
    }


def says(result: Result) -> str:
    return (
        f"With γ = {result.gamma} the target wrote {result.tokens} tokens in {numeral(len(result.rounds))} passes: a share of {numeral(result.share_kept)} of the drafted "
        f"tokens it looked at was kept, against an expected α of {numeral(result.alpha)}; when a draft pass costs {numeral(result.cost)} of its own, that is expected to be "
        f"{numeral(speed_up(result.alpha, result.gamma, result.cost))} times as fast as the target alone."
    )


TRY = [
    Experiment(
        title="A draft that knows nothing",
        settings={"draft": "uniform"},
        ask="The draft now guesses: all 1,024 tokens equally likely. What becomes of the text?",
        options=("It becomes rubbish", "Its quality stays, it is just slow", "It gets a little worse"),
        right=1,
        why="Nearly every guess is refused, and after a refusal the target draws from $\\max(p-q,0)$, which is practically $p$. What comes out follows $p$ with any draft; "
        "only the number of passes changes.",
        look="The second picture: the middle bars follow the target's. The first: about one token per pass.",
        holds=lambda result: (written(result.p, result.q) - result.p).abs().max().item() < 1e-5 and result.tokens / len(result.rounds) < 1.5,
        tempting={0: "A guess is only kept as often as the target would have written it.", 2: "The distribution is the same, not nearly the same."},
    ),
    Experiment(
        title="The perfect draft",
        settings={"draft": "itself", "cost": 1.0},
        ask="The target drafts for itself: every token is kept. A draft pass then costs as much as a pass of the target. Is it faster than the target alone?",
        options=("Yes: γ + 1 tokens in each pass", "No: just as fast", "Much slower"),
        right=1,
        why="$\\gamma+1$ tokens cost $\\gamma$ draft passes and one of the target: the same number of passes per token. A draft pays by being cheap, not only by being right.",
        look="The sentence: α is 1 and the speed-up is 1.",
        holds=lambda result: abs(result.alpha - 1) < 1e-5 and abs(speed_up(result.alpha, result.gamma, result.cost) - 1) < 1e-4,
        tempting={
            0: "So many per pass of the target, but the drafting took as many passes again.",
            2: "All that is drafted is used, so nothing is wasted.",
        },
    ),
    Experiment(
        title="Longer drafts",
        settings={"gamma": 8, "cost": 0.5},
        ask="The small draft at half the cost of the target. Is $\\gamma=8$ faster than $\\gamma=1$?",
        options=("Yes: more tokens per pass", "No, it is slower", "It makes no difference"),
        right=1,
        why="The ninth token is only reached when eight drafts in a row are kept, $\\alpha^8$; the eight draft passes are paid every time. Tokens per pass level off at $1/(1-\\alpha)$, costs grow in step with γ.",
        look="The third picture: the line for cost 0.5 falls, while the one for cost 0 rises and levels off.",
        holds=lambda result: speed_up(result.alpha, 8, 0.5) < speed_up(result.alpha, 1, 0.5),
        tempting={0: "More, but fewer and fewer more.", 2: "Only where the draft costs nothing do further drafts do no harm."},
    ),
]


def verify() -> list[Check]:
    from transformers.generation.utils import _speculative_sampling

    tokenizer = checkpoints.load("toy_decoder").tokenizer
    target, quick = _next("toy_decoder", 1.0), _next("toy_draft", 1.0)
    texts = [tokenizer.encode(text) for text in SAMPLES.values()]
    exact = max((written(quick_p := target(ids, 1)[0], quick(ids, 1)[0]) - quick_p).abs().max().item() for ids in texts)
    different = 0
    for seed in range(60):
        ids, gamma = texts[seed % len(texts)], 4
        text, q = list(ids), []
        generator = torch.Generator().manual_seed(seed)
        for _ in range(gamma):
            q.append(quick(text, 1)[0])
            text.append(int(draw(q[-1], torch.rand(1, generator=generator))))
        p, rows = target(text, gamma + 1), torch.stack(q)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            _, kept = _speculative_sampling(torch.tensor([text]), rows.log()[None], gamma, p.log()[None])
            torch.manual_seed(seed)
            u = torch.rand_like(rows[:, 0])  # the same numbers that it has drawn
        different += check(text[-gamma:], p, rows, u, torch.rand(1, generator=generator)).kept != int(kept)
    greedy = sum(_greedily(ids) != _target_alone(ids) for ids in texts)
    return [
        Check("distribution of what comes out", "the target's own probabilities, by enumeration", exact, 1e-6),
        Check("drafted tokens kept, of 60 rounds that differ", "transformers _speculative_sampling", different, 0),
        Check("texts at temperature 0 that differ", "the target alone, always the likeliest", greedy, 0),
    ]


def _greedily(ids: list[int]) -> list[int]:
    """At temperature 0 both distributions have everything on their likeliest token: a draft is kept when the two agree."""

    def likeliest(name: str) -> Next:
        after = _next(name, 1.0)
        return lambda tokens, n: torch.nn.functional.one_hot(after(tokens, n).argmax(dim=-1), 1024).float()

    text = list(ids)
    while len(text) < len(ids) + 12:
        made = one_round(text, 4, likeliest("toy_decoder"), likeliest("toy_draft"), torch.full((9,), 0.5))
        text += [*made.drafted[: made.kept], made.token]
    return text[len(ids) : len(ids) + 12]


def _target_alone(ids: list[int]) -> list[int]:
    model, text = checkpoints.load("toy_decoder").model, list(ids)
    with torch.inference_mode():
        for _ in range(12):
            text.append(int(model(torch.tensor([text]))[0, -1].argmax()))
    return text[len(ids) :]


# Computed questions; what was drawn travels in settings["drawn"].


def ask_tokens(rng: random.Random) -> Question:
    while True:
        alpha, gamma = rng.choice([0.5, 0.6, 0.7, 0.8, 0.9]), rng.randint(2, 6)
        right = expected_tokens(alpha, gamma)
        mistakes = [
            Mistake("one-term-less", expected_tokens(alpha, gamma - 1), "The target's own token is missing: even with all kept there is one more."),
            Mistake("product", alpha * gamma, "This counts drafts as if a refusal did not end the round."),
            Mistake("product-plus-one", alpha * gamma + 1, "A refusal ends the round; later drafts are lost however good they are."),
            Mistake("without-limit", 1 / (1 - alpha), "This is the limit for a very long draft."),
            Mistake("all-kept", gamma + 1, "This many only when all drafts are kept."),
        ]
        options = number_options(rng, right, "$1+\\alpha+\\dots+\\alpha^\\gamma$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Each drafted token is kept with probability $\\alpha={alpha}$, independently, and $\\gamma={gamma}$ are drafted per round. How many tokens does one pass of the target bring "
        "on average?",
        answer="$(1-\\alpha^{\\gamma+1})/(1-\\alpha)$",
        options=options,
        working=(f"$(1-{alpha}^{{{gamma + 1}}})/(1-{alpha})={numeral(right)}$",),
        lab=SLUG,
        settings={"gamma": gamma, "drawn": [alpha, gamma]},
        level=2,
    )


def second_tokens(question: Question) -> float:
    """The mean over where the first refusal falls."""
    alpha, gamma = question.settings["drawn"]
    return sum((kept + 1) * alpha**kept * ((1 - alpha) if kept < gamma else 1) for kept in range(gamma + 1))


def ask_residual(rng: random.Random) -> Question:
    """A token's probability after a refusal."""
    while True:
        cuts_p, cuts_q = sorted(rng.sample(range(1, 20), 2)), sorted(rng.sample(range(1, 20), 2))
        p = [cuts_p[0] / 20, (cuts_p[1] - cuts_p[0]) / 20, (20 - cuts_p[1]) / 20]
        q = [cuts_q[0] / 20, (cuts_q[1] - cuts_q[0]) / 20, (20 - cuts_q[1]) / 20]
        tp, tq = torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64)
        gains = [at for at in range(3) if p[at] > q[at]]
        if len(gains) != 2:
            continue
        at = rng.choice(gains)
        right = residual(tp, tq)[at].item()
        mistakes = [
            Mistake("target-itself", p[at], "After a refusal the target does not draw from $p$ again: that would count the kept mass twice."),
            Mistake("not-normalised", p[at] - q[at], "What is left over must be made to sum to 1."),
            Mistake("draft", q[at], "This is the draft's probability."),
            Mistake("ratio", chance(tp, tq, at), "This is the probability of keeping it, had it been drafted."),
            Mistake(
                "absolute",
                abs(p[at] - q[at]) / sum(abs(a - b) for a, b in zip(p, q)),
                "Only where $p>q$ is something left; the negative part becomes 0, not positive.",
            ),
        ]
        options = number_options(rng, right, "$\\max(p-q,0)$, made to sum to 1.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Target $p=({', '.join(map(numeral, p))})$, draft $q=({', '.join(map(numeral, q))})$. The drafted token was refused. With what probability does token {at + 1} come "
        "in its place?",
        answer="From $\\max(p-q,0)$, made to sum to 1.",
        options=options,
        working=(
            f"$\\max(p-q,0)=({', '.join(numeral(max(a - b, 0)) for a, b in zip(p, q))})$",
            f"{numeral(p[at] - q[at])} / {numeral(1 - overlap(tp, tq))} = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"drawn": [p, q, at]},
        level=2,
    )


def second_residual(question: Question) -> float:
    """From what must come out: p(x) less what is kept of x, over the chance of a refusal."""
    p, q, at = question.settings["drawn"]
    refused = sum(b - min(a, b) for a, b in zip(p, q))
    return (p[at] - min(p[at], q[at])) / refused


questions = {"tokens-per-pass": ask_tokens, "after-a-refusal": ask_residual}
second = {"tokens-per-pass": second_tokens, "after-a-refusal": second_residual}
