"""RWKV: parallel form and recurrent form

RWKV replaces attention by an average over the past whose weights fade. The same average can be computed for all positions at once, for training, and step by step from a few carried
numbers, for writing. Both programs run here.

For one channel, with decay $w$ per step and a bonus $u$ for the present token,

$$wkv_t=\\frac{\\sum_{i<t}e^{-(t-1-i)w+k_i}v_i+e^{u+k_t}v_t}{\\sum_{i<t}e^{-(t-1-i)w+k_i}+e^{u+k_t}}.$$

No query stands in it: a key is as loud for one reader as for any other, and distance does the rest. The same numbers come out of two programs. **In parallel**
all exponents are formed at once and put through a softmax, which takes $T^2$ numbers and suits training. **As a recurrence** a numerator $a$ and a
denominator $b$ are carried along, fading by $e^{-w}$ at each step, which takes the same few numbers however long the text is and suits writing.

On paper the recurrence is finished there. In 32 bits $e^{k}$ overflows from $k=89$ on and is 0 below $k=-104$, so real programs carry the largest exponent $p$ beside $a$ and $b$ and store both
relative to it, as in the online softmax.

The upper pictures show one channel with random keys and values. The last two come from a small RWKV of two layers and 64 channels, trained on the toy world for a few minutes: how long
its channels could remember, and how far back a changed token really changes what it predicts. Beside it stands a decoder of two layers with attention and a mixture of experts; it has nearly four times the weights, so compare
the shapes of the lines and not their heights. What a fixed state can hold is measured on models made for that in
[token mixers on recall](/labs?lab=token-mixer-shootout).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

import torch
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints
from models.rwkv import EMPTY, RWKV, Memory, Sums, exponents, half_life, no_past, wkv_parallel, wkv_plain, wkv_recurrent, wkv_step
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, number_options, numeral
from screens.labs.drawing import axis, heatmap, lines
from screens.labs.pictures import Cell, Frame, Playback

TOPIC = "rwkv"
REFERENCE = "transformers rwkv_linear_attention_cpu and RwkvForCausalLM with copied weights"
MECHANISM = (exponents, wkv_parallel, wkv_plain, wkv_step, wkv_recurrent, no_past)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><g stroke="none" fill="#1f77c9"><rect x="12" y="12" width="14" height="10" opacity=".25"/><rect x="32" y="12" width="14" height="10" opacity=".4"/>
<rect x="52" y="12" width="14" height="10" opacity=".55"/><rect x="72" y="12" width="14" height="10" opacity=".75"/><rect x="92" y="12" width="14" height="10"/></g><rect x="112" y="10" width="18" height="14" fill="#d4620f" stroke="none"/>
<path d="M14 62h26m12 0h26m12 0h26m12 0h18" opacity=".5"/><g stroke="#0f9d77" stroke-width="3"><circle cx="46" cy="62" r="7"/><circle cx="84" cy="62" r="7"/><circle cx="122" cy="62" r="7"/></g><path d="M46 40v12m38-12v12m38-12v12M46 72v10m38-10v10m38-10v10" opacity=".6"/></svg>"""

SLUG = "rwkv-recurrence"
MODEL = "toy_rwkv"
LENGTHS = (4, 8, 16, 32, 64)
SHOWN = 8  # columns of the step-by-step picture
MODES = {"parallel": "in parallel", "recurrent": "as a recurrence, running maximum", "plain": "as a recurrence, as on paper"}
SHORT = {"parallel": "in parallel", "recurrent": "running maximum", "plain": "as on paper"}
WIDTH, LAYERS = 1024, 24  # of the model whose memory is compared with a cache
READERS = {"RWKV": "felt", "attention": "felt_by_toy_mixture"}
FLOOR = 1e-6  # nats; below it lies rounding
CACHED = (1, 2, 3, 5, 10, 30, 100, 300, 1_000, 3_000, 10_000)


@dataclass(frozen=True)
class Result:
    w: float
    u: float
    mode: str
    k: Tensor  # (T,)
    v: Tensor  # (T,)
    weights: Tensor  # (T, T) what position t's token i counts, rows sum to 1
    outputs: dict[str, Tensor]  # mode -> (T,)
    sums: list[Sums]  # after each token
    half_lives: list[list[float]]  # of the trained model, per layer
    felt: dict[str, dict[int, float]]  # model -> tokens back -> nats by which the prediction changes when that token is another

    @property
    def length(self) -> int:
        return len(self.k)

    @property
    def first_share(self) -> float:
        """What the first token counts at the last position."""
        return float(self.weights[-1, 0])

    @property
    def present_share(self) -> float:
        return float(self.weights[-1, -1])

    @property
    def effective(self) -> float:
        """How many equally heavy tokens the last average is worth."""
        p = self.weights[-1]
        return math.exp(-float(torch.special.xlogy(p, p).sum()))

    @property
    def apart(self) -> float:
        """Largest difference between the parallel form and the recurrence with a running maximum."""
        return float((self.outputs["parallel"] - self.outputs["recurrent"]).abs().max())

    @property
    def lost(self) -> int:
        """Positions where the recurrence as on paper has no number: its sums have overflowed, or rounded to nothing."""
        return int((~self.outputs["plain"].isfinite()).sum())


def compute(
    decay: Annotated[
        float, Stops(0.01, 0.03, 0.1, 0.3, 0.7, 1.0, 2.0, label="Decay w", help="At each step the past is multiplied by e to the −w.")
    ] = 0.1,
    bonus: Annotated[float, Slider(-3.0, 3.0, 0.5, label="Bonus u of the present token")] = 0.5,
    length: Annotated[int, Stops(*LENGTHS, label="Tokens T")] = 16,
    loudness: Annotated[
        float, Stops(0.0, 0.5, 1.0, 2.0, 50.0, 100.0, label="Size of the keys", help="The standard deviation of k. Keys of 0 leave only distance.")
    ] = 1.0,
    mode: Annotated[str, Choice(MODES, label="Form", help="Which of the programs is shown step by step.")] = "recurrent",
    seed: Annotated[int, Seed(label="Random keys and values")] = 0,
) -> Result:
    k, v = torch.randn(2, LENGTHS[-1], generator=torch.Generator().manual_seed(seed))[:, :length]
    k = k * loudness
    w, u = torch.tensor([decay]), torch.tensor([bonus])
    rows, columns = k[None, :, None], v[None, :, None]  # (1, T, 1): one text, one channel
    sums = [no_past(rows[:, 0])]
    for t in range(length):
        sums.append(wkv_step(w, u, rows[:, t], columns[:, t], sums[-1])[1])
    outputs = {
        "parallel": wkv_parallel(w, u, rows, columns),
        "recurrent": wkv_recurrent(w, u, rows, columns)[0],
        "plain": wkv_plain(w, u, rows, columns),
    }
    figures = checkpoints.card(MODEL)["figures"]
    return Result(
        w=decay,
        u=bonus,
        mode=mode,
        k=k,
        v=v,
        weights=torch.softmax(exponents(w, u, rows), dim=2)[0, :, :, 0],
        outputs={name: output[0, :, 0] for name, output in outputs.items()},
        sums=sums[1:],
        half_lives=figures["half_lives"],
        felt={name: {int(back): nats for back, nats in figures[card].items()} for name, card in READERS.items()},
    )


def figures(result: Result) -> dict[str, Any]:
    return {
        "Step by step": _steps(result),
        "What each token counts, for whom": _weights(result),
        "Three programs, one average": _outputs(result),
        "Numbers kept: state and KV cache": _memory(),
        "How long the channels of a trained model remember": _half_lives(result),
        "How far back a changed token is felt": _felt(result),
    }


def _steps(result: Result) -> Playback:
    return _parallel_frames(result) if result.mode == "parallel" else _recurrent_frames(result)


def _parallel_frames(result: Result) -> Playback:
    """Every position weighs all tokens up to it anew."""
    shown = min(result.length, SHOWN)
    given = [[_cell(x) for x in row[:shown].tolist()] for row in (result.k, result.v)]
    frames = [Frame("Keys and values of all tokens are there.", [*given, [None] * shown, [None] * shown])]
    done: list[Cell | None] = [None] * shown
    for t in range(shown):
        weights: list[Cell | None] = [
            Cell(numeral(share, 2), level=share, tone=1, mark=i == t) for i, share in enumerate(result.weights[t, : t + 1].tolist())
        ]
        done[t] = _cell(float(result.outputs["parallel"][t]), tone=2, mark=True)
        said = f"Position {t + 1} weighs {_some(t + 1, 'token')} and gets {numeral(float(result.outputs['parallel'][t]))}; nothing is carried over to the next."
        frames.append(Frame(said, [*given, [*weights, *[None] * (shown - t - 1)], list(done)]))
        done[t] = _cell(float(result.outputs["parallel"][t]), tone=2)
    names = ["key k", "value v", "weights", "output"]
    return Playback(
        frames, row_names=names, column_names=_places(shown), tones={1: "weights of this position", 2: "output"}, start=len(frames) - 1, height=300
    )


def _recurrent_frames(result: Result) -> Playback:
    """Only the last column of the sums exists; the ones before it are drawn to be seen, not kept."""
    shown, plain = min(result.length, SHOWN), result.mode == "plain"
    given = [[_cell(x) for x in row[:shown].tolist()] for row in (result.k, result.v)]
    names = ["key k", "value v", "numerator a", "denominator b", *([] if plain else ["largest exponent p"]), "output"]
    kept: list[list[Cell | None]] = [[None] * shown for _ in names[2:]]
    frames = [Frame("Nothing has been read.", [*given, *(list(row) for row in kept)])]
    output = result.outputs[result.mode]
    for t in range(shown):
        a, b, p = result.sums[t]
        state = [float(part) for part in ((a * p.exp(), b * p.exp()) if plain else (a, b, p))]  # in 32 bits, as the program has them
        for row, value in zip(kept, [*state, float(output[t])]):
            row[t] = _cell(value, tone=2 if row is kept[-1] else 1, mark=True, level=0.6)
        said = f"Token {t + 1}: the sums fade by {numeral(math.exp(-result.w))} and take in the new key and value; the output is {_number(float(output[t]))}."
        frames.append(Frame(said, [*given, *(list(row) for row in kept)]))
        for row in kept:
            row[t] = row[t]._replace(mark=False, level=0.15) if row[t] else None
    return Playback(frames, row_names=names, column_names=_places(shown), tones={1: "the state", 2: "output"}, start=len(frames) - 1, height=330)


def _cell(value: float, tone: int = 0, mark: bool = False, level: float = 0.3) -> Cell:
    return Cell(_number(value), level=level if tone else 0.0, tone=tone, mark=mark)


def _number(value: float) -> str:
    """Two digits; what has overflowed is called so."""
    if not math.isfinite(value):
        return "overflow" if math.isinf(value) else "lost"
    return numeral(value, 2).replace("-", "−")


def _places(shown: int) -> list[str]:
    return [f"t = {at + 1}" for at in range(shown)]


def _weights(result: Result) -> Any:
    every = max(result.length // 8, 1)
    places = [str(at + 1) if at % every == 0 else "" for at in range(result.length)]
    return heatmap(result.weights.numpy(), rows=places, columns=places, x_title="token i", y_title="position t", bar="weight", height=360)


def _outputs(result: Result) -> Any:
    series = {SHORT[name]: output.numpy() for name, output in result.outputs.items()}
    return lines(list(range(1, result.length + 1)), series, x_axis=axis("position"), y_axis=axis("wkv"), strong=SHORT[result.mode])


def _memory() -> Any:
    x = axis("tokens read", log=True, ticks={n: f"{n:,}" for n in (1, 10, 100, 1_000, 10_000)})
    series = {"state": [state_numbers(WIDTH, LAYERS)] * len(CACHED), "KV cache": [cache_numbers(WIDTH, LAYERS, n) for n in CACHED]}
    return lines(CACHED, series, x_axis=x, y_axis=axis("numbers", log=True))


def state_numbers(width: int, layers: int) -> int:
    """The memory that the model here would keep, counted."""
    empty = torch.zeros(1, width)
    memory = Memory(no_past(empty), empty, empty)
    return layers * sum(part.numel() for part in (*memory.sums, memory.time, memory.channel))


def cache_numbers(width: int, layers: int, tokens: int) -> int:
    """A key and a value per layer and token."""
    return 2 * width * layers * tokens


def _half_lives(result: Result) -> Any:
    series = {f"layer {layer}": values for layer, values in enumerate(result.half_lives)}
    channels = list(range(1, len(result.half_lives[0]) + 1))
    return lines(channels, series, x_axis=axis("channel, shortest memory first"), y_axis=axis("half-life in tokens", log=True), markers=False)


def _felt(result: Result) -> Any:
    series = {name: [max(nats, FLOOR) for nats in by_distance.values()] for name, by_distance in result.felt.items()}
    y = axis("change of the prediction, nats", log=True)
    return lines(list(result.felt["RWKV"]), series, x_axis=axis("tokens before the last"), y_axis=y, strong="RWKV")


def facts(result: Result) -> dict[str, float]:
    return {
        "w": result.w, "u": result.u, "T": result.length, "first": result.first_share, "present": result.present_share, "effective": result.effective, "apart": result.apart,
        "lost": result.lost, "half-life": float(half_life(torch.tensor(result.w))),
    }  # fmt: skip


def says(result: Result) -> str:
    lost = f"; as on paper the recurrence has no number at {_some(result.lost, 'position')}" if result.lost else ""
    return (
        f"With decay {numeral(result.w)} a token counts half after {numeral(float(half_life(torch.tensor(result.w))))} steps. At the last of {result.length} positions the present token has a "
        f"weight of {numeral(result.present_share)} and the first one {numeral(result.first_share)}; the average is worth {numeral(result.effective)} equally heavy tokens. The parallel form and the "
        f"recurrence differ by at most {numeral(result.apart)}{lost}."
    )


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


TRY = [
    Experiment(
        title="A paper program meets a loud key",
        settings={"loudness": 100.0, "mode": "plain", "length": 16},
        ask="Keys of size 100 (a trained model rarely has them, but single ones happen). The recurrence runs exactly as it stands on paper. What comes out in 32 bits?",
        options=("The same as in parallel, a little less precisely", "No number at all at some positions, the last ones among them", "Only zeros"),
        right=1,
        why="$e^{k}$ is beyond 32 bits from $k=89$ on: the sums become infinite, and infinity divided by infinity is no number. Very quiet keys are no better, $e^{-104}$ is 0, and 0 over 0 is no "
        "number either. With the largest exponent taken out the loudest token always counts 1, and one that is far quieter rounds to nothing beside it.",
        look="The third picture: one line has gaps, the other two go on and lie on each other. In the first, step on and watch the sums; then choose the form with the running maximum and "
        "read the row of $p$.",
        holds=lambda result: (
            result.lost > 0
            and not bool(result.outputs["plain"][-1].isfinite())
            and bool(result.outputs["recurrent"].isfinite().all())
            and result.apart < 1e-4
        ),
        tempting={0: "Precision is not what is lost here.", 2: "That would need powers that vanish; these explode."},
    ),
    Experiment(
        title="Whom does a loud key speak to?",
        settings={"loudness": 2.0, "decay": 0.03, "length": 32},
        ask="Some keys are much larger than others. In attention a key matters to the queries that match it. To which later positions does a large key matter here?",
        options=("To those whose receptance matches it", "To all later ones, a little less with each step", "Only to the next one"),
        right=1,
        why="The weight is $e^{k_i}$ times the fading with distance, and no query is in it. Receptance decides how much of the finished average a position lets through, not which token it comes "
        "from. Selecting by content must be done when writing, with the key.",
        look="The second picture has stripes that run down its columns. An attention picture may have any pattern.",
        holds=lambda result: _stripes_fade(result),
        tempting={0: "Receptance is a gate on the result.", 2: "With a decay of 0.03 a token counts half only after some 23 steps."},
    ),
    Experiment(
        title="A bonus against the past",
        settings={"bonus": 3.0, "loudness": 0.0, "decay": 0.1, "length": 64},
        ask="All keys are 0, so the past of 63 tokens weighs what distance leaves of it: about 10 tokens' worth. The present token gets a bonus of $u=3$. What share has it?",
        options=("About 1/64", "About 1/4", "About 2/3"),
        right=2,
        why="The fading past adds up to nearly $1/(1-e^{-0.1})\\approx10.5$, the present counts $e^{3}\\approx20$. Without a bonus of its own a channel with a long memory could hardly see the present "
        "token at all.",
        look="The second picture: the diagonal. Then set the bonus to −3: a channel that looks only back.",
        holds=lambda result: abs(result.present_share - 2 / 3) < 0.02,
        tempting={0: "That is its share if nothing faded and there were no bonus.", 1: "The bonus stands in the exponent: 3 means twentyfold."},
    ),
    Experiment(
        title="From which token on is the cache larger?",
        settings={"length": 4},
        ask="A model of width 1,024 with 24 layers keeps five vectors per layer as its state; an attention model of the same shape keeps a key and a value per layer for each token. From which "
        "token on is the cache larger?",
        options=("From the 3rd", "From about the 1,000th", "From about the 100,000th"),
        right=0,
        why="Two vectors for each token pass five vectors with the third one. The state is small, not just constant: everything that the model will know of the text must be in it.",
        look="The fourth picture: the lines cross near its left edge.",
        holds=lambda result: cache_numbers(WIDTH, LAYERS, 2) < state_numbers(WIDTH, LAYERS) < cache_numbers(WIDTH, LAYERS, 3),
        tempting={
            1: "Even a state of one 1,024 × 1,024 matrix per layer would be passed at the 513th; version 4 keeps vectors.",
            2: "Its constant state is not a large one.",
        },
    ),
    Experiment(
        title="Able to remember, and remembering",
        settings={"decay": 0.01},
        ask="Training has given the slowest channels of the small model half-lives of about 70 tokens. The token 12 places before the last is replaced by a random one. How much does the "
        "prediction change, compared with replacing the token one place before the last?",
        options=("About 90 % as much: 12 steps are little for a half-life of 70", "About a third as much", "Less than a hundredth as much"),
        right=2,
        why="A slow channel keeps a token, but as one of many in a sum that is shared by all; to use it, the model must have learned to find it there. This one, small and briefly trained, "
        "predicts from the last few words. The attention model, as briefly trained, feels distant tokens more, "
        "and still not much: no head of it has learned to look far back. A state or a cache is "
        "what a model *can* remember; this measures what it does.",
        look="The last two pictures: half-lives of tens of tokens on the one side, on the other a line that falls to next to nothing within about ten. Its axis is logarithmic.",
        holds=lambda result: (
            result.felt["RWKV"][12] < 0.01 * result.felt["RWKV"][1]
            and all(55 < layer[-1] < 90 for layer in result.half_lives)
            and result.felt["RWKV"][12] < result.felt["attention"][12] < 0.05 * result.felt["attention"][1]
        ),
        tempting={
            0: "So much is left of the token's weight in the slowest channel. What is made of it is another matter.",
            1: "The line of the last picture falls faster than any channel fades.",
        },
    ),
]


def _stripes_fade(result: Result) -> bool:
    """Down every column each weight is below the one above times what a step leaves, relative to another column: their ratio never changes."""
    past = result.weights[-1, :-2] / result.weights[-2, :-2]
    return bool((past / past[0] - 1).abs().max() < 1e-4)


def verify() -> list[Check]:
    from transformers.models.rwkv.modeling_rwkv import rwkv_linear_attention_cpu

    generator = torch.Generator().manual_seed(4)
    k, v = (size * torch.randn(2, 40, 16, generator=generator) for size in (3.0, 1.0))
    log_decay, u = torch.randn(2, 16, generator=generator)
    expected, _ = rwkv_linear_attention_cpu(log_decay, u, k, v)
    w = log_decay.exp()  # the reference keeps the logarithm
    loud, _ = rwkv_linear_attention_cpu(log_decay, u, 30 * k, v)
    source = "transformers rwkv_linear_attention_cpu"
    return [
        Check("output in parallel", source, _apart(wkv_parallel(w, u, k, v), expected), 1e-5),
        Check("output of the recurrence as on paper", source, _apart(wkv_plain(w, u, k, v), expected), 1e-5),
        Check("output of the recurrence with a running maximum", source, _apart(wkv_recurrent(w, u, k, v)[0], expected), 1e-6),
        Check("the same with keys of size 90", source, _apart(wkv_recurrent(w, u, 30 * k, v)[0], loud), 1e-6),
        *_against_whole_model(),
    ]


def _apart(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max())


def _against_whole_model() -> list[Check]:
    """The trained model, read in parallel and token by token."""
    from transformers import RwkvConfig, RwkvForCausalLM

    model, tokenizer, card = checkpoints.load(MODEL)
    shape = card["config"]
    theirs = RwkvForCausalLM(
        RwkvConfig(vocab_size=shape["vocabulary"], context_length=64, hidden_size=shape["width"], num_hidden_layers=shape["layers"], rescale_every=0)
    ).eval()
    with torch.inference_mode():
        _copy_into(theirs, model)
        tokens = torch.tensor([tokenizer.encode("list: lamp river stone key lamp river stone")])
        expected = theirs(tokens).logits
        memory = model.no_memory(1)
        one_by_one = torch.cat([model(tokens[:, at : at + 1], memory) for at in range(tokens.shape[1])], dim=1)
    source = "transformers RwkvForCausalLM"
    return [
        Check("logits of the trained model, in parallel", source, _apart(model(tokens), expected), 1e-3),
        Check("logits of the trained model, token by token", source, _apart(one_by_one, expected), 1e-3),
    ]


def _copy_into(theirs: Any, ours: RWKV) -> None:
    theirs.rwkv.embeddings.weight.copy_(ours.embedding.weight)
    theirs.head.weight.copy_(ours.embedding.weight)
    pairs = [(theirs.rwkv.blocks[0].pre_ln, ours.norm_in), (theirs.rwkv.ln_out, ours.norm)]
    for their, block in zip(theirs.rwkv.blocks, ours.blocks):
        time, channel = block.time, block.channel
        pairs += [(their.ln1, block.norm_time), (their.ln2, block.norm_channel)]
        pairs += [
            (their.attention.receptance, time.receptance),
            (their.attention.key, time.key),
            (their.attention.value, time.value),
            (their.attention.output, time.out),
        ]
        pairs += [
            (their.feed_forward.receptance, channel.receptance),
            (their.feed_forward.key, channel.key),
            (their.feed_forward.value, channel.value),
        ]
        their.attention.time_decay.copy_(time.log_decay)
        their.attention.time_first.copy_(time.bonus)
        for name, mix in zip(("receptance", "key", "value"), time.mix):
            getattr(their.attention, f"time_mix_{name}").copy_(mix[None, None])
        for name, mix in zip(("receptance", "key"), channel.mix):
            getattr(their.feed_forward, f"time_mix_{name}").copy_(mix[None, None])
    for their, own in pairs:
        their.load_state_dict(own.state_dict())


# Computed questions; what was drawn travels in settings["drawn"].


def ask_output(rng: random.Random) -> Question:
    """Three tokens, keys 0, powers of the decay and the bonus that are easy by hand."""
    while True:
        values, shrink, grow = [rng.randint(0, 9) for _ in range(3)], rng.choice([2, 4, 5]), rng.choice([2, 3, 5])
        w, u = torch.tensor([math.log(shrink)], dtype=torch.float64), torch.tensor([math.log(grow)], dtype=torch.float64)
        v = torch.tensor(values, dtype=torch.float64)[None, :, None]
        k = torch.zeros_like(v)
        right = wkv_recurrent(w, u, k, v)[0][0, -1, 0].item()
        x, y, z = values
        mistakes = [
            Mistake("no-bonus", wkv_recurrent(w, 0 * u, k, v)[0][0, -1, 0].item(), "The present token counts $e^u$ times."),
            Mistake("no-decay", (x + y + grow * z) / (2 + grow), "The past has faded: the first token by one step more than the second."),
            Mistake(
                "one-step-too-many",
                (x / shrink**2 + y / shrink + grow * z) / (1 / shrink**2 + 1 / shrink + grow),
                "The token just before has not faded yet: its exponent is $-(t-1-i)w=0$.",
            ),
            Mistake("not-divided", x / shrink + y + grow * z, "This is the numerator; an average divides by the sum of the weights."),
            Mistake(
                "bonus-kept",
                (x * grow / shrink + y * grow + grow * z) / (grow / shrink + 2 * grow),
                "The bonus is for the present token only; in the sums it is gone.",
            ),
        ]
        options = number_options(rng, right, "The weights are the decay, 1 and the bonus.", mistakes)
        if options and right:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"One channel of RWKV-4 reads three tokens. All keys are 0, the values are {x}, {y} and {z}; decay $w=\\ln{shrink}$, bonus $u=\\ln{grow}$. What is $wkv_3$?",
        answer="$(e^{-w}v_1+v_2+e^uv_3)/(e^{-w}+1+e^u)$",
        options=options,
        working=(f"weights: $1/{shrink}$, 1, {grow}", f"$({x}/{shrink}+{y}+{grow}\\cdot{z})/(1/{shrink}+1+{grow})={numeral(right)}$"),
        lab=SLUG,
        settings={"loudness": 0.0, "length": 4, "drawn": [values, shrink, grow]},
        level=2,
    )


def second_output(question: Question) -> float:
    """The direct formula in fractions."""
    (x, y, z), shrink, grow = question.settings["drawn"]
    weights = [Fraction(1, shrink), Fraction(1), Fraction(grow)]
    return float(sum(weight * value for weight, value in zip(weights, (x, y, z))) / sum(weights))


def ask_state(rng: random.Random) -> Question:
    while True:
        width, layers, tokens = rng.choice([512, 768, 1024, 2048, 2560]), rng.choice([12, 24, 32]), rng.choice([10, 100, 1000, 4096])
        right = state_numbers(width, layers)
        mistakes = [
            Mistake("cache", cache_numbers(width, layers, tokens), "This is a KV cache; RWKV keeps no keys and values."),
            Mistake("with-the-length", right * tokens, "The state does not grow with the text."),
            Mistake(
                "sums-only",
                2 * width * layers,
                "Beside numerator and denominator there are the running maximum and the previous inputs of both mixings.",
            ),
            Mistake("one-layer", 5 * width, "Every layer has a state of its own."),
            Mistake("matrix", width * width * layers, "Matrix states come with version 5."),
        ]
        options = number_options(rng, right, "Five vectors per layer.", mistakes, digits=12)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"An RWKV-4 model has width {width} and {layers} layers. How many numbers does its state hold after {tokens} tokens?",
        answer="Five vectors per layer, whatever the length: numerator, denominator, running maximum, and the previous inputs of time and channel mixing.",
        options=options,
        working=(f"$5\\cdot{width}\\cdot{layers}={right}$",),
        lab=SLUG,
        settings={"drawn": [width, layers, tokens]},
        level=1,
    )


def second_state(question: Question) -> float:
    width, layers, _ = question.settings["drawn"]
    return 5 * width * layers


def ask_share_left(rng: random.Random) -> Question:
    """How much of a token is left after n steps."""
    while True:
        keep, n = rng.choice([0.9, 0.95, 0.98, 0.99]), rng.choice([5, 10, 20, 40])
        w = -torch.tensor([keep], dtype=torch.float64).log()
        silence = Sums(torch.ones(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
        nothing = torch.full((1, 1), EMPTY, dtype=torch.float64)
        for _ in range(n):  # tokens whose keys are so quiet that they add nothing
            silence = wkv_step(w, torch.zeros(1, dtype=torch.float64), nothing, nothing, silence)[1]
        right = (silence.b * silence.p.exp()).item()
        mistakes = [
            Mistake("subtracted", 1 - n * (1 - keep), "Each step takes a share of what is left, not of the beginning."),
            Mistake("one-step", keep, "This is what is left after a single step."),
            Mistake("lost", 1 - right, "This is what is gone."),
            Mistake("decay-for-factor", math.exp(-n * keep), "The factor is already $e^{-w}$, not $w$."),
            Mistake("one-over-n", 1 / n, "It fades exponentially, not as one over the distance."),
        ]
        options = number_options(rng, right, "The factor to the power of the steps.", [mistake for mistake in mistakes if float(mistake.value) > 0])
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"In a channel of RWKV-4 with $e^{{-w}}={keep}$ a token has just been added to the sums. With what share of its weight does it still count {n} steps later?",
        answer="Each step multiplies by $e^{-w}$.",
        options=options,
        working=(f"${keep}^{{{n}}}={numeral(right)}$",),
        lab=SLUG,
        settings={"drawn": [keep, n]},
        level=1,
    )


def second_share_left(question: Question) -> float:
    keep, n = question.settings["drawn"]
    return keep**n


questions = {"third-output": ask_output, "state-size": ask_state, "share-left": ask_share_left}
second = {"third-output": second_output, "state-size": second_state, "share-left": second_share_left}
