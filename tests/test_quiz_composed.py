"""Questions that nobody wrote: number cards asked as choices, and terms matched to what they mean."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from backend import attempts, store
from backend.number_slips import arithmetic_slips, authored_slips, number_choice, shown
from backend.questions import Form, Quantity, Question, mark
from backend.quiz import COMPOSED, Drawn, Setup, eligible, pose, read_stock
from backend.quiz_glossary import PAIRS, Meaning, match_terms, meaning_of, others_for, read_meanings
from backend.sync import sync
from backend.tables import Answer
from tests.conftest import note_text
from tests.sample_desk import NOON
from tests.test_quiz import build, guesser, shipped, small, strictly_longest  # noqa: F401 - fixtures


def number(value: float, *, prompt: str = "How much is it?", answer: str = "So much.", **more) -> Question:
    return Question(Form.NUMBER, prompt, answer=answer, quantity=Quantity(value, **more))


def value_of(text: str) -> float:
    return float(re.match(r"[−-]?[\d.]+(?:e[+-]\d+)?", text).group().replace("−", "-"))


def posed_numbers(shipped, seed: int):  # noqa: F811
    session, stock, near = shipped
    drawn = [Drawn(item, seed * 1000 + place, True) for place, item in enumerate(stock.items) if item.form == "number"]
    return [each for each in pose(session, drawn, learner=1, stock=stock, near=near) if each.kind == "composed"], len(drawn)


# -- numbers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (number(64, unit="MiB"), {"bits-for-bytes": 512, "thousand-for-1024": 64 * 1.048576, "counted-twice": 128}),
        (number(16, unit="GB"), {"1024-for-thousand": 16 / 1.024**3, "bytes-for-bits": 2}),
        (number(0.25, tolerance=0.01), {"the-other-share": 0.75, "half-left-out": 0.125}),
        (number(20, unit="%"), {"the-other-share": 80}),
        (number(8, prompt="What is $\\sqrt{d_k}$ for 64?"), {"forgotten-root": 64}),
        (number(1.386294, unit="nats"), {"bits-for-nats": 2.0}),
        (number(-2.5), {"sign": 2.5}),
        (number(7, prompt="How many steps?"), {"one-too-many": 8, "one-too-few": 6}),
        (number(4, prompt="By what factor does it shrink? What factor?"), {"upside-down": 0.25}),
    ],
)
def test_slips_worked_by_hand(question, expected):
    made = {slip.name: slip.value for slip in arithmetic_slips(question)}
    for name, value in expected.items():
        assert made[name] == pytest.approx(value, rel=1e-5), name


def test_a_slip_that_does_not_fit_the_number_is_not_made():
    assert "bits-for-bytes" not in {slip.name for slip in arithmetic_slips(number(64, unit="tokens"))}
    assert "forgotten-root" not in {slip.name for slip in arithmetic_slips(number(64))}
    assert "the-other-share" not in {slip.name for slip in arithmetic_slips(number(0.000165))}


def test_what_the_card_itself_warns_of_comes_first():
    question = number(64, unit="MiB", answer="One tensor: 8192 bytes per token. Untied it would be 128 MiB. That is $2^{26}$ bytes.")
    (slip,) = authored_slips(question)
    assert (slip.value, slip.why) == (128.0, "Untied it would be 128 MiB.")
    for seed in range(20):
        choice = number_choice(question, seed=seed)
        assert "128 MiB" in {option.text for option in choice.options}
        assert next(option for option in choice.options if option.text == "128 MiB").why == "Untied it would be 128 MiB."


@given(
    value=st.one_of(st.integers(-(10**6), 10**9), st.floats(-1e6, 1e9, allow_nan=False)), tolerance=st.sampled_from([0.0, 0.01, 0.1, 5.0]),
    relative=st.booleans(), unit=st.sampled_from(["", "%", "GB", "KiB", "nats", "tokens", "times", "bytes"]), seed=st.integers(0, 2**31 - 1),
)  # fmt: skip
def test_any_number_has_four_clearly_different_options_or_none(value, tolerance, relative, unit, seed):
    question = number(float(value), tolerance=tolerance, relative=relative, unit=unit)
    choice = number_choice(question, seed=seed)
    assert choice == number_choice(question, seed=seed)
    if choice is None:
        return
    assert (choice.form, choice.prompt, choice.answer, choice.quantity) == (Form.CHOICE, question.prompt, question.answer, None)
    assert len({option.text for option in choice.options}) == 4
    (key,) = [option for option in choice.options if option.right]
    assert key.text == shown(question.quantity, float(value))
    for option in choice.options:
        if not option.right:
            assert option.mistake
            assert option.why
            assert not mark(question, option.text).right, "a wrong option would not pass as an answer to the card itself"
    assert all(option.text.endswith(unit) for option in choice.options)


def test_the_right_number_would_pass_as_an_answer_to_its_card(shipped):  # noqa: F811
    session, stock, _ = shipped
    from backend.quiz import _read_questions

    cards = _read_questions(session, [item.id for item in stock.items if item.form == "number"], learner=1)
    posed, _ = posed_numbers(shipped, 1)
    for each in posed:
        (key,) = [option for option in each.question.options if option.right]
        assert mark(cards[each.card], key.text).right, (each.card, key.text)
        assert not [option.text for option in each.question.options if not option.right and mark(cards[each.card], option.text).right], each.card


def test_number_cards_are_asked_as_choices_where_choices_are_wanted(shipped):  # noqa: F811
    session, stock, near = shipped
    posed, asked = posed_numbers(shipped, 2)
    assert len(posed) >= 0.95 * asked
    assert "number" in COMPOSED
    pool = eligible(stock, Setup(forms=("choice",), scope="topic:kv-cache"))
    assert {item.form for item in pool} == {"choice", "prose", "number"}
    quiz = build(session, stock, near, Setup(forms=("choice",), scope="topic:kv-cache", count=20, seed=5))
    assert {each.form for each in quiz} <= {"choice", "prose"}
    assert [each for each in quiz if each.kind == "composed" and each.question.options[0].mistake + each.question.options[1].mistake], (
        "one with a number is among them"
    )
    written = build(session, stock, near, Setup(forms=("number",), scope="topic:kv-cache", count=20, seed=5))
    assert {each.form for each in written} == {"number"}, "typed where numbers are wanted"


def test_no_number_gives_itself_away(shipped):  # noqa: F811
    """Not by its size among the others, not by its length, not by its place: over the whole stock and several seeds."""
    found = [each.question.options for seed in range(4) for each in posed_numbers(shipped, seed)[0]]
    assert len(found) > 1000
    ranks = Counter(
        sorted(value_of(option.text) for option in options).index(value_of(next(o.text for o in options if o.right))) for options in found
    )
    places = Counter(next(place for place, option in enumerate(options) if option.right) for options in found)
    assert max(ranks.values()) / len(found) <= 0.35, ranks
    assert max(places.values()) / len(found) <= 0.30, places
    assert sum(map(strictly_longest, found)) / len(found) <= 0.30
    middle = [sorted(value_of(option.text) for option in options)[1:3] for options in found]
    guesses = {
        "the longest": guesser(found, lambda option, _: len(option.text)),
        "the largest": guesser(found, lambda option, _: value_of(option.text)),
        "one in the middle": sum(value_of(next(o.text for o in options if o.right)) in two for options, two in zip(found, middle)) / len(found) / 2,
        "the roundest": guesser(found, lambda option, _: -len(re.sub(r"e.*|\D|0+$", "", option.text))),
    }
    assert all(score <= 0.37 for score in guesses.values()), guesses


# -- terms and what they mean --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "aliases", "sentence", "term", "says"),
    [
        (
            "KV cache",
            ("key-value cache",),
            "A KV cache keeps the keys of all tokens that were seen.",
            "KV cache",
            "… keeps the keys of all tokens that were seen.",
        ),
        (
            "Reward models",
            ("reward model",),
            "A **reward model** reads a prompt and puts out one number for it.",
            "Reward model",
            "… reads a prompt and puts out one number for it.",
        ),
        (
            "Group relative policy optimisation",
            ("GRPO",),
            "GRPO is [[ppo|PPO]] without a model of the values it expects.",
            "GRPO",
            "… is PPO without a model of the values it expects.",
        ),
        (
            "Byte-pair encoding (BPE)",
            (),
            "Byte-pair encoding (BPE) merges what stands together most often.",
            "Byte-pair encoding (BPE)",
            "… merges what stands together most often.",
        ),
    ],
)
def test_a_meaning_is_the_first_sentence_without_its_subject(title, aliases, sentence, term, says):
    found = meaning_of("slug", title, aliases, sentence)
    assert (found.term, found.says) == (term, says)


@pytest.mark.parametrize(
    "sentence",
    [
        "In this note we look at what a cache does for a decoder.",  # does not begin with the name
        "A zebra cache keeps what the zebra has seen on its way so far.",  # gives the name away
        "A zebra cache holds it.",  # too short to say anything
        f"A zebra cache {'keeps very much of what went by ' * 10}.",  # too long to compare four of them
        "", "🦓", "A zebra cache", "[[", "** **",
    ],
)  # fmt: skip
def test_what_does_not_define_its_name_is_no_meaning(sentence):
    assert meaning_of("zebra-cache", "Zebra cache", (), sentence) is None


def test_every_meaning_of_the_notes_stands_in_its_note_and_does_not_name_its_term(shipped):  # noqa: F811
    session, stock, _ = shipped
    meanings = read_meanings(session)
    assert len(meanings) >= 50
    assert meanings == dict(stock.meanings)
    for meaning in meanings.values():
        assert meaning.term.casefold() not in meaning.says.casefold(), meaning
        assert meaning.says.startswith("… ")
        assert meaning.says[2].islower()


def test_four_terms_meet_four_meanings_and_none_fits_two(shipped):  # noqa: F811
    session, stock, near = shipped
    drawn = [Drawn(item, 31 * place) for place, item in enumerate(stock.items) if item.form == "glossary"]
    posed = pose(session, drawn, learner=1, stock=stock, near=near)
    assert len(posed) >= 0.9 * len(drawn) >= 45
    for each in posed:
        question = each.question
        assert (each.kind, each.form, len(question.pairs)) == ("glossary", "match", PAIRS)
        assert len({left for left, _ in question.pairs}) == len({right for _, right in question.pairs}) == PAIRS
        assert stock.meanings[each.topic].term in {left for left, _ in question.pairs}
        for left, _ in question.pairs:
            assert not [right for _, right in question.pairs if re.search(rf"\b{re.escape(left.casefold())}\b", right.casefold())], (
                "no meaning names a term"
            )
        assert sorted(question.shown) == list(range(PAIRS))
        assert mark(question, list(range(PAIRS))).right
        assert mark(question, [1, 0, *range(2, PAIRS)]).score == 0.5
    again = pose(session, drawn, learner=1, stock=stock, near=near)
    assert posed == again, "the same seeds ask the same"


def test_terms_of_one_field_come_together():
    meanings = {f"t{n}": Meaning(f"t{n}", f"Term{n}", f"… does thing number {n} {'abcdefgh'[n] * 5}.", (f"t{n}",)) for n in range(8)}
    tracks = {f"t{n}": "one" if n < 4 else "two" for n in range(8)}
    for seed in range(10):
        first = [meaning.topic for meaning in others_for(meanings["t0"], meanings, tracks, seed=seed)][:3]
        assert sorted(first) == ["t1", "t2", "t3"]
    assert others_for(meanings["t0"], meanings, tracks, seed=1) != others_for(meanings["t0"], meanings, tracks, seed=3)
    assert match_terms(meanings["t0"], [meanings["t1"], meanings["t2"]], seed=1) is None, "four or none"


def test_terms_that_could_be_mixed_up_are_not_asked_together():
    lora = Meaning("lora", "LoRA", "… learns a thin product beside a frozen matrix.", ("lora",))
    nested = Meaning("qlora", "Quantised LoRA", "… keeps its base in four bits and trains on top.", ("qlora",))
    spoken = Meaning("dora", "DoRA", "… splits the update that LoRA learns into size and direction.", ("dora",))
    same = Meaning("adapter", "Adapter", "… learns a thin product beside a frozen layer.", ("adapter",))
    fine = [
        Meaning(f"f{n}", f"Fine{n}", says, ())
        for n, says in enumerate(["… cuts text in pieces.", "… draws from the likeliest.", "… shortens every gradient."])
    ]
    question = match_terms(lora, [nested, spoken, same, *fine], seed=1)
    assert {left for left, _ in question.pairs} == {"LoRA", "Fine0", "Fine1", "Fine2"}


def test_a_glossary_question_moves_no_memory_and_is_kept_like_any_other(engine, content):
    texts = [
        "cuts a text in pieces of its own",
        "draws a lot from what is likeliest",
        "shortens every step that is long",
        "keeps what went by for another day",
    ]
    slugs = ["walrus", "otter", "badger", "heron"]
    (content / "tracks.yaml").write_text(f"- slug: basics\n  title: Basics\n  topics: [{', '.join(slugs)}]\n")
    for file in (content / "basics").glob("*.md"):
        file.unlink()
    for slug, text in zip(slugs, texts):
        (content / "basics" / f"{slug}.md").write_text(note_text(slug).replace(f"{slug.capitalize()} in one sentence.", f"A {slug} {text}."))
    with store.writing(engine) as session:
        sync(session, content, at=NOON)
        learner = store.local_learner(session)
        stock = read_stock(session, learner=learner)
        from backend.nearness import by_words

        drawn = [Drawn(item, 3) for item in stock.items if item.form == "glossary"]
        assert len(drawn) == 4
        posed = pose(session, drawn[:1], learner=learner, stock=stock, near=by_words({}))
        attempt = attempts.begin_attempt(session, learner=learner, setup=Setup(count=5), posed=posed, at=NOON)
        taken = attempts.take_answer(session, learner=learner, attempt=attempt, number=0, response=[1, 0, 2, 3], at=NOON)
        assert (taken.status, taken.mark.score) == ("taken", 0.5)
        assert attempts.put_missed_into_review(session, learner=learner, attempt=attempt, at=NOON) == 0, "there is no card behind it"
        assert session.get(Answer, (attempt, 0)).kind == "glossary"
        assert read_stock(session, learner=learner, missed_since=0).missed == {drawn[0].item.id}, "but it can be asked again"


def test_the_order_of_the_pairs_does_not_tell(shipped):  # noqa: F811
    _, stock, _ = shipped
    own = next(iter(stock.meanings.values()))
    others = others_for(own, stock.meanings, stock.tracks, seed=1)
    places = Counter(
        next(place for place, (left, _) in enumerate(match_terms(own, others, seed=seed).pairs) if left == own.term) for seed in range(200)
    )
    assert all(places[place] > 25 for place in range(PAIRS)), places


# -- pictures ------------------------------------------------------------------------------------------------------------------


def test_pictures_that_a_lab_drew_are_shown_and_no_others():
    from screens.labs.small_pictures import bar_picture, dial_picture, rows_picture
    from screens.parts.harmless_text import without_remote_pictures

    for drawn in (bar_picture([0.25, 0.75]), dial_picture(1.0), rows_picture([[1.0, 0.0], [0.5, 0.5]])):
        assert without_remote_pictures(drawn) == drawn
        assert (
            without_remote_pictures(f"{drawn} and ![spy](https://example.org/x.svg)")
            == f"{drawn} and [spy (picture elsewhere)](https://example.org/x.svg)"
        )
        hidden = without_remote_pictures(f"![a {drawn}](https://example.org/x.png)")
        images = [child for token in MarkdownIt("commonmark").parse(hidden) for child in token.children or () if child.type == "image"]
        assert not [image for image in images if "example.org" in image.attrGet("src")], "no picture hides behind a drawn one"
    for other in (
        "![x](data:text/html;base64,PGI+)",
        "![x](data:image/svg+xml,<svg onload=alert(1)>)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=#https://example.org/)",
    ):
        assert "data:" not in without_remote_pictures(other), "only what is whole in itself"


def test_a_picture_says_in_words_what_it_shows():
    import base64
    import xml.etree.ElementTree as tree

    from screens.labs.small_pictures import bar_picture, dial_picture, rows_picture

    told = {
        bar_picture([0.123, 0.877]): "bars of 12, 88 percent",
        dial_picture(-0.5 * 3.14159265): "a hand turned by 270 degrees against the clock",
        rows_picture([[1.0, 0.0], [0.25, 0.75]]): "rows of percentages, from above: 100 0; 25 75",
    }
    for picture, words in told.items():
        assert picture.startswith(f"![{words}](data:image/svg+xml;base64,")
        drawn = tree.fromstring(base64.b64decode(picture.rpartition(",")[2].rstrip(")")))
        assert drawn.tag.endswith("svg")
        assert not [element for element in drawn.iter() if element.tag.rpartition("}")[2] not in ("svg", "rect", "path", "text", "circle")]
