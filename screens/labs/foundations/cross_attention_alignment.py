"""Watch a translation align

In an encoder-decoder one side reads the whole source, the other writes. In each of its layers the writer asks with its own
queries for keys and values made from what was read, $\\mathrm{softmax}(Q_{dec}K_{enc}^\\top/\\sqrt{d_k})\\,V_{enc}$:
**cross-attention**. One row of weights per written character, one column per source character: where does this one come from?

Two networks, both trained here. **Backwards** writes a word from its end to its start; nine moments of its training are kept,
so you can watch the alignment turn from noise into an anti-diagonal. **Dates** brings dates, as people write them, into
the form YYYY-MM-DD: a reordering, with words that become numbers.

An alignment says where a head looks, not why the character was chosen: each place of the encoder's output has read its whole
source already, and several heads share the work. Hide the source from the writer and see what it makes up.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from backend.questions import Form, Question
from models import checkpoints, toy_dates
from models.attention import attention_scores, attention_weights, causal_mask, padding_mask
from models.beam import Search, beam_search, penalised
from models.encoder_decoder import CrossBlock, CrossTrace, EncoderDecoder
from models.symbols import START, STOP, UNKNOWN
from models.training.dates import year_alignment
from models.training.reversal import alignment, encode, loss
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Stops, Text, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import AttentionView, Strip, TokenStrip

TOPIC = "encoder-decoder-seq2seq"
REFERENCE = "nn.TransformerDecoderLayer and nn.MultiheadAttention with copied weights; transformers T5 cross_attentions"
MECHANISM = (CrossBlock.forward, EncoderDecoder.read, EncoderDecoder.write, beam_search, alignment)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="1.5"><path d="M30 10h100v70h-100z" opacity=".4"/>
<g fill="#1f77c9" stroke="none"><rect x="116" y="12" width="12" height="9"/><rect x="102" y="22" width="12" height="9"/><rect x="88" y="32" width="12" height="9"/>
<rect x="74" y="42" width="12" height="9"/><rect x="60" y="52" width="12" height="9"/><rect x="46" y="62" width="12" height="9" opacity=".9"/><rect x="32" y="71" width="12" height="8" opacity=".8"/></g>
<path d="M138 14c8 20 8 42 0 62m-3-5 3 5 6-3" stroke="#d4620f" stroke-width="3"/></svg>"""

SLUG = "cross-attention-alignment"
STEPS = (0, 50, 100, 150, 200, 300, 400, 600, 1000)
WORD = 12  # letters at most: the length that Backwards was trained on
SOURCE = 40  # characters at most: the source that Dates was built for
TASKS = {"reversal": "backwards", "dates": "dates"}
SAMPLES = {
    "stream": "stream",
    "banana": "banana",
    "one letter": "aaaaaa",
    "a date": "the 3rd of October 1987",
    "US order": "March 7, 2021",
    "no such day": "31 February 2021",
    "Oktober": "3 Oktober 1987",
}
DATE = "the 3rd of October 1987"


@dataclass(frozen=True)
class Moment:
    nll: float  # nats per letter on words it never saw
    exact: float  # share of words written without a mistake
    alignment: float  # the best head's mean weight on the anti-diagonal


@dataclass(frozen=True)
class Result:
    task: str
    step: int
    source: list[str]
    cut: bool
    unknown: int  # source characters that the network has no symbol for
    hidden: bool
    head: tuple[int, int]
    moved: bool
    width: int
    beams: list[tuple[str, float, list[float]]]  # text, mean log probability, probability of each character
    written: list[str]  # of the best beam, the stop included
    shares: list[float]
    weights: np.ndarray  # (L, H, T, S)
    vectors: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]
    history: tuple[Moment, ...]  # Backwards, per step of STEPS
    years: np.ndarray  # Dates, (L, H)

    @property
    def text(self) -> str:
        return self.beams[0][0]

    @property
    def diagonal(self) -> float:
        """The shown head's mean weight on the anti-diagonal."""
        letters = len(self.source) - 1
        return (
            float(np.mean([self.weights[self.head][place, letters - 1 - place] for place in range(min(letters, len(self.written)))]))
            if letters
            else 0.0
        )

    @property
    def best(self) -> tuple[int, int]:
        """Row and column of the largest weight, the stop's row left out: nothing in the source is written there."""
        row, column = divmod(int(self.weights[self.head][: max(len(self.written) - 1, 1)].argmax()), len(self.source))
        return row, column

    def then(self, step: int) -> Moment:
        return self.history[STEPS.index(step)]


def _best_head() -> tuple[int, int]:
    """The head of Dates that the checkpoint's card calls the best aligned."""
    layer, head, _ = checkpoints.card("dates")["figures"]["best_alignment"]
    return layer, head


def compute(
    task: Annotated[str, Choice(TASKS, label="Task")] = "reversal",
    text: Annotated[
        str, Text(label="Source", limit=SOURCE, samples=SAMPLES, rows=1, help="A word of up to 12 letters to write backwards, or a date.")
    ] = "stream",
    step: Annotated[int, Stops(*STEPS, label="Training step", help="Of Backwards. Dates is kept as it was at its end, after 1,200 steps.")] = 1000,
    layer: Annotated[int, Slider(0, 1, label="Layer", help="Backwards has one, Dates has two.")] = 1,
    head: Annotated[int, Slider(0, 3, label="Head", help="Backwards has two, Dates has four.")] = 1,
    width: Annotated[int, Slider(1, 5, label="Beams", help="How many partial answers are kept while writing; 1 is greedy.")] = 3,
    hide: Annotated[
        bool, Toggle(label="Hide the source from the writer", help="Cross-attention gets nothing: its weights and what it hands on are zero.")
    ] = False,
) -> Result:
    model, tokenizer = _model(task, step), checkpoints.load(task).tokenizer
    most = WORD if task == "reversal" else SOURCE
    known = tokenizer.encode(text)
    ids = known[:most] if task == "dates" else [*known[:most], STOP]
    shown = [*tokenizer.pieces(text)[:most], "<stop>"][: len(ids)] if ids else ["(nothing)"]
    ids = ids or [UNKNOWN]  # an empty source still needs one place to look at
    sources = torch.tensor([ids])
    real = torch.full(sources.shape, not hide)
    with torch.inference_mode():
        memory, _ = model.read(sources)
        search = _search(model, memory, real, width)
        best = list(search.best.tokens)
        trace = CrossTrace()
        logits = model.write(memory, torch.tensor([[START, *best[:-1]]]), real, trace)
    shape = trace.cross_attention.shape
    chosen = (min(layer, shape[0] - 1), min(head, shape[2] - 1))
    beams = [_beam(model, tokenizer, memory, real, list(h.tokens), penalised(h.score, len(h.tokens), 1.0)) for h in search.finished[:width]]
    return Result(
        task=task, step=step, source=shown, cut=len(known) > most, unknown=sum(token == UNKNOWN for token in ids),
        hidden=hide, head=chosen, moved=task == "dates" and chosen != (layer, head), width=width, beams=beams,
        written=[tokenizer.show(token) for token in best], shares=_shares(logits[0], best),
        weights=trace.cross_attention[:, 0].numpy(),
        vectors={(at, h): (heads.q[0, h].half().numpy(), heads.k[0, h].half().numpy()) for at, heads in enumerate(trace.cross) for h in range(shape[2])},
        history=_history(), years=_years(),
    )  # fmt: skip


def _model(task: str, step: int) -> EncoderDecoder:
    model = checkpoints.load(task).model
    return model[f"reversal_{step}"] if task == "reversal" else model


def _search(model: EncoderDecoder, memory: Tensor, real: Tensor, width: int) -> Search:
    def next_log_p(sequences: Any) -> Tensor:
        target = torch.tensor([[START, *tokens] for tokens in sequences])
        n = len(sequences)
        return model.write(memory.expand(n, -1, -1), target, real.expand(n, -1))[:, -1].log_softmax(dim=-1)

    return beam_search(next_log_p, width=width, steps=model.config.target_context - 1, end=STOP)


def _beam(model: EncoderDecoder, tokenizer: Any, memory: Tensor, real: Tensor, tokens: list[int], mean: float) -> tuple[str, float, list[float]]:
    with torch.inference_mode():
        logits = model.write(memory, torch.tensor([[START, *tokens[:-1]]]), real)[0]
    return tokenizer.decode(tokens), mean, _shares(logits, tokens)


def _shares(logits: Tensor, tokens: list[int]) -> list[float]:
    return logits.softmax(dim=-1).gather(1, torch.tensor(tokens)[:, None])[:, 0].tolist()


@functools.cache
def _history() -> tuple[Moment, ...]:
    """Sixty words that were never trained on, at every kept step."""
    rng = random.Random(77)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, WORD))) for _ in range(60)]
    tokenizer = checkpoints.load("reversal").tokenizer
    sources, real, targets = encode(words, tokenizer)
    moments = []
    with torch.inference_mode():
        for step in STEPS:
            model, trace = _model("reversal", step), CrossTrace()
            model(sources, targets[:, :-1], real, trace)
            written = [tokenizer.decode(line) for line in model.answer(sources, START, STOP, real)[:, 1:].tolist()]
            exact = sum(text == word[::-1] for text, word in zip(written, words, strict=True)) / len(words)
            moments.append(Moment(float(loss(model, sources, real, targets)), exact, float(alignment(trace, real).max())))
    return tuple(moments)


@functools.cache
def _years() -> np.ndarray:
    rng = random.Random(78)
    return year_alignment(checkpoints.load("dates").model, [toy_dates.case(rng) for _ in range(60)]).numpy()


def figures(result: Result) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "Which source character each written one reads": AttentionView(
            tokens=result.written, weights=result.weights, columns=result.source, head=result.head, vectors=result.vectors,
            sets={"layer": "{layer}", "head": "{head}"}, height=380,
        ),
        "What it writes: the best beams": _beams(result),
    }  # fmt: skip
    if result.task == "reversal":
        here = [(result.step, f"step {result.step}")]
        at_steps = axis("training step")
        drawn["The loss while it learns"] = lines(
            STEPS, {"nats per letter": [m.nll for m in result.history]}, x_axis=at_steps, y_axis=axis("nats per letter"), upright=here
        )
        shares = {"alignment": [m.alignment for m in result.history], "exact words": [m.exact for m in result.history]}
        drawn["Alignment and right answers rise together"] = lines(STEPS, shares, x_axis=at_steps, y_axis=axis("share", span=(0, 1.05)), upright=here)
    else:
        heads = [f"L{layer}H{head}" for layer, head in np.ndindex(result.years.shape)]
        drawn["Which heads find the digits of the year"] = bars(
            heads, result.years.flatten(), x_axis=axis("head"), y_axis=axis("largest weight on the right digit, share of 240", span=(0, 1.05))
        )
    return drawn


def _beams(result: Result) -> TokenStrip:
    rows = [Strip("source", result.source)]
    for rank, (text, mean, shares) in enumerate(result.beams, 1):
        characters = [*text, "<stop>"][: len(shares)]
        shown = shares[: len(characters)]
        rows.append(Strip(f"beam {rank}: mean log p {mean:.3f}", characters, shown, [f"{share:.2f}" for share in shown]))
    return TokenStrip(rows, value_name="probability of the character")


def facts(result: Result) -> dict[str, float]:
    row, column = result.best
    return {
        "step": result.step,
        "layer": result.head[0],
        "head": result.head[1],
        "diagonal": result.diagonal,
        "weight": float(result.weights[result.head][row, column]),
        "probability": math.exp(result.beams[0][1] * len(result.shares)),
        "unknown": result.unknown,
        "letters at most": WORD,
        "characters at most": SOURCE,
        "layers": result.weights.shape[0],
        "heads": result.weights.shape[1],
    }


def says(result: Result) -> str:
    layer, head = result.head
    source = "".join(result.source).removesuffix("<stop>").replace("”", "").replace("“", "")
    probability = math.exp(result.beams[0][1] * len(result.shares))
    when = f"After {result.step} steps “{source}”" if result.task == "reversal" else f"“{source}”"
    wrote = f"{when} becomes “{result.text}” with probability {numeral(probability)}"
    if result.hidden:
        return f"{wrote}: with the source hidden, this is what the writer says to anything.{_limits(result)}"
    if result.task == "reversal":
        return f"{wrote}; layer {layer}, head {head} has a mean weight of {numeral(result.diagonal)} on the anti-diagonal.{_limits(result)}"
    row, column = result.best
    weight = float(result.weights[result.head][row, column])
    return f"{wrote}; the strongest link of layer {layer}, head {head} is from “{result.written[row]}” to “{result.source[column]}”: {numeral(weight)}.{_limits(result)}"


def _limits(result: Result) -> str:
    notes = ""
    if result.unknown:
        notes += (
            f" {result.unknown} of its characters are unknown to this network."
            if len(result.source) > 1
            else " There is nothing in the source that it knows."
        )
    if result.cut:
        notes += f" Only the first {WORD if result.task == 'reversal' else SOURCE} characters are read."
    return notes


TRY = [
    Experiment(
        title="Before any training",
        settings={"step": 0},
        ask="“stream” has 6 letters, and a stop sign closes the source: 7 places. What do the cross-attention weights of an untrained network look like?",
        options=("An anti-diagonal already, but faint", "All near 1/7", "A few bright cells at random"),
        right=1,
        why="Weights start near zero, so all scores are near 0 and a softmax of equal scores is uniform. What is noise here is faint noise; the *answer* is "
        "one letter over and over.",
        look="The first picture: one colour everywhere. Every cell is 0.14 or 0.15.",
        holds=lambda result: float(np.abs(result.weights - 1 / 7).max()) < 0.02,
        tempting={
            0: "Nothing has told it which way to write.",
            2: "That takes large weights: see what happens to a softmax when scores lie far apart.",
        },
    ),
    Experiment(
        title="What comes first?",
        settings={"step": 200},
        ask="At step 200 the loss has fallen from 3.4 to about 0.7 nats per letter, yet only a quarter of the words is exactly right. How far is the alignment?",
        options=("Complete: finding the place comes first, copying later", "About a third of its weight lies on the anti-diagonal", "Not begun"),
        right=1,
        why="The two grow together, each step making the other worth more: a letter is learned at a place to look, a place because its letter helps. "
        "A head that spreads over three neighbours already narrows the choice to three letters, hence the low loss. Every letter must be right at once for an exact word, and that comes last.",
        look="The last picture: two curves that rise side by side.",
        holds=lambda result: 0.2 < result.then(200).alignment < 0.5 and result.then(200).nll < 1 and result.then(200).exact < 0.5,
        tempting={0: "Then its curve would stand at 1 long before the other.", 2: "The loss could not have fallen below that of guessing letters."},
    ),
    Experiment(
        title="One letter six times",
        settings={"text": "aaaaaa"},
        ask="Backwards of “aaaaaa” is “aaaaaa”: any place would do. Where does the trained head look?",
        options=("Anywhere: all keys are alike", "Exactly along the anti-diagonal", "At the first a only"),
        right=1,
        why="The six source places carry the same letter but different *positions*, and it is by position that this network matches: the query says "
        "“third from the end”. It never learned to ask what stands there; only the value tells it that.",
        look="The first picture: the same anti-diagonal as for “stream”.",
        holds=lambda result: result.text == "aaaaaa" and result.diagonal > 0.9,
        tempting={0: "True without position embeddings: equal keys, equal weights.", 2: "Nothing distinguishes it for the later rows."},
    ),
    Experiment(
        title="A month is not copied",
        settings={"task": "dates", "text": DATE, "layer": _best_head()[0], "head": _best_head()[1]},
        ask="“the 3rd of October 1987” becomes 1987-10-03. The 9 of the year reads the 9. What do the 1 and 0 of the month read?",
        options=(
            "Letters of “October”, less sharply",
            "The digits of the year: nothing else is a digit",
            "Nothing: the month comes from the writer's memory",
        ),
        right=0,
        why="There is no 10 in the source. The encoder has read all of “October” at each of its letters, so any of them can say which month it is, and the "
        "weights spread. A sharp alignment shows only where things are copied.",
        look="The first picture: bright cells for the year, a pale patch over the month's letters in the row of the month's 1.",
        holds=lambda result: (
            result.text == "1987-10-03"
            and 11 <= int(result.weights[result.head][5].argmax()) <= 17
            and float(result.weights[result.head][5].max()) < 0.7
        ),
        tempting={1: "It needs the month's value, not a digit's shape.", 2: "Hide the source and see what it remembers: another month."},
    ),
    Experiment(
        title="Hide the source",
        settings={"task": "dates", "text": DATE, "hide": True},
        ask="Cross-attention gets nothing, so the decoder writes blind. What comes out?",
        options=("Noise", "A well-formed date that has nothing to do with the source", "Nothing: it stops at once"),
        right=1,
        why="The decoder alone is a language model of dates: it knows that four digits, a dash and a month follow each other. Fluent and unfounded: "
        "form comes from what was written before, content through cross-attention.",
        look="The second picture, and the first: every weight is 0.",
        holds=lambda result: _is_date(result.text) and result.text != "1987-10-03" and float(result.weights.max()) == 0,
        tempting={0: "Its self-attention still works.", 2: "It has learned that a stop comes after ten characters."},
    ),
    Experiment(
        title="Not a day",
        settings={"task": "dates", "text": "31 February 2021"},
        ask="There is no 31 February, and none was in the training data. What does the network write?",
        options=("2021-03-03, as a calendar would count on", "2021-02-31", "2021-02-28"),
        right=1,
        why="Year, month and day are aligned and translated each for itself. Nothing in this network knows how long a month is.",
        look="The beams: full confidence in every character.",
        holds=lambda result: result.text == "2021-02-31",
        tempting={0: "That needs arithmetic on dates.", 2: "That needs a table of months."},
    ),
]


def _is_date(text: str) -> bool:
    import datetime

    try:
        return bool(datetime.date.fromisoformat(text))
    except ValueError:
        return False


def verify() -> list[Check]:
    """The decoder's blocks against torch's, the cross-attention against torch's and T5's."""
    model, tokenizer, _ = checkpoints.load("dates")
    source, target = torch.tensor([tokenizer.encode(DATE)]), torch.tensor([[START, *tokenizer.encode("1987-10-03")]])
    real = torch.ones(source.shape, dtype=torch.bool)
    real[0, -3:] = False  # part of the source hidden, so that the mask is compared too
    gaps = {"block": 0.0, "weights": 0.0}
    with torch.no_grad():
        memory, _ = model.read(source)
        x = model.embedding(target) + model.target_position(torch.arange(target.shape[1]))
        hidden = ~causal_mask(target.shape[1])
        for block in model.blocks:
            ours, _, crossed = block(x, memory, ~hidden, padding_mask(real))
            expected = _torch_block(block)(x, memory, tgt_mask=hidden, memory_key_padding_mask=~real)
            asked = block.norm_cross(x + block.attention(block.norm_attention(x), mask=~hidden)[0])
            weights = _torch_attention(block.cross)(asked, memory, memory, key_padding_mask=~real, average_attn_weights=False)[1]
            gaps["block"] = max(gaps["block"], (ours - expected).abs().max().item())
            gaps["weights"] = max(gaps["weights"], (crossed.weights - weights).abs().max().item())
            x = ours
    return [
        Check("both decoder blocks of Dates", "nn.TransformerDecoderLayer, weights copied", gaps["block"], 1e-5),
        Check("their cross-attention weights", "nn.MultiheadAttention, weights copied", gaps["weights"], 1e-5),
        Check("cross-attention of a small random T5", "transformers T5ForConditionalGeneration, cross_attentions", _t5_gap(), 1e-6),
    ]


def _torch_attention(ours: Any) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(ours.query.weight.shape[0], ours.heads, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.out_proj.weight.copy_(ours.out.weight)
    return theirs.eval()


def _torch_block(ours: CrossBlock) -> nn.TransformerDecoderLayer:
    C = ours.norm_cross.weight.shape[0]
    theirs = nn.TransformerDecoderLayer(C, ours.cross.heads, 4 * C, activation="gelu", norm_first=True, batch_first=True)
    theirs.self_attn, theirs.multihead_attn = _torch_attention(ours.attention), _torch_attention(ours.cross)
    theirs.norm1, theirs.norm2, theirs.norm3 = ours.norm_attention, ours.norm_cross, ours.norm_feed_forward
    theirs.linear1, theirs.linear2 = ours.feed_forward.up, ours.feed_forward.down
    return theirs.eval()


def _t5_gap() -> float:
    """T5 divides by nothing; otherwise its cross-attention is this one, on the states that it hands to its layer."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(d_model=32, d_kv=8, num_heads=4, num_layers=1, num_decoder_layers=1, d_ff=32, vocab_size=40, attn_implementation="eager")
    seen: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        t5 = T5ForConditionalGeneration(config).eval()
        cross = t5.decoder.block[0].layer[1].EncDecAttention
        cross.q.weight.mul_(20)  # T5 starts q so small that the weights would be uniform and any mistake too
        handles = [
            layer.register_forward_hook(lambda _module, _inputs, output, name=name: seen.update({name: output}))
            for name, layer in (("q", cross.q), ("k", cross.k))
        ]
        output = t5(input_ids=torch.arange(3, 14)[None], decoder_input_ids=torch.arange(20, 26)[None], output_attentions=True)
        for handle in handles:
            handle.remove()
    q, k = (seen[name].view(1, -1, 4, 8).transpose(1, 2) for name in ("q", "k"))  # (1, H, T, D)
    return (attention_weights(attention_scores(q, k, scale=1.0)) - output.cross_attentions[0]).abs().max().item()


# Computed questions


def ask_place(rng: random.Random) -> Question:
    while True:
        word = "".join(rng.sample("abcdefghijklmnoprstuvw", rng.randint(5, 9)))
        n = len(word)
        place = rng.randint(2, n - 1)
        right = n - place + 1
        mistakes = [
            Mistake("same-place", place, "This copies in order; the word is written from its end."),
            Mistake("counted-from-zero", n - place, "With places counted from 1 the last letter is number $n$, not $n-1$."),
            Mistake("one-too-late", right + 1, "This place was read one letter ago."),
            Mistake("the-end", n, "The first written letter reads the end; later ones have moved on."),
            Mistake("the-start", 1, "Only the last written letter reads the start."),
        ]
        options = number_options(rng, right, "Letter $t$ of $n$ reads place $n-t+1$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A network writes “{word}” backwards, and its cross-attention is perfectly aligned. It is about to write letter number {place}. Which place of the source "
        "(counted from 1) has the weight 1?",
        answer="The anti-diagonal: $n-t+1$.",
        options=options,
        working=(f"$n={n}$ letters, $t={place}$: ${n}-{place}+1={right}$, the letter {word[right - 1]}",),
        lab=SLUG,
        settings={"text": word, "drawn": [word, place]},
        level=1,
    )


def second_place(question: Question) -> float:
    """By writing the word backwards and looking where its letter stands."""
    word, place = question.settings["drawn"]
    return word.index("".join(reversed(word))[place - 1]) + 1


def ask_size(rng: random.Random) -> Question:
    while True:
        layers, heads = rng.choice([2, 4, 6, 12]), rng.choice([4, 8, 12, 16])
        source, target = rng.randint(10, 60), rng.randint(5, 40)
        right = layers * heads * target * source
        mistakes = [
            Mistake("square-of-the-target", layers * heads * target * target, "This is the decoder's self-attention: both sides are the target."),
            Mistake("square-of-the-source", layers * heads * source * source, "This is the encoder's self-attention."),
            Mistake("one-layer", heads * target * source, "Every decoder layer has a cross-attention of its own."),
            Mistake("one-head", layers * target * source, "Every head has weights of its own."),
            Mistake("both-in-one", layers * heads * (source + target) ** 2, "That is a decoder-only model with both texts in one line."),
        ]
        options = number_options(rng, f"{right:,}", "Layers · heads · target · source.", [Mistake(m.name, f"{m.value:,}", m.why) for m in mistakes])
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"An encoder-decoder with {layers} decoder layers of {heads} heads reads {source} tokens and writes {target}. How many *cross-attention* weights are there, "
        "all layers and heads together?",
        answer="One matrix of target by source per head and layer.",
        options=options,
        working=(f"${layers}\\cdot{heads}\\cdot{target}\\cdot{source}={right:,}$".replace(",", "\\,"),),
        lab=SLUG,
        settings={"drawn": [layers, heads, source, target]},
        level=1,
    )


def second_size(question: Question) -> str:
    """torch's module, counting the weights it hands out."""
    layers, heads, source, target = question.settings["drawn"]
    attention = nn.MultiheadAttention(2 * heads, heads, batch_first=True)
    with torch.no_grad():
        weights = attention(torch.zeros(1, target, 2 * heads), *[torch.zeros(1, source, 2 * heads)] * 2, average_attn_weights=False)[1]
    return f"{layers * weights.numel():,}"


def ask_keys(rng: random.Random) -> Question:
    while True:
        source, target = rng.randint(8, 60), rng.randint(4, 30)
        right = source + target
        mistakes = [
            Mistake(
                "no-cache", target * source + target * (target + 1) // 2, "This computes every key again at each step; keys never change once made."
            ),
            Mistake("source-again", target * source + target, "The source's keys are made once: the encoder's output does not change while writing."),
            Mistake("source-only", source, "Self-attention needs a key for every written token too."),
            Mistake("pairs", target * source, "These are the weights of cross-attention, not its keys."),
        ]
        options = number_options(rng, right, "The source once, and one key per written token.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A decoder layer with caches writes {target} tokens, one forward pass each, from a source of {source}. How many key vectors does this layer compute per "
        "head, self- and cross-attention together?",
        answer="Cross-attention's keys come from the source, once; self-attention adds one per pass.",
        options=options,
        working=(f"cross: {source}", f"self: {target}", f"together {right}"),
        lab=SLUG,
        settings={"drawn": [source, target]},
        level=2,
    )


def second_keys(question: Question) -> float:
    """By going through the passes and keeping what was made."""
    source, target = question.settings["drawn"]
    made: set[tuple[str, int]] = set()
    for now in range(target):
        made |= {("source", place) for place in range(source)} | {("written", now)}
    return len(made)


questions = {"aligned-place": ask_place, "cross-weights": ask_size, "keys-computed": ask_keys}
second = {"aligned-place": second_place, "cross-weights": second_size, "keys-computed": second_keys}
