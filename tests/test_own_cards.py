"""Cards of a learner's own that stand in no note: made of an answer or imported, found by that learner's search and by nobody else's."""

import numpy as np
import pytest
from sqlmodel import select

from backend import store
from backend.ask import ANSWERED, answer_question
from backend.cards import Card as WrittenCard
from backend.cards import read_cards
from backend.exchange.records import CardRecord, Records, TopicRecord
from backend.library import apply_import, undo_import
from backend.own_card import as_card, keep_card, without_links
from backend.questions import Form, Option, Question
from backend.search import best_passages, find, fresh
from backend.search_index import count_pending, fill_vectors, index_topics
from backend.sync import sync
from backend.tables import Card, Indexed, Learner, Passage, Topic
from tests.bag_of_words import BagOfWords

ASKED, TOLD = "How many stripes has the zebra of Kalahari?", "It has forty-two stripes on each flank. They are counted by hand."


@pytest.fixture
def shared(engine, content):
    """Two learners at one database; only the first has cards of their own."""
    with store.writing(engine) as session:
        me, other = store.local_learner(session), Learner(name="other", created_at=0)
        session.add(other)
        sync(session, content, at=1)
        session.flush()
        ids = me, other.id
    fill_vectors(engine, BagOfWords())
    return engine, *ids


def write(engine, learner, *, topic="alpha", question=ASKED, answer=TOLD, embed=None):
    with store.writing(engine) as session:
        kept = keep_card(session, learner=learner, question=question, answer=answer, topic=topic, at=2, embed=embed)
    assert not kept.problem
    return kept.card


def bring(engine, learner, records):
    with store.writing(engine) as session:
        apply_import(session, learner=learner, records=records, at=3)
        index_topics(session)


def asked_by(engine, learner, question=ASKED, *, embed=True):
    encoder = BagOfWords() if embed else None
    with store.reading(engine) as session:
        index = fresh(session, learner=learner)
        found = find(session, index, question, embed=encoder)
        return index, found, best_passages(session, index, found), answer_question(session, index, question, embed=encoder, answer_from=0.0)


def test_a_card_of_ones_own_is_found_and_quoted_letter_by_letter(shared):
    engine, me, _ = shared
    name = write(engine, me)
    _index, found, hits, answer = asked_by(engine, me)
    assert found.ranking[0].topic == "alpha"
    assert found.missing == ()
    assert hits[0].card == name
    assert answer.outcome == ANSWERED
    (cited,) = answer.citations
    assert (cited.card, cited.section, cited.quote) == (name, "", TOLD)
    with store.reading(engine) as session:
        assert session.get(Card, name).source[cited.start : cited.end] == TOLD
    assert answer.said[0].asked == ASKED


def test_nobody_else_finds_it_not_even_a_word_of_it(shared):
    engine, me, other = shared
    name = write(engine, me, embed=BagOfWords())
    for stranger in (other, None, 77):
        for embed in (True, False):
            index, found, hits, answer = asked_by(engine, stranger, embed=embed)
            assert index.waiting == 0
            assert name not in {hit.card for hit in hits}
            assert name not in {cited.card for cited in answer.citations}
            assert {"zebra", "kalahari", "stripes"} <= set(found.missing), "the words count as absent"
            assert not index.lexicon.vocabulary & {"zebra", "kalahari"}
        with store.reading(engine) as session:
            pasted = answer_question(session, fresh(session, learner=stranger), name, embed=BagOfWords(), answer_from=0.0)
            assert name not in {cited.card for cited in pasted.citations}, "nor by its id"
            assert name not in {suggestion.card for suggestion in pasted.suggestions}


def test_what_strangers_wrote_does_not_push_out_what_one_may_see(shared):
    engine, me, other = shared
    mine = write(engine, me)
    crowd = [CardRecord(WrittenCard(f"crowd-{n}", Question(Form.PROSE, f"{ASKED} {n}", answer=TOLD)), "crowd") for n in range(300)]
    bring(engine, other, Records("crowd", cards=crowd))
    _, _found, hits, _ = asked_by(engine, me, embed=False)
    assert hits[0].card == mine
    assert {hit.topic for hit in hits} <= {"alpha", "beta"}


def test_another_learners_notes_are_not_searched_either(shared):
    engine, me, other = shared
    note = TopicRecord(
        "okapi",
        "Okapi",
        "---\ntitle: Okapi\n---\nThe okapi grazes in the Ituri forest at dusk.\n\nQ: Where does it graze? ^okapi-q1\n\nA: In the Ituri.\n",
    )
    bring(engine, other, Records("notes", topics=[note]))
    index, found, hits, _ = asked_by(engine, me, "Where does the okapi graze?")
    assert not [topic for topic in index.topics if "okapi" in topic]
    assert "okapi" in found.missing
    assert not [hit for hit in hits if "okapi" in hit.topic]
    index, found, hits, _answer = asked_by(engine, other, "Where does the okapi graze?")
    assert "okapi" in hits[0].topic
    assert "okapi" not in found.missing


def test_the_same_index_is_never_handed_to_another_learner(shared):
    engine, me, other = shared
    write(engine, me, embed=BagOfWords())
    with store.reading(engine) as session:
        mine = fresh(session, learner=me)
        theirs = fresh(session, mine, learner=other)
        assert theirs.learner == other
        assert "zebra" not in theirs.lexicon.vocabulary
        assert len(theirs.ids) < len(mine.ids)


def test_one_card_that_changes_costs_one_card(shared):
    engine, me, _ = shared
    names = [write(engine, me, question=f"What is number {n} of the zebra?", answer=f"It is {n}.") for n in range(5)]
    fill_vectors(engine, BagOfWords())
    with store.reading(engine) as session:
        before = {row.id for row in session.exec(select(Passage))}
        index = fresh(session, learner=me)
    with store.writing(engine) as session:
        card = session.get(Card, names[2])
        card.plain, card.sha = "What is number two of the walrus?\nIt is a pair.", "changed"
        encoder = BagOfWords()
        changed = index_topics(session, embed=encoder)
        assert len(changed) == 1
        assert changed[0].endswith(names[2])
    assert encoder.seen
    assert all("walrus" in text for text in encoder.seen)
    with store.reading(engine) as session:
        assert len(before - {row.id for row in session.exec(select(Passage))}) == 2, "its question and its answer"
        later = fresh(session, index, learner=me)
        anew = fresh(session, learner=me)
        assert np.array_equal(later.ids, anew.ids)
        assert np.array_equal(later.matrix, anew.matrix)
        assert "walrus" in later.lexicon.vocabulary


def test_vectors_come_with_the_card_or_are_pending(shared):
    engine, me, _ = shared
    write(engine, me, embed=BagOfWords())
    with store.reading(engine) as session:
        assert count_pending(session)[0] == 0
    write(engine, me, question="Why is the walrus grey?", answer="Because of its blood.")
    with store.reading(engine) as session:
        assert count_pending(session)[0] == 2
        assert fresh(session, learner=me).waiting == 2


def test_an_encoder_that_fails_takes_the_card_along(shared):
    engine, me, _ = shared

    def broken(texts):
        raise OSError("no model file")

    with pytest.raises(OSError), store.writing(engine) as session:
        keep_card(session, learner=me, question=ASKED, answer=TOLD, topic="alpha", at=2, embed=broken)
    with store.reading(engine) as session:
        assert session.exec(select(Card).where(Card.owner == me)).all() == []
        assert not [row for row in session.exec(select(Passage)) if "#" in row.topic]


def test_taken_back_it_is_searched_no_more(shared):
    engine, me, _ = shared
    name = write(engine, me)
    with store.writing(engine) as session:
        undo_import(session, learner=me, run=1, at=3)
    with store.reading(engine) as session:
        assert not [row for row in session.exec(select(Passage)) if "#" in row.topic]
        assert not [row for row in session.exec(select(Indexed)) if "#" in row.topic]
        assert session.connection().exec_driver_sql("SELECT count(*) FROM topic_words WHERE topic LIKE '%#%'").scalar() == 0
    _, found, hits, _ = asked_by(engine, me)
    assert "zebra" in found.missing
    assert name not in {hit.card for hit in hits}


def test_a_card_that_stands_in_its_note_is_not_indexed_twice(shared):
    engine, me, _ = shared
    text = "---\ntitle: Stripes\n---\nOn stripes.\n\nQ: How many stripes? ^my-stripes-q1\n\nA: Forty-two.\n"
    with store.writing(engine) as session:
        record = CardRecord(read_cards("Q: How many stripes? ^my-stripes-q1\n\nA: Forty-two.\n")[0][0], "my-stripes")
        apply_import(session, learner=me, records=Records("n", topics=[TopicRecord("my-stripes", "Stripes", text)], cards=[record]), at=2)
    with store.reading(engine) as session:
        assert session.get(Topic, "my-stripes") is not None
        assert session.exec(select(Card).where(Card.owner == me)).one().block == "my-stripes-q1"
        assert not [row for row in session.exec(select(Passage)) if "#" in row.topic]


FORMS = [
    (Question(Form.CHOICE, "Which zebra?", options=(Option("the plains one", right=True), Option("none"), Option("two"), Option("three"))), "the plains one"),
    (Question(Form.GAP, "The zebra has ==forty-two== stripes and ==no== horn."), "The zebra has ==forty-two== stripes and ==no== horn."),
    (Question(Form.TERM, "Who is striped?", terms=("zebra", "zebras")), '"zebra" | "zebras"'),
    (Question(Form.ORDER, "Order the zebra's gaits.", steps=("walk", "trot", "gallop")), "1. walk\n2. trot\n3. gallop"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "quote"), FORMS)
def test_what_is_quoted_of_a_card_is_its_answer(shared, question, quote):
    engine, me, _ = shared
    record = CardRecord(WrittenCard("my-zebra", question), "alpha")
    bring(engine, me, Records("zebra", cards=[record]))
    with store.reading(engine) as session:
        source = session.exec(select(Card.source).where(Card.block == "my-zebra")).first()
        rows = session.exec(select(Passage).where(Passage.card == "my-zebra")).all()
    assert rows
    assert all(source[row.start : row.end].strip() == quote for row in rows)
    assert any("zebra" in row.words.casefold() for row in rows)


@pytest.mark.parametrize(("question", "answer", "told"), [
    ("", "x", "needs its question"), ("x", " \n", "needs its answer"), ("x" * 501, "x", "501 characters"), ("x", "y" * 5001, "5001 characters"),
])  # fmt: skip
def test_what_cannot_be_a_card_is_met_with_a_sentence(question, answer, told):
    card, problem = as_card(question, answer)
    assert card is None
    assert told in problem


@pytest.mark.parametrize("text", [
    "plain", "**bold** and $x^2$", "a list:\n\n- one\n- two", "Q: another card? ^id\n\nA: yes", "C: ==gap== ^x", "| a | b |\n|---|---|\n| 1 | 2 |", "$$\nx\n$$",
    "```\ncode ^id\n```", "## A heading", "ends with ^an-id", "中文 🦓 \u202e", "= 5 kg", "<script>alert(1)</script>", "***", "1. one\n2. two",
])  # fmt: skip
def test_any_text_is_kept_as_it_is_or_refused_in_words(shared, text):
    engine, me, _ = shared
    with store.writing(engine) as session:
        kept = keep_card(session, learner=me, question=text, answer=text, topic="alpha", at=2)
    if kept.problem:
        assert kept.problem.startswith(("This cannot be kept", "A card needs"))
        return
    with store.reading(engine) as session:
        card = session.get(Card, kept.card)
        assert (card.question["prompt"], card.question["answer"], card.owner, card.topic) == (text, text, me, "alpha")


def test_the_same_question_twice_makes_two_cards(shared):
    engine, me, _ = shared
    assert len({write(engine, me) for _ in range(3)}) == 3


def test_links_to_our_own_screens_are_left_out_of_a_card():
    text = "see [hearing](/read?topic=owls), [a paper](https://example.org/a) and ![a](b.png), $x[1](2)$"
    assert without_links(text) == "see hearing, [a paper](https://example.org/a) and ![a](b.png), $x[1](2)$"
