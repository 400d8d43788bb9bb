"""Search: the index agrees with the notes at any moment, words and vectors rank together, and nothing typed is an error."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from backend import store
from backend.query import Lexicon, clean, is_figure, read_query, slips, spelling, translate
from backend.search import best_passages, find, fresh
from backend.search_evidence import evidence
from backend.search_index import count_pending, embedded_words, fill_vectors, index_topics
from backend.sync import sync
from backend.tables import Passage, Topic, Vector
from models import minilm
from tests.bag_of_words import BagOfWords, vector_of
from tests.conftest import note_text

HOUSE = Path(__file__).parent.parent


@pytest.fixture
def synced(engine, content):
    with store.writing(engine) as session:
        sync(session, content, at=1)
    return engine


@pytest.fixture
def filled(synced):
    fill_vectors(synced, BagOfWords())
    return synced


def disagreements(engine) -> list[str]:
    """Vectors that are not those of their words."""
    with store.reading(engine) as session:
        vectors = {vector.sha: np.frombuffer(vector.numbers, dtype="<f4") for vector in session.exec(select(Vector))}
        return [
            passage.words
            for passage in session.exec(select(Passage).where(Passage.sha != ""))
            if passage.sha in vectors
            and not np.array_equal(vectors[passage.sha], vector_of(embedded_words(passage.kind, passage.heading, passage.words)))
        ]


# -- the index -------------------------------------------------------------------------------------------------------------


def test_a_sync_writes_text_first_and_leaves_the_vectors_pending(synced):
    with store.reading(synced) as session:
        waiting, total = count_pending(session)
        assert waiting == total > 0
        index = fresh(session)
        found = find(session, index, "Why beta?", embed=BagOfWords())
    assert found.ranking[0].topic == "beta", "words alone find it meanwhile"
    assert "words alone" in found.notice


def test_filling_is_done_once_and_every_vector_is_that_of_its_words(filled):
    encoder = BagOfWords()
    assert fill_vectors(filled, encoder) == 0
    assert encoder.seen == []
    assert disagreements(filled) == []
    with store.reading(filled) as session:
        assert count_pending(session)[0] == 0


def test_an_edit_encodes_only_what_changed(filled, content):
    note = content / "basics" / "alpha.md"
    note.write_text(note.read_text().replace("Because of $x^2$", "Owing to the zebra"))
    encoder = BagOfWords()
    with store.writing(filled) as session:
        sync(session, content, at=2)
    fill_vectors(filled, encoder)
    assert encoder.seen, "the edited passage"
    assert all("zebra" in text for text in encoder.seen)
    assert disagreements(filled) == []
    with store.reading(filled) as session:
        assert find(session, fresh(session), "zebra", embed=BagOfWords()).ranking[0].topic == "alpha"


def test_with_an_encoder_at_hand_text_and_vectors_arrive_together(filled):
    with store.writing(filled) as session:
        topic = session.get(Topic, "alpha")
        topic.text, topic.sha = topic.text.replace("in one sentence", "in one walrus"), "new"
        assert index_topics(session, embed=BagOfWords()) == ["alpha"]
    with store.reading(filled) as session:
        assert count_pending(session)[0] == 0
        assert find(session, fresh(session), "walrus", embed=BagOfWords()).ranking[0].topic == "alpha"


def test_an_error_in_the_encoder_undoes_the_edit_with_its_text(filled):
    def broken(texts):
        raise RuntimeError("no encoder")

    def edit() -> None:
        with store.writing(filled) as session:
            topic = session.get(Topic, "alpha")
            topic.text, topic.sha = "changed", "new"
            index_topics(session, embed=broken)

    with pytest.raises(RuntimeError):
        edit()
    with store.reading(filled) as session:
        assert "in one sentence" in session.get(Topic, "alpha").text
    assert disagreements(filled) == []


def test_killed_between_two_batches_the_rest_is_pending_and_nothing_disagrees(synced, monkeypatch):
    monkeypatch.setattr("backend.search_index.BATCH", 5)
    encoder, calls = BagOfWords(), []

    def killed(texts):
        calls.append(texts)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encoder(texts)

    with pytest.raises(KeyboardInterrupt):
        fill_vectors(synced, killed)
    with store.reading(synced) as session:
        waiting, total = count_pending(session)
    assert total - waiting == 10
    assert disagreements(synced) == []
    fill_vectors(synced, encoder)
    assert disagreements(synced) == []


def test_a_process_that_is_killed_while_it_encodes_leaves_a_sound_index(synced):
    code = (
        "import os, sys; from backend import store; from backend import search_index; from tests.bag_of_words import BagOfWords\n"
        "search_index.BATCH = 4; bag = BagOfWords(); count = [0]\n"
        "def embed(texts):\n"
        "    count[0] += 1\n"
        "    if count[0] == 3: os.kill(os.getpid(), 9)\n"
        "    return bag(texts)\n"
        "search_index.fill_vectors(store.open_engine(sys.argv[1]), embed)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(synced.url)], cwd=HOUSE, capture_output=True)
    assert done.returncode == -9
    with store.reading(synced) as session:
        waiting, total = count_pending(session)
        assert total - waiting == 8
    assert disagreements(synced) == []


def test_a_note_that_goes_takes_its_passages_along(filled, content):
    (content / "basics" / "beta.md").unlink()
    with store.writing(filled) as session:
        sync(session, content, at=2)
    with store.reading(filled) as session:
        assert set(session.exec(select(Passage.topic).distinct())) == {"alpha"}
        assert find(session, fresh(session), "Why beta?", embed=BagOfWords()).ranking[0].topic == "alpha"
        rows = session.connection().exec_driver_sql("SELECT count(*) FROM passage_words").scalar()
        assert rows == len([p for p in session.exec(select(Passage)) if p.kind in ("section", "answer")])


def test_the_index_in_memory_is_kept_until_something_changed(filled):
    with store.reading(filled) as session:
        first = fresh(session)
        assert fresh(session, first) is first
    with store.writing(filled) as session:
        topic = session.get(Topic, "beta")
        topic.sha = "other"
        index_topics(session, embed=BagOfWords())
    with store.reading(filled) as session:
        later = fresh(session, first)
        assert later is not first
        anew = fresh(session)
    assert np.array_equal(later.ids, anew.ids)
    assert np.array_equal(later.topic_of, anew.topic_of)
    assert np.array_equal(later.matrix, anew.matrix), "what was taken over is what would be read"


def test_corrupt_vectors_are_left_out_and_said(filled):
    with store.writing(filled) as session:
        broken = session.exec(select(Vector).limit(2)).all()
        broken[0].numbers = b"short"
        broken[1].numbers = np.full(384, np.nan, dtype="<f4").tobytes()
    with store.reading(filled) as session:
        index = fresh(session)
        assert "2 stored vectors cannot be read" in index.problems[0]
        assert np.isfinite(index.matrix).all()
        assert find(session, index, "Why beta?", embed=BagOfWords()).ranking[0].topic == "beta"


def test_corrupt_vectors_are_made_again(filled):
    with store.writing(filled) as session:
        session.exec(select(Vector).limit(1)).one().numbers = b"short"
    fill_vectors(filled, BagOfWords())
    assert disagreements(filled) == []
    with store.reading(filled) as session:
        assert fresh(session).problems == ()


def test_a_broken_encoder_is_said_and_words_carry_on(filled):
    def broken(texts):
        raise ValueError("model.safetensors is not the MiniLM that Attend was built with")

    with store.reading(filled) as session:
        found = find(session, fresh(session), "Why beta?", embed=broken)
    assert found.ranking[0].topic == "beta"
    assert "not the MiniLM" in found.notice


def test_passages_come_with_their_place(filled):
    with store.reading(filled) as session:
        index = fresh(session)
        hits = best_passages(session, index, find(session, index, "Why beta?", embed=BagOfWords()))
        assert (hits[0].topic, hits[0].card) == ("beta", "beta-q01")
        assert session.get(Topic, "beta").text[hits[0].start : hits[0].end] == "Because. And so on."


# -- the query ---------------------------------------------------------------------------------------------------------------

NASTY = [
    "", " ", "\0", "\0\0x", '"', '""', "*", "NEAR(a b)", "a NEAR b", "-", "--", "'; DROP TABLE topic; --", "a AND OR NOT", "^", "column:word", "{", "(((",
    "<script>alert(1)</script>", "🦜🦜🦜", "\u202egnp", "\ud800", "ﬁne", "𝐱𝐲", "%", "_", "\\", "\\sqrt{", "$$$", "中", "，。？", "\n\n", "a" * 100_000,
    "😀 " * 30_000, "x y " * 25_000, "ж", "ü", "'", "don't", "C++ & C#", "1/0", "null", "\t\r",
]  # fmt: skip


@pytest.mark.parametrize("typed", NASTY)
def test_whatever_is_typed_is_no_error(filled, typed):
    with store.reading(filled) as session:
        index = fresh(session)
        found = find(session, index, typed, embed=BagOfWords())
        best_passages(session, index, found)
    assert len(found.ranking) in (0, 2)


@given(st.text(max_size=200))
def test_any_text_is_read(typed):
    query = read_query(typed, Lexicon(vocabulary=frozenset({"attention"})))
    assert len(query.text) <= 5000


def test_chinese_is_read_as_english_terms_and_small_words_do_not_count():
    said, unread = translate("为什么要除以根号dk", {})
    assert said == "why divide by square root dk"
    assert unread == 0
    assert translate("麻婆豆腐", {})[1] == 1


def test_a_chinese_name_of_a_topic_is_its_english_one():
    query = read_query("旋转位置编码是什么", Lexicon(names={"旋转位置编码": ("rope",)}, chinese={"旋转位置编码": "RoPE"}))
    assert query.names == {"旋转位置编码": ("rope",)}
    assert "rope" in query.words


@pytest.mark.parametrize(
    ("typed", "taken"),
    [("atention", "attention"), ("attenton", "attention"), ("finetuning", "fine tuning"), ("attention", None), ("kitchen", None), ("pokemon", None)],
)
def test_slips_of_the_fingers_are_forgiven_and_words_that_exist_are_left_alone(typed, taken):
    assert spelling(typed, Lexicon(vocabulary=frozenset({"attention", "fine", "tuning"}))).get(typed) == taken


@pytest.mark.parametrize(("one", "other", "count"), [("form", "from", 1), ("kitten", "sitting", 3), ("", "abc", 3), ("same", "same", 0), ("ca", "abc", 3)])
def test_slips_are_counted_as_in_the_textbook(one, other, count):
    assert slips(one, other) == count  # "ca" and "abc": 3 in the restricted distance, 2 in the full one


def test_a_pasted_formula_is_spoken():
    assert clean(r"$\frac{QK^\top}{\sqrt{d_k}}$") == "(QK^T)/sqrt(d_k)"


def test_full_width_letters_are_ordinary_ones():
    assert clean("ＬｏＲＡ　ｖｓ") == "LoRA vs"


def test_a_question_that_names_a_topic_is_led_there(engine, content):
    (content / "basics" / "alpha.md").write_text(note_text("alpha").replace("needs: []", "needs: []\naliases: [Snorkel, 浮潜]"))
    with store.writing(engine) as session:
        sync(session, content, at=1)
    fill_vectors(engine, BagOfWords())
    with store.reading(engine) as session:
        index = fresh(session)
        for typed in ("what about snorkels", "浮潜是什么"):
            assert find(session, index, typed, embed=BagOfWords()).ranking[0].topic == "alpha", typed


def test_a_process_that_searches_loads_no_heavy_library(filled):
    code = (
        "import sys; from backend import store; from backend.search import fresh; from backend.ask import answer_question; from models import minilm\n"
        "engine = store.open_engine(sys.argv[1])\n"
        "with store.reading(engine) as session:\n"
        "    print(answer_question(session, fresh(session), 'Why alpha?', embed=minilm.embed).ranking[0][0])\n"
        "assert not set(sys.modules) & {'torch', 'transformers', 'sentence_transformers', 'sklearn', 'pandas', 'scipy', 'openai', 'streamlit'}\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(filled.url)], cwd=HOUSE, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("alpha", "")


# -- what a question says ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("typed", "words"), [("it cant do sums w/o a calculator", ("sums", "calculator")), ("plz whats an owl", ("owl",))])
def test_the_small_words_of_hasty_typing_tell_nothing(typed, words):
    assert read_query(typed, Lexicon()).words == words


@pytest.mark.parametrize("word", ["tides", "walked", "jumper", "deploy"])
def test_forms_of_english_words_are_no_slips(word):
    assert spelling(word, Lexicon(vocabulary=frozenset({"ties", "talked", "bumper", "jumped", "deploys"}))) == {}


def test_what_we_translated_ourselves_is_not_corrected():
    query = read_query("推荐系统", Lexicon(vocabulary=frozenset({"recommended", "system"})))
    assert (query.english, query.corrected) == ("recommender system", {})


@pytest.mark.parametrize(("word", "is_one"), [("48gb", True), ("7b", True), ("17", True), ("8x", True), ("r1", False), ("word2vec", False), ("b", False)])
def test_numbers_with_their_units_are_told_from_names(word, is_one):
    assert is_figure(word) is is_one


# -- is it there at all? -------------------------------------------------------------------------------------------------------


def test_a_subject_that_a_note_is_named_after_is_not_elsewhere(engine, content):
    """The same question, before there is a note of that name and after."""
    seen, alpha = [], content / "basics" / "alpha.md"
    for title in ("Alpha", "random forests and out-of-bag error"):
        alpha.write_text(alpha.read_text(encoding="utf-8").replace("title: Alpha", f"title: {title}", 1), encoding="utf-8")
        with store.writing(engine) as session:
            sync(session, content, at=1)
        fill_vectors(engine, minilm.embed)
        with store.reading(engine) as session:
            index = fresh(session)
            found = find(session, index, "what is the out-of-bag error of a random forest", embed=minilm.embed)
            seen.append(evidence(session, index, found)["elsewhere"])
    assert seen[1] < seen[0] - 0.1
