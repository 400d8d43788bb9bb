"""The grammar of cards: what reads as which card, what is reported, and that writing and reading agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.cards import Card, gap_texts, gaps_hidden, gaps_shown, read_cards, showings, write_card
from backend.questions import Form, Option, Quantity, Question

CONTENT = Path(__file__).parent.parent / "content"
NOTES = sorted(CONTENT.glob("*/*.md"))


def only_card(text: str) -> Card:
    cards, mistakes = read_cards(text)
    assert [str(mistake) for mistake in mistakes] == []
    assert len(cards) == 1
    return cards[0]


def only_mistake(text: str) -> str:
    cards, mistakes = read_cards(text, path="n.md")
    assert cards == []
    assert len(mistakes) == 1
    return str(mistakes[0])


# -- the forms


def test_prose_with_its_lines_under_the_question():
    text = """Before.

Q: Why are scores divided by $\\sqrt{d_k}$? ^scale-q01
aka: why scale; what is $a;b$; 为什么要除以根号dk
tags: attention, softmax
points: variance is $d_k$; saturation

A: To keep them small. A sum of $d_k$ terms
has variance $d_k$.

After.
"""
    question = Question(
        Form.PROSE,
        "Why are scores divided by $\\sqrt{d_k}$?",
        "To keep them small. A sum of $d_k$ terms\nhas variance $d_k$.",
        points=("variance is $d_k$", "saturation"),
    )
    card = only_card(text)
    assert card == Card("scale-q01", question, ("why scale", "what is $a;b$", "为什么要除以根号dk"), ("attention", "softmax"))
    assert card.line == 3


def test_a_lone_answer_runs_to_the_next_card_heading_or_stars():
    body = "First.\n\n- a list\n- of two\n\n```python\nQ: not a card ^x\n\n# not a heading\n```\n\n$$\nx = y\n$$\n\n---\n\nLast."
    for end in ("\n\nQ: Next? ^b\n\nA: Yes.", "\n\nC: ==Next== ^b", "\n\n## Heading\n\nProse.", "\n\n***\n\nProse.", "\n"):
        cards, mistakes = read_cards(f"Q: All? ^a\n\nA:\n\n{body}{end}")
        assert mistakes == []
        assert cards[0].question.answer == body
        assert cards[1:] == [] or cards[1].id == "b"


def test_an_answer_beside_its_letter_is_one_paragraph():
    assert only_card("Q: Why? ^a\n\nA: Because.\n\nProse that is not the card's.").question.answer == "Because."


def test_a_question_of_several_blocks():
    card = only_card("Q: ^a\naka: code\n\nWhat prints this?\n\n```\nA: no answer\n```\n\nA: Nothing.")
    assert card.question.prompt == "What prints this?\n\n```\nA: no answer\n```"
    assert card.aka == ("code",)


def test_a_choice_with_reasons():
    card = only_card(
        """Q: Which? ^a

- [ ] one
  Because `x`:

  - a list
    of reasons
- [x] two
- [ ] three
lazily continued
- [X]  four

Prose.
""".replace("[X]", "[ ]")
    )
    assert card.question.options == (
        Option("one", why="Because `x`:\n\n- a list\n  of reasons"),
        Option("two", right=True),
        Option("three", why="lazily continued"),
        Option("four"),
    )
    assert card.question.answer == ""


def test_a_choice_with_an_answer_after_it():
    options = "- [x] one\n- [ ] two\n- [ ] three\n- [ ] four"
    assert only_card(f"Q: Which? ^a\n\n{options}\n\nA: One, since it is first.\n\nProse.").question.answer == "One, since it is first."


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("= 8", Quantity(8)),
        ("= -0.5", Quantity(-0.5)),
        ("= 0.644 ± 0.002", Quantity(0.644, 0.002)),
        ("= 16 ± 5% GB", Quantity(16, 0.05, True, "GB")),
        ("= 16 ± 5%", Quantity(16, 0.05, True)),
        ("= 16 GB", Quantity(16, unit="GB")),
        ("= 50%", Quantity(50, unit="%")),
        ("= 50 ± 2 %", Quantity(50, 2, unit="%")),
        ("= 1,024 tokens per second", Quantity(1024, unit="tokens per second")),
        ("= 6·10^23", Quantity(6e23)),
        ("= 1/4", Quantity(0.25)),
        ("=8±1", Quantity(8, 1)),
    ],
)
def test_a_number_with_tolerance_and_unit(written: str, key: Quantity):
    card = only_card(f"Q: How many? ^a\n\nA: {written}\n\nBecause.\n\nAnd more.\n\n***\n\nProse.")
    assert (card.question.form, card.question.quantity, card.question.answer) == (Form.NUMBER, key, "Because.\n\nAnd more.")


@pytest.mark.parametrize(
    "written", ["= eight", "= $8$", "= 8 ± x", "= 8 ± -1", "= 8 GB ± 1", "=", "= 8 ± 1 ± 2", "= 8\nbecause", "= 8, since $d_k=64$ and so on"]
)
def test_a_number_that_cannot_be_read_is_reported(written: str):
    assert only_mistake(f"Q: How many? ^a\n\nA: {written}").startswith(
        "n.md:3: expected = NUMBER [± TOLERANCE[%]] [UNIT] alone in its paragraph, came"
    )


def test_a_term_with_other_spellings_and_an_explanation():
    question = only_card('Q: Name it. ^a\n\nA: "KL divergence" | "a \\"b\\" \\\\ c"\n\nAfter two people.').question
    assert (question.form, question.terms, question.answer) == (Form.TERM, ("KL divergence", 'a "b" \\ c'), "After two people.")


def test_an_answer_that_only_starts_with_a_quote_is_prose():
    assert only_card('Q: Who? ^a\n\nA: "Attention" said so.').question.form is Form.PROSE


@pytest.mark.parametrize("answer", ["", "\n\nA: Since each needs the one before."])
def test_steps_to_put_in_order(answer: str):
    question = only_card(f"Q: Order them. ^a\n\n1. tokenise\n2. embed\n   each token\n3. attend{answer}\n\nProse.").question
    assert (question.form, question.prompt, question.steps) == (Form.ORDER, "Order them.", ("tokenise", "embed\neach token", "attend"))
    assert question.answer == answer[5:]


@pytest.mark.parametrize("answer", ["", "\n\nA: By design."])
def test_pairs_to_match(answer: str):
    question = only_card(f"Q: Match. ^a\n\n| model | kind |\n|---|---|\n| BERT | encoder |\n| $P(a\\|b)$ | `x` |{answer}\n\nProse.").question
    assert (question.form, question.heads, question.pairs) == (Form.MATCH, ("model", "kind"), (("BERT", "encoder"), ("$P(a|b)$", "`x`")))
    assert question.answer == answer[5:]


def test_a_list_or_a_wide_table_before_other_blocks_belongs_to_the_question():
    assert only_card("Q: Given ^a\n\n1. one\n2. two\n\nwhat follows?\n\nA: Three.").question.form is Form.PROSE
    assert only_card("Q: Given ^a\n\n1. one\n2. two\n\nA: = 3").question.form is Form.NUMBER
    assert only_card("Q: Read it ^a\n\n|a|b|c|\n|-|-|-|\n|1|2|3|\n\nA: Read.").question.form is Form.PROSE
    assert only_card("Q: Links ^a\n\n- [x](http://a.b)\n\nA: Read.").question.form is Form.PROSE


def test_gaps_become_cards_of_their_own():
    card = only_card("C: The ==$QK^T$== of `a == b` is ==scaled, **then** normalised==. ^a\ntags: t")
    assert card.question == Question(Form.GAP, "The ==$QK^T$== of `a == b` is ==scaled, **then** normalised==.")
    assert gap_texts(card.question.prompt) == ["$QK^T$", "scaled, **then** normalised"]
    first, second = showings(card)
    assert (first.id, first.question.gap, second.id, second.question.gap) == ("a.1", 1, "a.2", 2)
    assert first.tags == ("t",)
    assert gaps_hidden(card.question.prompt, 1) == "The […] of `a == b` is scaled, **then** normalised."
    assert gaps_hidden(card.question.prompt) == "The […] of `a == b` is […]."
    assert gaps_shown(card.question.prompt, 1) == "The **$QK^T$** of `a == b` is scaled, **then** normalised."


def test_any_other_card_is_shown_as_itself():
    card = only_card("Q: Why? ^a\n\nA: So.")
    assert showings(card) == [card]
    hidden = Card("b.1", Question(Form.GAP, "==x==", gap=1))
    assert showings(hidden) == [hidden]


# -- mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Q: Why?\n\nA: So.", "n.md:1: expected an id such as ^attention-scaling-q01 at the end of the card's first line, came “Q: Why?”"),
        ("Q: Why? ^Not_kebab\n\nA: So.", "n.md:1: expected an id of lower-case letters, digits and single hyphens, came “^Not_kebab”"),
        ("Q: a\nb ^late\n\nA: So.", "n.md:1: expected an id such as ^attention-scaling-q01 at the end of the card's first line, came “Q: a”"),
        ("Q: ^a\n\nA: So.", "n.md:1: expected a question after Q:, came only its id ^a"),
        ("Q: Why? ^a\n\nProse.", "n.md:1: expected an answer (A:) after the question, came none for ^a"),
        ("Q: Why? ^a\n\n# Heading\n\nProse.", "n.md:1: expected an answer (A:) after the question, came none for ^a"),
        ("Q: Why? ^a\n\nA:", "n.md:3: expected something after A:, came nothing"),
        ("Q: Why? ^a\n\nA:\n\n***\n\nProse.", "n.md:3: expected something after A:, came nothing"),
        ("Q: Why? ^a\nA: So.", "n.md:2: expected an empty line between Q: and A:, came “A: So.”"),
        ("Q: Why? ^a\nalso: more\n\nA: So.", "n.md:2: expected aka:, tags:, points: or an empty line under the question, came “also: more”"),
        ("Q: Why? ^a\naka: b\naka: c\n\nA: So.", "n.md:3: expected one aka: line with something in it, came “aka: c”"),
        ("Prose.\n\nA: So.", "n.md:3: expected a question (Q:) before this answer, came “A: So.”"),
        ("Q: ? ^a\n\n- [ ] a\n- [ ] b\n- [ ] c\n- [ ] d", "n.md:3: expected one right option, - [x], came 0"),
        ("Q: ? ^a\n\n- [x] a\n- [x] b\n- [ ] c\n- [ ] d", "n.md:3: expected one right option, - [x], came 2"),
        ("Q: ? ^a\n\n- [x] a\n- [ ] b", "n.md:3: expected three wrong options, - [ ], came 1"),
        ("Q: ? ^a\n\n- [x] a\n- b\n- [ ] c\n- [ ] d", "n.md:4: expected every option as - [x] or - [ ], came “b”"),
        ("Q: ? ^a\n\n- [x] a\n- [ ]\n- [ ] c\n- [ ] d", "n.md:4: expected the option's text beside its box, came “[ ]”"),
        ("Q: ? ^a\n\n1. one\n\nA: So.", "n.md:3: expected at least two steps, none empty, came 1"),
        ("Q: ? ^a\n\n|a|b|\n|-|-|\n|1| |\n\nA: So.", "n.md:3: expected at least two pairs, no cell empty, came 1 rows"),
        ("C: No gap here. ^a", "n.md:1: expected at least one ==gap==, came none in “No gap here.”"),
        ("C: The root $\\sqrt{==d_k==}$. ^a", "n.md:1: expected gaps that hold whole formulas, ==$x$==, came == inside “\\sqrt{==d_k==}”"),
        ("C: Cut ==$a==b$ ^a", "n.md:1: expected gaps that hold whole formulas, ==$x$==, came == inside “a==b”"),
        ("C: In `a ==b== c` ^a", "n.md:1: expected gaps outside code, came == inside “a ==b== c”"),
        ("C: Good ==gap== and ==open ^a", "n.md:1: expected every gap opened and closed, ==gap==, came “and ==open”"),
        ("C: Over ==the ^a\nline==", "n.md:2: expected aka:, tags:, points: or an empty line under the question, came “line==”"),
    ],
)
def test_each_mistake_says_what_was_expected_and_what_came(text: str, said: str):
    assert only_mistake(text) == said


def test_an_id_twice_is_reported_and_the_first_card_stands():
    cards, mistakes = read_cards("Q: One? ^a\n\nA: 1.\n\nC: ==two== ^a")
    assert [card.question.prompt for card in cards] == ["One?"]
    assert str(mistakes[0]) == ":5: expected an id of its own, came ^a, which line 1 has"


def test_all_mistakes_come_at_once_and_good_cards_between_them_are_read():
    cards, mistakes = read_cards("Q: no id\n\nA: x.\n\nQ: good? ^g\n\nA: Yes.\n\nC: no gap ^n\n\nA: stray\n\nCosts $5 today.")
    assert [card.id for card in cards] == ["g"]
    assert [mistake.line for mistake in mistakes] == [1, 9, 11, 13]


def test_a_lone_dollar_is_reported_and_money_with_a_backslash_is_not():
    _, mistakes = read_cards("It costs \\$5 for $x$ and $y$.\n\nIt\ncosts $5 or $6.\n\n`$` and\n\n```\n$\n```")
    assert [str(mistake) for mistake in mistakes] == [
        ":4: expected a formula between two dollars, or \\$ for money, came a lone $ in “It costs $5 or $6.”"
    ]


@pytest.mark.parametrize(
    "nested", ["- Q: Why? ^a\n\n  A: So.", "> Q: Why? ^a\n>\n> A: So.", "```\nQ: Why? ^a\n\nA: So.\n```", "    Q: Why? ^a", "Q:no space ^a", "A:b"]
)
def test_only_paragraphs_at_the_top_level_start_cards(nested: str):
    assert read_cards(nested) == ([], [])


# -- there and back

ID = st.from_regex(r"[a-z0-9]{1,4}(-[a-z0-9]{1,4}){0,3}", fullmatch=True)
WORD = st.sampled_from([
    "why", "the", "**softmax**", "`a == b`", "`|`", "$d_k$", "$QK^\\top$", "\\$5", "注意力机制", "が", "résumé", "[[self-attention-qkv]]", "*", "_x_",
    "A:", "Q:", "^x", "1.", "-", "- [x]", "#", ">", "|", "\\", "<b>", "&amp;", '"', "= 8", "±", "🙂", "مرحبا", "==", "***", "~~~", "[a](b)",
    "![c](d)", "aka:", "$$x$$",
])  # fmt: skip
LINE = st.lists(WORD, min_size=1, max_size=7).map(lambda words: "so " + " ".join(words) + ".")
PLAIN = st.lists(st.sampled_from(["why", "$d_k$", "注意力", "`x`", "résumé", "(a)", "$a;b$"]), min_size=1, max_size=4).map(" ".join)
BLOCK = st.one_of(
    LINE,
    st.lists(LINE, min_size=2, max_size=3).map("\n".join),
    st.sampled_from(
        [
            "```python\nQ: no ^id\n\nA: no\n# no\n***\n```",
            "$$\n\\frac{a}{b}\n$$",
            "- one\n- two\n\n  more",
            "> quoted\n> twice",
            "    indented\n\n    code",
            "---",
        ]
    ),
    st.sampled_from(["| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |", "~~~\nunclosed no more\n~~~", "> [!note] Title\n> body", "* * x", "- [link](x)"]),
)
TEXT = LINE | st.lists(BLOCK, min_size=1, max_size=4).map("\n\n".join)
# what a question may end in: a list of steps or a table there would be its key
PROMPT = LINE | st.lists(BLOCK.filter(lambda block: not block.startswith("---")), min_size=1, max_size=2).map(
    lambda blocks: "\n\n".join([*blocks, "so what?"])
)
LISTS = st.lists(PLAIN, max_size=3).map(tuple)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SHARES = st.floats(0, 10, allow_subnormal=False)
UNITS = st.sampled_from(["", "GB", "tokens per second", "%", "ms", "个"])
OPTION = st.builds(Option, LINE, st.just(False), st.just("") | TEXT)
OPTIONS = st.tuples(st.lists(OPTION, min_size=4, max_size=4), st.integers(0, 3)).map(
    lambda drawn: tuple(replace(option, right=place == drawn[1]) for place, option in enumerate(drawn[0]))
)
QUANTITY = st.builds(Quantity, FLOATS, SHARES, st.booleans(), UNITS)
CELL = st.lists(st.sampled_from(["a", "$P(a|b)$", "**x**", "注意", "`a|b`", "b\\c"]), min_size=1, max_size=3).map(" ".join)
PAIRS = st.lists(st.tuples(CELL, CELL), min_size=2, max_size=4).map(tuple)
GAPPED = st.lists(st.sampled_from(["==gap==", "==$QK^T$==", "==two **words**==", "==缩放=="]), min_size=1, max_size=3)
MAYBE = st.just("") | TEXT

QUESTION = st.one_of(
    st.builds(Question, st.just(Form.PROSE), PROMPT, TEXT, points=LISTS),
    st.builds(Question, st.just(Form.CHOICE), PROMPT, MAYBE, options=OPTIONS),
    st.builds(Question, st.just(Form.NUMBER), PROMPT, MAYBE, quantity=QUANTITY),
    st.builds(
        Question,
        st.just(Form.TERM),
        PROMPT,
        MAYBE,
        terms=st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Question, st.just(Form.ORDER), PROMPT, MAYBE, steps=st.lists(TEXT, min_size=2, max_size=11).map(tuple)),
    st.builds(Question, st.just(Form.MATCH), PROMPT, MAYBE, pairs=PAIRS, heads=st.tuples(CELL, CELL)),
    st.builds(Question, st.just(Form.GAP), GAPPED.map(lambda gaps: "so " + " and $x$ in ".join(gaps)), points=LISTS),
)
CARD = st.builds(Card, ID, QUESTION, LISTS, LISTS)


@given(CARD)
def test_every_card_reads_back_as_it_was_written(card: Card):
    text = write_card(card)
    assert read_cards(text)[0] == [card]
    assert read_cards(f"Prose.\n\n{text}\n# Heading\n\nProse.\n")[0] == [card]


@given(st.lists(CARD, min_size=2, max_size=4, unique_by=lambda card: card.id))
def test_cards_written_one_after_another_stay_apart(cards: list[Card]):
    assert read_cards("\n".join(map(write_card, cards)))[0] == cards


@given(st.sampled_from(NOTES), st.data())
def test_whatever_is_read_from_a_damaged_note_can_be_written(path: Path, data: st.DataObject):
    text = path.read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 30))
        text = (
            text[:at]
            + data.draw(st.sampled_from(["", "\n\n", "\n", "$", "==", "```\n", "> ", "- [x] ", "A:\n\n", "Q: ", "    ", "^", "***\n", "\t", "\\"]))
            + text[at + cut :]
        )
    for card in read_cards(text)[0]:
        assert read_cards(write_card(card))[0] == [card]


@given(st.text(max_size=300))
def test_no_text_raises(text: str):
    cards, mistakes = read_cards(text)
    assert all(mistake.line >= 1 for mistake in mistakes)
    assert [read_cards(write_card(card))[0] for card in cards] == [[card] for card in cards]


@given(
    st.lists(
        WORD
        | st.sampled_from(
            ["\n", "\n\n", "\n\n", "Q: x ^a\n\n", "A:", "\n\nA: ", "C: ==a== ^b", "- [ ] b\n", "1. c\n", "|a|b|\n|-|-|\n|c|d|\n|e|f|\n", '"t"']
        ),
        max_size=30,
    )
)
def test_no_mixture_of_marks_raises_and_its_cards_can_be_written(pieces: list[str]):
    for card in read_cards(" ".join(pieces).replace("\n ", "\n"))[0]:
        assert read_cards(write_card(card))[0] == [card]


def test_a_card_that_markdown_cannot_hold_says_so():
    with pytest.raises(ValueError, match="card a cannot be written as Markdown: "):
        write_card(Card("a", Question(Form.PROSE, "Why?", "So.\n\n# Heading\n\nMore.")))
    with pytest.raises(ValueError, match="card a cannot be written as Markdown: expected three wrong options"):
        write_card(Card("a", Question(Form.CHOICE, "Which?", options=(Option("x", right=True), Option("y")))))


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_shipped_cards_are_written_as_they_stand(path: Path):
    """The canonical spelling is the one that notes use: what sync stores is, word for word, in the note."""
    text = path.read_text(encoding="utf-8")
    cards, _ = read_cards(text)
    assert cards
    for card in cards:
        assert read_cards(write_card(card))[0] == [card]
