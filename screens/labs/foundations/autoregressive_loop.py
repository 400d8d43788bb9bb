"""The generate-one-token loop

A language model that writes does one thing again and again: read the tokens that are there, score every possible next one,
turn the scores into probabilities, choose one, append it. Writing is classification over the vocabulary, repeated.

What was written has the probability

$$ p(x_1,\\dots,x_T)=\\prod_t p(x_t\\mid x_{<t}),\\qquad \\log p=\\sum_t\\log p(x_t\\mid x_{<t}), $$

and the perplexity of $N$ tokens is $\\exp(-\\tfrac1N\\sum\\log p)$: among how many equally likely tokens one would have to guess
to do as badly.

The model is a real one, small: 4 layers, 0.94 million weights, 1,024 tokens, trained on a toy world of gifts, lists, sums and brackets. Ask it
about that world. With fewer layers the rest of the network is skipped and the vocabulary is read off early; those layers
were not trained to speak, which is a lesson of its own. Nothing is kept between two passes here, so each one computes the states of all tokens
again; a cache would save that work and change no number.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints
from models.autoregressive import Step, log_probabilities, perplexity, running_perplexity, write
from models.decoder import Decoder
from models.gpt2_twin import gpt2_twin
from models.temperature import draw
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Text, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Cell, Frame, Playback, Strip, TokenStrip

TOPIC = "llm-overview"
REFERENCE = "transformers GPT2LMHeadModel with the same weights; F.cross_entropy"
MECHANISM = (write, log_probabilities, perplexity, running_perplexity, Decoder.unembed)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g stroke="none"><rect x="12" y="62" width="20" height="16" rx="4" fill="#1f77c9"/><rect x="36" y="62" width="20" height="16" rx="4" fill="#1f77c9"/><rect x="60" y="62" width="20" height="16" rx="4" fill="#1f77c9"/></g>
<rect x="84" y="62" width="20" height="16" rx="4" stroke="#d4620f" stroke-width="3" stroke-dasharray="5 3"/><path d="M70 56V40" opacity=".6"/><path d="M60 38h34" opacity=".5"/>
<g stroke="none" fill="#0f9d77"><rect x="62" y="26" width="6" height="12"/><rect x="71" y="30" width="6" height="8"/><rect x="80" y="10" width="6" height="28"/><rect x="89" y="34" width="6" height="4"/></g>
<path d="M100 22c20 0 26 20 10 36m2-9-3 10 10-1" stroke="#d4620f" stroke-width="3"/></svg>"""

SLUG = "autoregressive-loop"
LAYERS = 4  # of the toy decoder
READ = 64  # tokens of the typed text
CANDIDATES = 6  # shown at each step
LAST = 4  # positions shown of a pass
SAMPLES = {
    "A beginning": "When Ada and Tom",
    "A gift": "When Ada and Tom went to the park, Ada gave a lamp to",
    "A list": "list: lamp river stone key. lamp river stone",
    "A sum": "sums: 7 + 5 =",
    "Agreement": "The keys near the boat",
}
DECODING = {"greedy": "greedy: the likeliest", "drawn": "drawn at its probability"}


@dataclass(frozen=True)
class Result:
    prompt: list[int]
    left_out: int  # tokens of the typed text before the ones that are read
    decoding: str
    layers: int
    steps: list[Step]
    stream: list[Tensor]  # the first pass: (T, C) after 0, 1, … layers
    once: Tensor  # (LAYERS + 1, N): log-probability of each written token when the whole text is read in one pass, by layers used

    @property
    def written(self) -> list[int]:
        return [step.token for step in self.steps]

    @property
    def log_p(self) -> Tensor:
        """(N,) as they were when each token was chosen."""
        return torch.tensor([step.log_p for step in self.steps])

    @property
    def own(self) -> float:
        return float(perplexity(self.log_p))

    @property
    def judged(self) -> float:
        """By the whole network, whoever wrote it."""
        return float(perplexity(self.once[LAYERS]))

    @property
    def free(self) -> int:
        """How many tokens, the least likely first, make up nine tenths of the sum."""
        falling = self.log_p.sort().values.cumsum(dim=0)
        return int((falling > 0.9 * falling[-1] - 1e-9).sum()) + 1 if falling[-1] < -1e-9 else 0


def compute(
    text: Annotated[str, Text(label="Text to go on from", limit=200, samples=SAMPLES)] = SAMPLES["A beginning"],
    steps: Annotated[int, Slider(1, 24, 1, label="Tokens to write")] = 12,
    layers: Annotated[int, Slider(0, LAYERS, 1, label="Layers used", help="The vocabulary is read off after this many of the four layers.")] = LAYERS,
    decoding: Annotated[str, Choice(DECODING, label="Choose")] = "greedy",
    seed: Annotated[int, Seed(label="Random draw", help="Only when drawn.")] = 0,
) -> Result:
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    typed = tokenizer.encode(text) or [tokenizer.end]
    prompt = typed[-READ:]
    made = _written(tuple(prompt), steps, layers, seed if decoding == "drawn" else None)
    with torch.inference_mode():
        stream = [x[0] for x in model.look(torch.tensor([prompt]))[1].residual]
        whole = torch.tensor(prompt + [step.token for step in made])
        depths = torch.stack([model.unembed(x)[0] for x in model.look(whole[None])[1].residual])  # (LAYERS + 1, T, V)
    return Result(prompt, len(typed) - len(prompt), decoding, layers, made, stream, log_probabilities(depths, whole)[:, -steps:])


@functools.lru_cache(maxsize=64)
def _written(prompt: tuple[int, ...], N: int, layers: int, seed: int | None) -> list[Step]:
    model = checkpoints.load("toy_decoder").model
    generator = torch.Generator().manual_seed(seed or 0)

    def read(tokens: Any) -> Tensor:
        return model.unembed(model.look(torch.tensor([tokens]))[1].residual[layers])[0]

    def likeliest(p: Tensor) -> int:
        return int(p.argmax())

    def drawn(p: Tensor) -> int:
        return int(draw(p, torch.rand(1, generator=generator)))

    with torch.inference_mode():
        return list(write(read, prompt, N, likeliest if seed is None else drawn))


def _show(token: int) -> str:
    return checkpoints.load("toy_decoder").tokenizer.show(token)


def _seen(token: int) -> str:
    """A token in a cell: its blanks visible."""
    return _show(token).replace(" ", "␣").replace("\n", "⏎") or "∅"


def _nats(log_p: float) -> str:
    return f"{log_p:.2f}".replace("-0.00", "0.00").replace("-", "−")


def figures(result: Result) -> dict[str, Any]:
    return {
        "One pass, stage by stage": _stages(result),
        "The loop: the same choice again and again": _loop(result),
        "The text with its log-probabilities": _strip(result),
        "A few free choices carry the sum": _parts(result),
        "The sum, and the perplexity, token by token": _running(result),
        "The same text, read with fewer layers": _depths(result),
    }


def _stages(result: Result) -> Playback:
    """Every position is computed in every layer; only the last one's prediction is used."""
    model = checkpoints.load("toy_decoder").model
    first, shown = result.steps[0], result.prompt[-LAST:]
    T, cut = len(result.prompt), len(result.prompt) - len(result.prompt[-LAST:])
    rows: list[tuple[str, str, list[Cell | None]]] = [
        ("token", f"The text is cut into {T} tokens." + (f" The last {LAST} are shown." if cut else ""), [Cell(_seen(token)) for token in shown]),
        ("id", "Each token is its number in a vocabulary of 1,024.", [Cell(str(token)) for token in shown]),
        (
            "embedding",
            "Each id fetches a row of 128 numbers, and its position adds another. Two of the numbers are shown.",
            [Cell(f"{x[0]:.2f} {x[1]:.2f} …") for x in result.stream[0][cut:].tolist()],
        ),
    ]
    for layer in range(1, result.layers + 1):
        with torch.inference_mode():
            p, guess = model.unembed(result.stream[layer][cut:]).softmax(dim=-1).max(dim=-1)
        says = f"Layer {layer} changes the vectors of all {T} positions. Read off the vocabulary here, each would say this comes next."
        rows.append((f"after layer {layer}", says, [Cell(f"{_seen(int(at))} {share:.2f}", float(share) * 0.9, 1) for at, share in zip(guess, p)]))
    best = int(first.z.argmax())
    gap: list[Cell | None] = [None] * len(shown)
    score, share = Cell(f"{_seen(best)} {first.z[best]:.1f}", mark=True), Cell(f"{_seen(best)} {first.p[best]:.3f}", mark=True)
    chosen = "the likeliest is taken" if result.decoding == "greedy" else "one is drawn"
    rows += [
        ("logits", "Only the last position predicts something new: its vector gives 1,024 scores. The highest is shown.", [*gap[:-1], score]),
        ("softmax", "The softmax turns them into probabilities.", [*gap[:-1], share]),
        (
            "appended",
            f"Of these, {chosen}; it is appended, and the loop begins again with {T + 1} tokens.",
            [*gap[:-1], Cell(_seen(first.token), mark=True, tone=2, level=0.3)],
        ),
    ]
    frames = [
        Frame(says, [cells if at <= stage else [None] * len(shown) for at, (_, _, cells) in enumerate(rows)])
        for stage, (_, says, _) in enumerate(rows)
    ]
    return Playback(
        frames, row_names=[name for name, _, _ in rows], tones={1: "would come next, and its share", 2: "chosen"}, start=len(frames) - 1, height=420
    )


def _loop(result: Result) -> Playback:
    frames, text, total = [], list(result.prompt), 0.0
    for number, step in enumerate(result.steps, 1):
        total += step.log_p
        best = step.p.topk(CANDIDATES).indices.tolist()
        best = best if step.token in best else [*best[:-1], step.token]
        reads: list[Cell | None] = [Cell(_seen(token)) for token in text[-CANDIDATES:]]
        rows: list[list[Cell | None]] = [
            reads + [None] * (CANDIDATES - len(reads)),
            [Cell(_seen(token), mark=token == step.token) for token in best],
            [Cell(f"{step.z[token]:.1f}", mark=token == step.token) for token in best],
            [Cell(f"{step.p[token]:.3f}", float(step.p[token]) * 0.9, 1, token == step.token) for token in best],
        ]
        says = f"Pass {number} reads {len(text)} tokens and chooses “{_show(step.token)}” with {step.p[step.token]:.3f}: log-probability {_nats(step.log_p)}, in all {_nats(total)}."
        frames.append(Frame(says, rows))
        text.append(step.token)
    return Playback(frames, row_names=[f"reads (the last {CANDIDATES})", "candidates", "logit", "probability"], tones={1: "probability"}, height=240)


def _strip(result: Result) -> TokenStrip:
    log_p = result.log_p
    written = Strip(
        "written",
        [_show(token) for token in result.written],
        log_p.exp().tolist(),
        [_nats(value) for value in log_p.tolist()],
        [f"Chosen with probability {value.exp():.3f}; the sum so far is {_nats(float(total))}." for value, total in zip(log_p, log_p.cumsum(dim=0))],
    )
    return TokenStrip([Strip("your text", [_show(token) for token in result.prompt]), written], value_name="probability")


def _numbered(result: Result) -> list[str]:
    return [f"{at}: {_seen(token)}" for at, token in enumerate(result.written, 1)]


def _parts(result: Result) -> Any:
    return bars(_numbered(result), -result.log_p, x_axis=axis(), y_axis=axis("nats: minus the log-probability"), colour=1)


def _running(result: Result) -> Any:
    log_p = result.log_p
    series = {"nats in all": -log_p.cumsum(dim=0), "perplexity": running_perplexity(log_p)}
    return lines(list(range(1, len(log_p) + 1)), series, x_axis=axis("tokens written"), y_axis=axis("nats, or equally likely tokens"))


def _depths(result: Result) -> Any:
    return bars(
        [f"{layers} layers" if layers != 1 else "1 layer" for layers in range(LAYERS + 1)],
        perplexity(result.once),
        x_axis=axis("used to read"),
        y_axis=axis("perplexity of what was written", log=True),
        colour=2,
        across=[(1024, "1,024: all tokens equally likely")],
    )


def facts(result: Result) -> dict[str, float]:
    return {
        "prompt": len(result.prompt),
        "left out": result.left_out,
        "written": len(result.steps),
        "layers": result.layers,
        "all layers": LAYERS,
        "sum": -float(result.log_p.sum()),
        "probability": math.exp(result.log_p.sum()),
        "perplexity": result.own,
        "judged": result.judged,
        "free": result.free,
    }


def says(result: Result) -> str:
    total = float(result.log_p.sum())
    how = "Always the likeliest" if result.decoding == "greedy" else "Drawn"
    layers = "no layer at all" if not result.layers else "1 layer" if result.layers == 1 else f"{result.layers} layers"
    cut = f" Of your text, the first {result.left_out} tokens are left out." if result.left_out else ""
    tokens = "1 token" if len(result.steps) == 1 else f"{len(result.steps)} tokens"
    made = (
        f"{how}, with {layers}, {tokens} were written. Their log-probabilities sum to {numeral(total)}, a probability of {numeral(math.exp(total))} "
        f"and a perplexity of {numeral(result.own)}"
    )
    few = "the least likely of them makes up" if result.free == 1 else f"the {result.free} least likely make up"
    parts = f"; {few} nine tenths of the sum" if 0 < result.free < len(result.steps) else ""
    judged = f". All {LAYERS} layers give the same text a perplexity of {numeral(result.judged)}" if result.layers != LAYERS else ""
    return f"{made}{parts}{judged}.{cut}"


TRY = [
    Experiment(
        title="Twelve best choices",
        settings={},
        ask="Twelve tokens are written, and each was the likeliest at its step; half of them had a probability of 0.9 or more. How probable are the twelve together?",
        options=(
            "About as probable as the average step",
            "About as probable as the least likely step",
            "Far less probable than any single step",
        ),
        right=2,
        why="The steps multiply: $p(x_1,\\dots,x_T)=\\prod_t p(x_t\\mid x_{<t})$. Every factor is at most 1, so the whole is at most its smallest factor, and with several small ones far below it. "
        "This is why one adds logarithms: a page of text has a probability that no ordinary float can hold.",
        look="The sentence has the product; in the loop, step to the end and watch the sum of the log-probabilities.",
        holds=lambda result: result.log_p.sum().exp() < 0.1 * result.log_p.exp().min() and (result.log_p.exp() >= 0.9).sum() >= 6,
        tempting={
            0: "An average is what perplexity is made of; the probability itself is a product.",
            1: "That is the upper bound: the other factors take more off.",
        },
    ),
    Experiment(
        title="Where the nats go",
        settings={"text": SAMPLES["A sum"]},
        ask="The text is “sums: 7 + 5 =”. Twelve tokens are written: the answer, and then a new sum with its answer. What costs the most nats?",
        options=("The answers: arithmetic is hard", "The numbers of the new sum", "All twelve about the same"),
        right=1,
        why="The answers follow from what stands before them and cost this model hardly anything. Which numbers come next follows from nothing, so even the likeliest has a small share. "
        "Most of what a language model pays for is a few free choices among many tokens that have to be so.",
        look="The fourth picture: the two highest bars are the numbers of the new sum; what follows an equals sign is almost flat.",
        holds=lambda result: _numbers_cost_most(result),
        tempting={
            0: "For this model, on sums up to 20, it is not: it was trained on them.",
            2: "A mean per token hides how different the tokens are.",
        },
    ),
    Experiment(
        title="Pleased with itself",
        settings={"layers": 1},
        ask="Only the first layer is used, and it writes nothing but full stops. Whose own text has the lower perplexity to its writer: this one's, or the one that all four layers write?",
        options=(
            "The four layers': they write better",
            "The one layer's: it is surer of its rubbish",
            "Both the same: each takes its likeliest tokens",
        ),
        right=1,
        why="A model that puts most of its probability on one token finds its own greedy text unsurprising, however bad. Perplexity measures surprise, not worth: "
        "it compares models only on a text that neither has written.",
        look="The sentence gives both figures: to itself, and to all four layers. The last picture has the other depths.",
        holds=lambda result: result.own < compute().own and result.judged > 100 * result.own,
        tempting={0: "They do write better, but each is asked about its own text.", 2: "The likeliest may have 0.9 or 0.05."},
    ),
    Experiment(
        title="Read it back in one pass",
        settings={"steps": 24},
        ask="Writing 24 tokens took 24 passes. Now the finished text goes through the network once, and all positions are scored together. What does this one pass say of the 24 tokens?",
        options=(
            "They are likelier: now the ending is known",
            "The very same log-probabilities",
            "It cannot say: it only predicts the token after the last",
        ),
        right=1,
        why="A position sees what stands before it and never what comes after, so its prediction is the same whether the rest exists or not. "
        "This is what makes training cheap: one pass over a text of $T$ tokens trains $T-1$ predictions.",
        look="The last bar of the last picture comes from that one pass; the sentence's perplexity from the 24. They are equal.",
        holds=lambda result: (result.once[LAYERS] - result.log_p).abs().max().item() < 1e-3,
        tempting={
            0: "The causal mask hides the ending from the positions before it.",
            2: "Every position predicts its successor; while writing, all but the last of these predictions are thrown away.",
        },
    ),
]


def _numbers_cost_most(result: Result) -> bool:
    """The answers (after an equals sign) are nearly free, and the two dearest tokens are numbers that are no answers."""
    before = [_show(token) for token in [result.prompt[-1], *result.written[:-1]]]
    answers = [at for at, token in enumerate(before) if token.strip() == "="]
    dearest = result.log_p.topk(2, largest=False).indices.tolist()
    return (
        len(answers) == 2
        and bool((result.log_p[answers] > -0.1).all())
        and all(_show(result.written[at]).strip().isdigit() and at not in answers for at in dearest)
    )


def verify() -> list[Check]:
    """The loop against transformers' own, on our weights; the sum against torch's loss."""
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    twin = gpt2_twin(model, tokenizer.end)
    logits = sums = 0.0
    different = 0
    with torch.inference_mode():
        for text in SAMPLES.values():
            ids = tokenizer.encode(text)
            steps = _written(tuple(ids), 12, LAYERS, None)
            whole = torch.tensor([ids + [step.token for step in steps]])
            theirs = twin(whole).logits[0, len(ids) - 1 : -1]
            logits = max(logits, float((torch.stack([step.z for step in steps]) - theirs).abs().max()))
            loss = F.cross_entropy(theirs, whole[0, len(ids) :], reduction="sum")
            sums = max(sums, abs(float(loss) + sum(step.log_p for step in steps)))
            made = twin.generate(whole[:, : len(ids)], attention_mask=torch.ones(1, len(ids)), max_new_tokens=12, do_sample=False)
            different += _until_end(made[0, len(ids) :].tolist(), tokenizer.end) != _until_end([step.token for step in steps], tokenizer.end)
    return [
        Check("logits of each pass of the loop", "transformers GPT2LMHeadModel, the same weights", logits, 1e-4),
        Check("minus the sum of log-probabilities", "F.cross_entropy over GPT2LMHeadModel's logits, summed", sums, 1e-4),
        Check(f"greedy texts that differ, of {len(SAMPLES)}", "transformers generate(do_sample=False)", different, 0),
    ]


def _until_end(tokens: list[int], end: int) -> list[int]:
    """transformers stops at the end of a document, our loop goes on."""
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


# Computed questions; what was drawn travels in settings["drawn"].


def ask_perplexity(rng: random.Random) -> Question:
    while True:
        p = [rng.choice((0.02, 0.04, 0.05, 0.1, 0.2, 0.25, 0.4, 0.5, 0.8)) for _ in range(rng.choice((2, 3, 4)))]
        log_p = torch.tensor(p, dtype=torch.float64).log()
        right = float(perplexity(log_p))
        mistakes = [
            Mistake(
                "inverse-of-the-mean",
                len(p) / sum(p),
                "This is 1 over the mean probability. Perplexity takes the geometric mean, not the arithmetic one.",
            ),
            Mistake(
                "no-root",
                math.exp(-log_p.sum()),
                "This is 1 over the probability of the whole text, without the root: it would grow with every token.",
            ),
            Mistake("loss-itself", -float(log_p.mean()), "This is the mean loss in nats; the perplexity is its exponential."),
            Mistake("base-two", 2 ** -float(log_p.mean()), "Nats belong to $e$: $2^{\\text{loss}}$ is right only when the loss is in bits."),
            Mistake(
                "one-token-too-few",
                math.exp(-log_p.sum() / (len(p) - 1)),
                "This divides by one token too few: every probability given here is a prediction.",
            ),
        ]
        options = number_options(rng, right, "The geometric mean of the probabilities, turned over.", mistakes)
        if len(set(p)) > 1 and options:
            break
    listed = ", ".join(map(str, p))
    return Question(
        form=Form.CHOICE,
        prompt=f"A model gives the {len(p)} tokens of a text the conditional probabilities {listed}. What is its perplexity on this text?",
        answer="$\\left(\\prod_t p_t\\right)^{-1/N}$, the same as $e$ to the mean loss in nats.",
        options=options,
        working=(
            f"product: {numeral(math.prod(p))}",
            f"mean loss: $-\\tfrac1{len(p)}\\ln {numeral(math.prod(p))}={numeral(-float(log_p.mean()))}$",
            f"$e^{{{numeral(-float(log_p.mean()))}}}={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"steps": len(p), "drawn": p},
        level=1,
    )


def second_perplexity(question: Question) -> float:
    """One over the root of the product, without a logarithm."""
    p = question.settings["drawn"]
    return math.prod(p) ** (-1 / len(p))


def ask_log_probability(rng: random.Random) -> Question:
    """Two words after a given first one, from the logits of one pass over all three."""
    names = "ABC"
    while True:
        z = [[rng.randint(-2, 3) for _ in names] for _ in range(3)]
        words = [rng.randrange(3) for _ in range(3)]
        logits, tokens = torch.tensor(z, dtype=torch.float64), torch.tensor(words)
        log_p = log_probabilities(logits, tokens)
        right = float(log_p.sum())
        full = torch.log_softmax(logits, dim=-1)
        mistakes = [
            Mistake(
                "not-shifted",
                float(full[1, words[1]] + full[2, words[2]]),
                "This reads each word off the scores at its own position. Scores at position $t$ are about word $t+1$.",
            ),
            Mistake(
                "raw-scores",
                float(z[0][words[1]] + z[1][words[2]]),
                "These are sums of logits. They become log-probabilities only after the softmax.",
            ),
            Mistake("averaged", right / 2, "This is the mean per word; the text's log-probability is the sum."),
            Mistake("added-probabilities", float(log_p.exp().sum().log()), "Probabilities of successive words multiply; their logarithms add."),
            Mistake(
                "likeliest-words",
                float(full[:2].amax(dim=-1).sum()),
                "This takes the likeliest word at each position, not the one that stands there.",
            ),
        ]
        options = number_options(rng, right, "The log-softmax of the scores before each word, added.", mistakes)
        if options and len({tuple(row) for row in z}) == 3:
            break
    table = "".join(f"\n| {at}: {names[words[at - 1]]} | {' | '.join(map(str, row))} |" for at, row in enumerate(z, 1))
    first, second_row = (sum(math.exp(score) for score in row) for row in z[:2])
    return Question(
        form=Form.CHOICE,
        prompt=f"A model with the words A, B and C reads “{' '.join(names[word] for word in words)}” in one pass and gives these logits:\n\n"
        f"| position and word | A | B | C |\n|---|---|---|---|{table}\n\nWhat log-probability, in nats, does it give to the second and third word together?",
        answer="$\\log p(x_2\\mid x_1)+\\log p(x_3\\mid x_1,x_2)$: the row before each word, through the softmax.",
        options=options,
        working=(
            f"{names[words[1]]} from row 1: ${z[0][words[1]]}-\\ln{numeral(first)}={numeral(float(log_p[0]))}$",
            f"{names[words[2]]} from row 2: ${z[1][words[2]]}-\\ln{numeral(second_row)}={numeral(float(log_p[1]))}$",
            f"sum: {numeral(right)}; row 3 is about a fourth word",
        ),
        lab=SLUG,
        settings={"steps": 2, "drawn": [z, words]},
        level=2,
    )


def second_log_probability(question: Question) -> float:
    """torch's own loss, its sign turned."""
    z, words = question.settings["drawn"]
    return -float(F.cross_entropy(torch.tensor(z[:2], dtype=torch.float64), torch.tensor(words[1:]), reduction="sum"))


def ask_positions(rng: random.Random) -> Question:
    """Counted by a network that does nothing else."""
    while True:
        T, N = rng.randint(3, 40), rng.randint(3, 12)
        computed = _positions_computed(T, N)
        mistakes = [
            Mistake("with-a-cache", T + N - 1, "So many with a KV cache: each token once, and the last one written is not read."),
            Mistake("prompt-each-time", T * N, "This leaves out that the text grows: each pass also reads what has been written."),
            Mistake("final-length-each-time", (T + N) * N, "This reads the full text in every pass; it is that long only after the last one."),
            Mistake("one-too-late", sum(range(T + 1, T + N + 1)), "The first pass reads the prompt alone, and the last token written is never read."),
            Mistake("one-pass", T + N, "One pass over the finished text reads so many, but the text does not exist before it is written."),
        ]
        options = number_options(rng, computed, "The prompt, then one more token in each pass.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A prompt has {T} tokens, and {N} tokens are written without any cache: each pass reads the whole text so far. How many token positions are computed in all?",
        answer="$NT+N(N-1)/2$: the passes read $T, T+1, \\dots, T+N-1$ tokens.",
        options=options,
        working=(f"${N}\\cdot{T}+{N}\\cdot{N - 1}/2={computed:,}$",),
        lab=SLUG,
        settings={"steps": N, "drawn": [T, N]},
        level=2,
    )


def _positions_computed(T: int, N: int) -> int:
    counted: list[int] = []

    def read(tokens: Any) -> Tensor:
        counted.append(len(tokens))
        return torch.zeros(len(tokens), 2)

    list(write(read, [0] * T, N, lambda p: 0))
    return sum(counted)


def second_positions(question: Question) -> float:
    T, N = question.settings["drawn"]
    return N * T + N * (N - 1) // 2


questions = {"perplexity-of-a-text": ask_perplexity, "log-probability-of-words": ask_log_probability, "positions-computed": ask_positions}
second = {"perplexity-of-a-text": second_perplexity, "log-probability-of-words": second_log_probability, "positions-computed": second_positions}
