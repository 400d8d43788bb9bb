"""Quizzes: what is asked, that options do not give themselves away, and that every answer counts once."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, select

from backend import attempts, diagnostic, store
from backend.adaptive import level_after
from backend.adaptive import next_drawn as next_adaptive
from backend.key_points import seems_missing
from backend.memory import Grade
from backend.nearness import Nearness, by_words, likeness, read_nearness
from backend.questions import Form, Option, Question, mark, to_dict
from backend.quiz import ASKABLE, FEWEST, MOST, Drawn, Posed, Setup, Stock, chain, draw, eligible, pose, read_stock
from backend.quiz_address import LARGEST_SEED, quiz_address, quiz_parameters, read_address
from backend.quiz_options import AT_MOST, compose_choice, first_sentence, honest_options, spot_the_error, stands_alone
from backend.quiz_results import CHANCE, read_history, summarise
from backend.settings import change_setting
from backend.sync import sync
from backend.tables import Answer, Attempt, Event, LearnerCard, Passage, Vector
from tests.sample_desk import DAY, MINUTE, NOON

HOUSE = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The shipped notes in a database of their own, with their stock."""
    engine = store.open_engine(f"sqlite:///{tmp_path_factory.mktemp('quiz') / 'shipped.db'}")
    store.upgrade(engine)
    with store.writing(engine) as session:
        sync(session, HOUSE / "content", at=NOON, makers={"temperature-lab": ["entropy", "odds"]})
        store.local_learner(session)
    with store.reading(engine) as session:
        yield session, read_stock(session, learner=1), read_nearness(session)
    engine.dispose()


@pytest.fixture
def small(engine, content):
    """Two topics of three blocks each, and a learner."""
    with store.writing(engine) as session:
        sync(session, content, at=NOON, makers={})
        store.local_learner(session)
    return engine


def build(session: Session, stock: Stock, near: Nearness, setup: Setup) -> list[Posed]:
    return pose(session, draw(stock, setup, near), learner=1, stock=stock, near=near)


# -- what is asked -----------------------------------------------------------------------------------------------------------


def test_the_same_seed_asks_the_same_and_another_asks_something_else(shipped):
    session, stock, near = shipped
    one, same, other = (build(session, stock, near, Setup(count=20, seed=seed)) for seed in (7, 7, 8))
    assert one == same
    assert [each.card for each in one] != [each.card for each in other]


@given(seed=st.integers(0, LARGEST_SEED), count=st.integers(FEWEST, MOST), forms=st.sets(st.sampled_from(ASKABLE)), level=st.integers(0, 3))
def test_a_quiz_keeps_to_its_set_up(shipped, seed, count, forms, level):
    _, stock, near = shipped
    setup = Setup(count=count, seed=seed, forms=tuple(sorted(forms)), level=level)
    drawn = draw(stock, setup, near)
    blocks = [each.item.block for each in drawn]
    assert len(set(blocks)) == len(blocks), "two gaps of one sentence never meet"
    assert len(drawn) == min(count, len({item.block for item in eligible(stock, setup)}))
    assert all(not level or each.item.level == level for each in drawn)
    assert all(each.item.form in (forms or ASKABLE) or each.composed for each in drawn)


@pytest.mark.parametrize(
    ("scope", "belongs"),
    [
        ("track:attention", lambda stock, item: item.track == "attention"),
        ("topic:attention-scaling", lambda stock, item: item.topic == "attention-scaling"),
        ("needs:multi-head-attention", lambda stock, item: item.topic in chain(stock.needs, "multi-head-attention")),
    ],
)
def test_a_scope_is_kept(shipped, scope, belongs):
    _, stock, near = shipped
    drawn = draw(stock, Setup(scope=scope, count=8, seed=1), near)
    assert len(drawn) == 8
    assert all(belongs(stock, each.item) for each in drawn)


def test_a_chain_goes_down_to_the_first_prerequisite():
    needs = {"c": ["b"], "b": ["a"], "a": [], "other": ["a"], "round": ["round"]}
    assert chain(needs, "c") == {"a", "b", "c"}
    assert chain(needs, "round") == {"round"}


def test_topics_take_turns(shipped):
    _, stock, near = shipped
    for seed in range(20):
        topics = [each.item.topic for each in draw(stock, Setup(count=20, seed=seed), near)]
        assert sum(one == other for one, other in itertools.pairwise(topics)) <= 1


def test_confusable_cards_meet(shipped):
    """In a wide scope two cards that are most easily confused come together far more often than cards picked blindly would."""
    _, stock, near = shipped

    def meetings(found: list[Drawn]) -> int:
        here = {each.item.block for each in found}
        return sum(bool(set(near.confusable(block, among=near.row, count=3)) & here) for block in here)

    with_neighbours = sum(meetings(draw(stock, Setup(count=20, seed=seed), near)) for seed in range(10))
    blind = Nearness({}, (), near.matrix, by_meaning=False)
    without = sum(meetings(draw(stock, Setup(count=20, seed=seed), blind)) for seed in range(10))
    assert with_neighbours >= 2 * without + 10


def test_prose_is_asked_as_a_choice_only_when_prose_is_not_wanted(shipped):
    session, stock, near = shipped
    choices = build(session, stock, near, Setup(scope="topic:attention-scaling", count=12, forms=("choice",), seed=3))
    assert {each.kind for each in choices} >= {"card", "composed"}
    everything = build(session, stock, near, Setup(count=50, seed=3))
    assert "composed" not in {each.kind for each in everything}


def test_what_was_missed_this_week_is_asked_again(small):
    with store.writing(small) as session:
        session.add(Event(learner=1, card="alpha-q01", seq=0, kind="grade", grade=1, at=NOON, day=1))
        session.add(Event(learner=1, card="beta-q01", seq=0, kind="grade", grade=1, at=NOON - 30 * DAY, day=1))
        session.add(Event(learner=1, card="beta-q02", seq=0, kind="grade", grade=3, at=NOON, day=1))
        session.flush()
        stock = read_stock(session, learner=1, missed_since=NOON - 7 * DAY)
    assert [item.id for item in eligible(stock, Setup(scope="missed:7"))] == ["alpha-q01"]


def test_vectors_are_used_where_they_are(small):
    import numpy as np

    with store.writing(small) as session:
        assert not read_nearness(session).by_meaning
        blocks = sorted(read_nearness(session).blocks)
        for place, block in enumerate(blocks):
            session.add(Passage(topic="alpha", card=block, kind="question", words=block, start=0, end=0, sha=block))
            angle = 0.9 * (place % 3)
            session.add(Vector(sha=block, model="m", numbers=np.array([np.cos(angle), np.sin(angle)], dtype="<f4").tobytes()))
        session.flush()
        near = read_nearness(session)
    assert near.by_meaning
    # cos 0.9 = 0.62 is confusable; the same direction is a duplicate and cos 1.8 = -0.23 has nothing to do with it
    assert set(near.confusable(blocks[0], among=near.row, count=9)) == {block for place, block in enumerate(blocks) if place % 3 == 1}


# -- honest options ----------------------------------------------------------------------------------------------------------


def all_choices(shipped) -> dict[str, list[tuple[Option, ...]]]:
    session, stock, near = shipped
    drawn = [Drawn(item, 17 * place + 3, item.form == "prose") for place, item in enumerate(stock.items) if item.form in ("choice", "prose", "error")]
    found: dict[str, list[tuple[Option, ...]]] = {}
    for each in pose(session, drawn, learner=1, stock=stock, near=near):
        if each.question and each.question.form is Form.CHOICE:
            found.setdefault(each.kind, []).append(each.question.options)
    return found


def test_no_choice_gives_itself_away(shipped):
    """Over the whole stock: four options, the right one rarely the longest, and neither the longest nor the most central is a good guess."""
    stock = all_choices(shipped)
    assert {kind: len(found) > 100 for kind, found in stock.items()} == {"card": True, "composed": True, "erratum": True}
    for kind, found in stock.items():
        assert all(len(options) == 4 and sum(option.right for option in options) == 1 for options in found)
        assert all(len({option.text for option in options}) == 4 for options in found)
        texts = [option.text.casefold() for options in found for option in options]
        assert not [text for text in texts if "of the above" in text or text in ("all of these", "none of these")]
        longest = sum(strictly_longest(options) for options in found) / len(found)
        assert longest <= 0.30, f"{kind}: the right option is the longest in {longest:.0%}"
        for guess in (lambda option, _: len(option.text), lambda option, options: sum(likeness(option.text, other.text) for other in options)):
            assert guesser(found, guess) <= 0.35, f"{kind}: a guesser scores {guesser(found, guess):.0%}"


def strictly_longest(options: tuple[Option, ...]) -> bool:
    right = next(option for option in options if option.right)
    return all(len(right.text) > len(option.text) for option in options if not option.right)


def guesser(found, value) -> float:
    """The score of someone who takes the option with the highest value, and a random one of several."""
    score = 0.0
    for options in found:
        best = max(value(option, options) for option in options)
        taken = [option for option in options if value(option, options) == best]
        score += sum(option.right for option in taken) / len(taken)
    return score / len(found)


def test_the_right_option_stands_everywhere_equally_often(shipped):
    places = Counter(next(place for place, option in enumerate(options) if option.right) for found in all_choices(shipped).values() for options in found)
    assert all(0.19 <= places[place] / places.total() <= 0.31 for place in range(4)), places


@given(seed=st.integers(0, LARGEST_SEED), lengths=st.lists(st.integers(1, 30), min_size=4, max_size=20))
def test_composed_options_are_the_candidates_and_the_key(seed, lengths):
    from backend.quiz_options import Candidate

    candidates = [Candidate(f"word{place} " * length, "why") for place, length in enumerate(lengths)]
    options = honest_options(Option("the key itself", right=True), candidates, seed=seed)
    assert options is not None
    assert len({option.text for option in options}) == 4
    assert sum(option.right for option in options) == 1
    assert {option.text for option in options} <= {each.text for each in candidates} | {"the key itself"}
    assert options == honest_options(Option("the key itself", right=True), candidates, seed=seed)
    assert AT_MOST >= 3


def test_an_answer_that_may_be_right_too_is_no_wrong_option():
    question = Question(Form.PROSE, "Why divide the scores by the root of d?", answer="Because their variance grows with the head size.")
    same = Question(Form.PROSE, "Why scale the dot products?", answer="Because the variance of them grows with the head size.")
    answers = ("Because merges follow counted pairs.", "Because memory bandwidth limits decoding.", "Because rewards drift from what people like.")
    others = [Question(Form.PROSE, "Why is that?", answer=answer) for answer in answers]
    composed = compose_choice(question, [same, *others], seed=1)
    assert composed is not None
    assert "Because the variance of them grows with the head size." not in {option.text for option in composed.options}
    assert compose_choice(question, [same, *others[:2]], seed=1) is None, "three honest wrong options or none"


def test_an_answer_of_another_kind_is_no_option():
    question = Question(Form.PROSE, "Why is it so?", answer="Because the variance grows with the head size.")
    others = [Question(Form.PROSE, f"What is {word}?", answer=f"A {word} is a thing of its own kind entirely.") for word in ("alpha", "beta", "gamma")]
    assert compose_choice(question, others, seed=1) is None


def test_the_error_to_spot_is_what_was_said_and_the_rest_are_corrections():
    rights = ("Merges follow counted pairs of symbols.", "Bandwidth limits how fast tokens come.", "Rewards drift from human wishes.", "Depth needs residual paths.")
    errata = [{"said": f"Statement {number} is a claim that is wrong.", "right": right, "source": "A paper"} for number, right in enumerate(rights)]
    asked = spot_the_error(errata[0], errata[1:], seed=4)
    assert asked is not None
    chosen = next(place for place, option in enumerate(asked.options) if option.text == errata[0]["said"])
    assert mark(asked, chosen).right
    assert {option.text for option in asked.options if not option.right} == {other["right"] for other in errata[1:]}
    assert "A paper" in asked.answer


@pytest.mark.parametrize(
    ("answer", "first"),
    [
        ("It divides the logits. And then more.", None),  # too short to stand as an option
        ("It divides the logits, e.g. by two, before the softmax. And so on.", "It divides the logits, e.g. by two, before the softmax."),
        ("With $x. Y$ it is the same thing as before. Then it ends.", "With $x. Y$ it is the same thing as before."),
        ("- a list\n- of things", None),
    ],
)
def test_the_first_sentence_is_the_answer(answer, first):
    assert first_sentence(answer) == first


def test_a_statement_that_points_back_does_not_stand_alone():
    assert not stands_alone("They compute a hidden state for every prompt token in every layer.")
    assert stands_alone("Temperature itself decides nothing and is not random at all.")


# -- addresses ---------------------------------------------------------------------------------------------------------------

SETUPS = st.builds(
    Setup,
    scope=st.sampled_from(["all", "track:attention", "topic:attention-scaling", "needs:multi-head-attention"]),
    count=st.integers(5, 6),
    forms=st.sampled_from([(), ("choice", "prose")]),
    mode=st.sampled_from(["practice", "exam"]),
    minutes=st.integers(0, 240),
    seed=st.integers(0, LARGEST_SEED),
)


@given(setup=SETUPS)
def test_an_address_leads_back_to_its_set_up(shipped, setup):
    understood = read_address(quiz_parameters(setup), shipped[1], fresh_seed=0)
    assert understood.setup == setup
    assert understood.notices == ()


HOSTILE = st.text(max_size=30) | st.sampled_from(["-1", "99999999999999999999", "1e400", "NaN", "\0", "'; DROP TABLE attempt; --", "<script>", "٣", "²", "x" * 100_000])


@given(given=st.dictionaries(st.sampled_from(["scope", "n", "minutes", "forms", "level", "mode", "adaptive", "seed"]), HOSTILE))
def test_any_address_leads_to_a_quiz(shipped, given):
    session, stock, near = shipped
    understood = read_address(given, stock, fresh_seed=5)
    setup = understood.setup
    assert 0 <= setup.seed <= LARGEST_SEED
    assert all(len(notice) < 400 for notice in understood.notices)
    again = read_address(quiz_parameters(setup), stock, fresh_seed=9)
    assert again.setup == setup, "what an address was read as is an address of its own"
    if setup.mode != "diagnostic":
        assert len(build(session, stock, near, setup)) == setup.count


@pytest.mark.parametrize(
    ("given", "scope", "told"),
    [
        ({"scope": "track:atention"}, "track:attention", "the nearest is attention"),
        ({"scope": "topic:attention-scalling"}, "topic:attention-scaling", "the nearest is attention-scaling"),
        ({"scope": "planet:mars"}, "all", "none of these"),
        ({"scope": "topic:🦜🦜🦜"}, "all", "none like it"),
        ({"scope": "topic:attention-scaling", "forms": "order"}, "topic:attention-scaling", "every form is allowed"),
    ],
)
def test_an_unknown_scope_leads_to_the_nearest_with_a_sentence(shipped, given, scope, told):
    understood = read_address(given, shipped[1], fresh_seed=5)
    assert understood.setup.scope == scope
    assert any(told in notice for notice in understood.notices), understood.notices


def test_a_scope_with_too_few_questions_is_widened(small):
    with store.reading(small) as session:
        stock = read_stock(session, learner=1, missed_since=NOON)
    understood = read_address({"scope": "missed:7", "n": "8"}, stock, fresh_seed=5)
    assert understood.setup.scope == "all"
    assert understood.setup.count == 6
    assert understood.notices == (
        "There is no question for this set-up, so it draws on everything.",
        "There are only 6 questions here, not 8: the quiz has 6.",
    )


def test_minutes_alone_say_how_many_questions(shipped):
    assert read_address({"minutes": "20"}, shipped[1], fresh_seed=0).setup.count == 20
    assert read_address({"minutes": "500"}, shipped[1], fresh_seed=0).setup.count == MOST


def test_an_address_can_be_read_by_a_person():
    assert quiz_address(Setup(scope="track:attention", seed=7)) == "/quiz?scope=track:attention&n=10&seed=7&mode=practice"


# -- answering ---------------------------------------------------------------------------------------------------------------


def sit(engine, *, mode="practice", minutes=0, forms=(), seed=1) -> int:
    setup = Setup(count=6, mode=mode, minutes=minutes, forms=forms, seed=seed)
    with store.writing(engine) as session:
        stock, near = read_stock(session, learner=1), read_nearness(session)
        return attempts.begin_attempt(session, learner=1, setup=setup, posed=build(session, stock, near, setup), at=NOON)


def read(engine, attempt: int) -> attempts.Sitting:
    with store.reading(engine) as session:
        found = attempts.read_sitting(session, learner=1, attempt=attempt)
    assert found is not None
    return found


def answer(engine, attempt: int, number: int, response, *, at=NOON + MINUTE, **more) -> attempts.Taken:
    with store.writing(engine) as session:
        return attempts.take_answer(session, learner=1, attempt=attempt, number=number, response=response, at=at, **more)


def first_of(sitting: attempts.Sitting, form: str) -> attempts.Sheet:
    return next(sheet for sheet in sitting.sheets if sheet.form == form)


def right_place(sheet: attempts.Sheet) -> int:
    assert sheet.question is not None
    return next(place for place, option in enumerate(sheet.question.options) if option.right)


def test_an_answer_counts_once_and_the_first_stands(small):
    attempt = sit(small)
    sheet = first_of(read(small, attempt), "choice")
    right = right_place(sheet)
    assert answer(small, attempt, sheet.number, (right + 1) % 4, confidence=3, duration=900).status == "taken"
    assert answer(small, attempt, sheet.number, right).status == "stood"
    kept = read(small, attempt).sheets[sheet.number]
    assert (kept.score, kept.given, kept.confidence, kept.duration) == (0.0, (right + 1) % 4, 3, 900)


def test_prose_is_never_passed_by_the_machine(small):
    attempt = sit(small)
    sheet = first_of(read(small, attempt), "prose")
    assert sheet.question is not None
    taken = answer(small, attempt, sheet.number, sheet.question.answer)
    assert taken.mark is not None
    assert taken.mark.right is None
    kept = read(small, attempt).sheets[sheet.number]
    assert kept.score is None
    assert kept.waits_for_judgement
    with store.writing(small) as session:
        assert attempts.judge_answer(session, learner=1, attempt=attempt, number=sheet.number, score=0.5, at=NOON)
        assert not attempts.judge_answer(session, learner=1, attempt=attempt, number=sheet.number, score=1.0, at=NOON), "once"
    assert read(small, attempt).sheets[sheet.number].score == 0.5


def test_an_exam_takes_nothing_after_its_time_but_what_a_dead_server_held_up(small):
    attempt = sit(small, mode="exam", minutes=10)
    sitting = read(small, attempt)
    assert sitting.ends_at == NOON + 10 * MINUTE
    assert answer(small, attempt, 0, 0, at=NOON + 11 * MINUTE).status == "late"
    assert answer(small, attempt, 0, 0, at=NOON + 11 * MINUTE, given_at=NOON + 9 * MINUTE).status == "taken"
    with store.writing(small) as session:
        assert attempts.finish_attempt(session, learner=1, attempt=attempt, at=NOON + 12 * MINUTE)
        assert not attempts.finish_attempt(session, learner=1, attempt=attempt, at=NOON + 12 * MINUTE)
    assert answer(small, attempt, 1, 0, given_at=NOON + MINUTE).status == "late"


@pytest.mark.parametrize("response", ["x" * 100_000, -1, 99, [0, 0, 0], [99], None, "", True])
def test_any_answer_to_any_question_is_graded_or_refused_in_words(small, response):
    attempt = sit(small)
    for sheet in read(small, attempt).sheets:
        taken = answer(small, attempt, sheet.number, response)
        assert taken.status == "taken"
        assert taken.mark is not None
        assert taken.mark.right is not True
        assert 0 < len(taken.mark.said) <= 400
    assert all(len(json.dumps(sheet.given)) < 21_000 for sheet in read(small, attempt).sheets)


def test_another_learners_attempt_is_not_there(small):
    attempt = sit(small)
    with store.writing(small) as session:
        assert attempts.read_sitting(session, learner=2, attempt=attempt) is None
        assert attempts.take_answer(session, learner=2, attempt=attempt, number=0, response=0, at=NOON).status == "unknown"
        assert attempts.read_sitting(session, learner=1, attempt=10**30) is None


def test_a_past_attempt_opens_with_the_same_questions_even_when_the_cards_have_changed(small, content):
    attempt = sit(small)
    before = read(small, attempt)
    note = content / "basics" / "alpha.md"
    note.write_text(note.read_text().replace("Why alpha?", "Why, after all, alpha?"))
    with store.writing(small) as session:
        sync(session, content, at=NOON, makers={})
    assert read(small, attempt).sheets == before.sheets
    with store.reading(small) as session:
        again = build(session, read_stock(session, learner=1), read_nearness(session), before.setup)
    assert [(each.card, each.seed) for each in again] == [(sheet.card, sheet.seed) for sheet in before.sheets], "and its seed draws the same cards"


def test_a_computed_question_is_kept_as_it_was_first_made(small):
    posed = [Posed("lab.maker", "computed", "alpha", "", "computed", 5, None)]
    with store.writing(small) as session:
        attempt = attempts.begin_attempt(session, learner=1, setup=Setup(), posed=posed, at=NOON)
        assert attempts.take_answer(session, learner=1, attempt=attempt, number=0, response="1", at=NOON).status == "unknown", "nothing was asked yet"
        made = Question(Form.TERM, "What is one?", terms=("one",))
        attempts.keep_computed(session, attempt=attempt, number=0, question=made)
        assert attempts.take_answer(session, learner=1, attempt=attempt, number=0, response="One", at=NOON).status == "taken"
        attempts.keep_computed(session, attempt=attempt, number=0, question=Question(Form.TERM, "Other?", terms=("two",)))
    sheet = read(small, attempt).sheets[0]
    assert (sheet.question, sheet.form, sheet.score) == (made, "term", 1.0)


# -- the memory --------------------------------------------------------------------------------------------------------------


def grades(engine) -> list[tuple[str, int]]:
    with store.reading(engine) as session:
        return [(event.card, event.grade) for event in session.exec(select(Event).where(Event.kind == "grade").order_by(Event.id))]


def test_a_quiz_moves_no_memory_unless_its_learner_says_so(small):
    attempt = sit(small)
    for sheet in read(small, attempt).sheets:
        answer(small, attempt, sheet.number, 0)
    assert grades(small) == []


@pytest.mark.parametrize("mode", ["practice", "exam"])
def test_answers_count_as_reviews_once_where_that_is_wanted(small, mode):
    with store.writing(small) as session:
        change_setting(session, learner=1, name="quiz_reviews", value=True)
    attempt = sit(small, mode=mode)
    sheet = first_of(read(small, attempt), "choice")
    answer(small, attempt, sheet.number, right_place(sheet))
    answer(small, attempt, sheet.number, right_place(sheet))
    assert grades(small) == ([(sheet.card, 3)] if mode == "practice" else []), "an exam tells nothing before its end, not even through the schedule"
    with store.writing(small) as session:
        attempts.finish_attempt(session, learner=1, attempt=attempt, at=NOON + 2 * MINUTE)
        attempts.finish_attempt(session, learner=1, attempt=attempt, at=NOON + 2 * MINUTE)
    assert grades(small) == [(sheet.card, 3)]


@pytest.mark.parametrize(
    ("kind", "form", "score", "grade"),
    [
        ("card", "choice", 1.0, Grade.GOOD), ("card", "number", 0.0, Grade.AGAIN), ("card", "order", 0.7, Grade.AGAIN), ("card", "prose", 0.5, Grade.HARD),
        ("card", "prose", 0.0, Grade.AGAIN), ("composed", "choice", 1.0, None), ("composed", "choice", 0.0, Grade.AGAIN), ("erratum", "choice", 1.0, None),
        ("computed", "number", 1.0, Grade.GOOD),
    ],
)  # fmt: skip
def test_the_form_decides_what_an_answer_says_about_the_memory(kind, form, score, grade):
    assert attempts.grade_for(kind=kind, form=form, score=score) == grade


def test_what_was_missed_comes_back_today(small):
    attempt = sit(small)
    sheet = first_of(read(small, attempt), "choice")
    answer(small, attempt, sheet.number, (right_place(sheet) + 1) % 4)
    with store.writing(small) as session:
        assert attempts.put_missed_into_review(session, learner=1, attempt=attempt, at=NOON) == 1
        assert attempts.put_missed_into_review(session, learner=1, attempt=attempt, at=NOON) == 0, "once"
        memory = session.get(LearnerCard, (1, sheet.card))
        assert memory is not None
        assert memory.due_at is not None
        assert NOON < memory.due_at < NOON + DAY


# -- results -----------------------------------------------------------------------------------------------------------------


def sheet(number: int, *, score: float | None, confidence: int | None = None, given=0, form="choice", topic="a", answered=True) -> attempts.Sheet:
    if form != "choice" or not answered:
        question = Question(Form.TERM, "?", terms=("x",))
        return attempts.Sheet(number, f"c{number}", "card", topic, "s", form, 1, question, None, score, confidence, 1000, answered)
    question = Question(Form.CHOICE, "?", options=(Option("wrong", why="no", mistake="divided-by-d"), Option("right", right=True), Option("x"), Option("y")))
    return attempts.Sheet(number, f"c{number}", "card", topic, "s", form, 1, question, given, score, confidence, 1000, answered)


def test_results_worked_by_hand():
    sheets = (
        sheet(0, score=1.0, confidence=3), sheet(1, score=0.0, confidence=3), sheet(2, score=0.0, confidence=1, topic="b"),
        sheet(3, score=0.5, form="order", topic="b"), sheet(4, score=None, form="prose"), sheet(5, score=None, answered=False, topic="c"),
    )  # fmt: skip
    result = summarise(attempts.Sitting(1, Setup(), 0, None, 1, sheets))
    assert (result.asked, result.answered, result.waiting, result.score, result.milliseconds) == (5, 5, 1, 1.5, 6000)
    assert [(tally.name, tally.asked, tally.score) for tally in result.by_topic] == [("c", 1, 0.0), ("b", 2, 0.5), ("a", 2, 1.0)]
    assert result.calibration.lines == ((1, 1, 0.0), (3, 2, 1.0))
    assert result.calibration.brier == pytest.approx((0.05**2 + 0.95**2 + 0.35**2) / 3)
    # option 0 was taken three times: surely right (a score of 1 is no miss), surely wrong and as a guess; the half-right order is of no choice
    assert [(each.name, each.cost) for each in result.misconceptions] == [("divided by d", pytest.approx(CHANCE[3] + CHANCE[1]))]
    assert [each.number for each in result.missed] == [1, 2, 3, 5]


def test_the_history_agrees_with_the_attempts(small):
    first, second = sit(small), sit(small, seed=2)
    sheet = first_of(read(small, first), "choice")
    answer(small, first, sheet.number, right_place(sheet), confidence=2)
    with store.writing(small) as session:
        attempts.finish_attempt(session, learner=1, attempt=first, at=NOON + MINUTE)
        past = read_history(session, learner=1)
    assert [each.id for each in past] == [second, first]
    told = summarise(read(small, first))
    assert past[1].share == pytest.approx(told.score / 6)
    assert past[1].brier == pytest.approx(told.calibration.brier)
    assert (past[1].finished, past[0].finished, past[1].answered) == (True, False, 1)


def test_missing_points_are_those_whose_words_do_not_turn_up():
    points = ("interpolation squeezes all frequencies", "keeps high frequencies")
    assert seems_missing(points, "Interpolating squeezes every frequency the same") == ["keeps high frequencies"]
    assert seems_missing(points, "") == list(points)
    assert seems_missing(points, "interpolation squeezes all frequencies; the other keeps the high frequency pairs") == []


# -- adaptive and diagnostic -------------------------------------------------------------------------------------------------


def test_two_right_make_it_harder_and_a_wrong_one_easier():
    assert [level_after(scores) for scores in ([], [1.0], [1.0, 1.0], [0.0], [1.0, 1.0, 0.5], [1.0] * 9, [0.0] * 9)] == [2, 2, 3, 1, 2, 3, 1]


def test_an_adaptive_quiz_asks_nothing_twice_and_is_decided_by_its_seed(shipped):
    _, stock, _ = shipped
    setup = Setup(scope="track:attention", adaptive=True, seed=4)
    runs = []
    for _ in range(2):
        asked: list[Drawn] = []
        for _ in range(15):
            found = next_adaptive(stock, setup, [(d.item.id, d.item.topic, 1.0) for d in asked], [(d.item.id, d.item.topic) for d in asked])
            assert found is not None
            asked.append(found)
        runs.append(asked)
    assert runs[0] == runs[1]
    assert len({each.item.block for each in runs[0]}) == 15
    assert runs[0][-1].item.level == 3


NEEDS = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "x": []}
GRAPH = diagnostic.Graph(NEEDS, {"a": "one", "b": "one", "c": "one", "d": "two", "x": "two"})


def test_a_right_answer_speaks_for_what_it_rests_on_and_a_wrong_one_against_what_rests_on_it():
    before, right, wrong = (diagnostic.beliefs(GRAPH, answers) for answers in ([], [("c", 1.0)], [("b", 0.0)]))
    assert right["c"] > right["b"] > right["a"] > before["a"]
    assert right["a"] > right["x"] > before["x"], "a right answer says little about another track"
    assert right["d"] == right["x"], "and nothing more about what rests on its topic"
    assert wrong["b"] < wrong["c"] < wrong["d"] < wrong["x"] < before["x"]
    assert wrong["c"] < wrong["a"] < before["a"]
    # by hand: prior odds 0.4/0.6, a right answer multiplies them by 0.9/0.25
    assert right["c"] == pytest.approx((0.4 / 0.6 * 3.6) / (1 + 0.4 / 0.6 * 3.6))


def test_a_diagnostic_places_a_learner_within_twenty_questions(shipped):
    """Learners who know the first part of the tracks, guessing elsewhere: nearly all topics are put on the right side."""
    import random

    _, stock, _ = shipped
    accuracies = []
    for seed, share in enumerate((0.0, 0.2, 0.4, 0.6, 0.8, 1.0)):
        rng = random.Random(seed)
        graph = diagnostic.Graph(stock.needs, stock.tracks)
        order = list(diagnostic.place(graph, []).rest)
        knows = set().union(*(chain(stock.needs, topic) for topic in order[: int(share * len(order))]), set())
        setup = Setup(mode="diagnostic", adaptive=True, seed=seed)
        answered: list[tuple[str, str, float]] = []
        for _ in range(20):
            found = diagnostic.next_drawn(stock, setup, answered, [(card, topic) for card, topic, _ in answered])
            assert found is not None
            right = rng.random() < (diagnostic.KNOWS if found.item.topic in knows else diagnostic.GUESSES)
            answered.append((found.item.id, found.item.topic, float(right)))
        known = diagnostic.beliefs(graph, [(topic, score) for _, topic, score in answered])
        accuracies.append(sum((known[topic] >= 0.5) == (topic in knows) for topic in stock.needs) / len(stock.needs))
    assert sum(accuracies) / len(accuracies) >= 0.7, accuracies
    assert min(accuracies) >= 0.5, accuracies


def test_a_plan_keeps_the_order_and_ends_in_time():
    from datetime import date

    rest = diagnostic.place(GRAPH, [("a", 1.0), ("b", 1.0)]).rest
    assert rest.index("c") < rest.index("d")
    plan = diagnostic.study_plan(["c", "d", "x"], {"c": 10, "d": 10, "x": 10}, first=date(2026, 3, 2), last=date(2026, 3, 4))
    assert [(day.day.day, day.topics) for day in plan] == [(2, ("c",)), (3, ("d",)), (4, ("x",))]
    assert {day.minutes for day in plan} == {19}
    short = diagnostic.study_plan(["c", "d", "x"], {}, first=date(2026, 3, 2), last=date(2026, 3, 2))
    assert [day.topics for day in short] == [("c", "d", "x")]


def test_nearness_by_words_is_a_cosine():
    near = by_words({"one": "softmax temperature logits", "two": "softmax temperature logits", "three": "merges pairs bytes"})
    likenesses = near.matrix @ near.matrix[near.row["one"]]
    assert likenesses[near.row["two"]] == pytest.approx(1.0)
    assert likenesses[near.row["three"]] == pytest.approx(0.0)


def test_a_question_that_is_kept_is_the_question_that_was_asked(shipped, small):
    session, stock, near = shipped
    posed = build(session, stock, near, Setup(count=50, seed=5))
    with store.writing(small) as writing:
        attempt = attempts.begin_attempt(writing, learner=1, setup=Setup(count=50), posed=posed, at=NOON)
        assert writing.get(Attempt, attempt) is not None
        assert len(writing.exec(select(Answer)).all()) == len(posed)
    kept = read(small, attempt).sheets
    assert [to_dict(sheet.question) if sheet.question else None for sheet in kept] == [to_dict(each.question) if each.question else None for each in posed]


def test_where_there_are_choices_enough_nothing_else_is_asked(shipped):
    session, stock, near = shipped
    for seed in range(10):
        assert {each.kind for each in build(session, stock, near, Setup(count=50, seed=seed, forms=("choice",)))} == {"card"}
