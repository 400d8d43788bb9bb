"""Every outside format: out and in again is the identity, and Anki itself judges its packages."""

import json
import os
import random
import subprocess
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import select

from backend import review, store
from backend.cards import Card, showings, write_card
from backend.check import check_database
from backend.exchange import html_text, plain_words
from backend.exchange.anki_notes import write_anki
from backend.exchange.anki_package import read_anki
from backend.exchange.encodings import mend_mojibake
from backend.exchange.foreign_cards import find_foreign
from backend.exchange.formats import read_path, write_path
from backend.exchange.html_text import to_html, to_markdown
from backend.exchange.json_file import read_archive, write_archive
from backend.exchange.markdown import read_markdown
from backend.exchange.records import CardRecord, MediaRecord, MemoryRecord, Records, ReviewRecord, TopicRecord, Unreadable
from backend.library import apply_import, collect
from backend.markup import plain
from backend.memory import Grade, minutes_west
from backend.questions import Form, Option, Quantity, Question
from backend.settings import change_setting, read_settings
from backend.sync import sync
from backend.tables import LearnerCard
from tests.conftest import LONG
from tests.sample_desk import DAY, NOON
from tests.test_library import bring, everything, grade

HOUSE = Path(__file__).parent.parent
JUDGE = HOUSE / ".venv-anki" / "bin" / "python"
PIECES = ["attention", "the *softmax* of", "**bold**", "$x^2 < \\frac{1}{2}$", "`code < 1`", "中文", "🦜", "a & b", "5 < 6 > 4", '"quoted"', "$\\{a_i\\}$", "[link](https://example.org)", "naïve", "![a curve](pics/curve.png)"]


def judge(verb: str, *arguments: str, zone: str = "UTC") -> dict:
    """Anki's word on a package."""
    if not JUDGE.exists():
        pytest.fail("expected Anki in .venv-anki, came none: run `make .venv-anki/test.stamp`")
    done = subprocess.run([JUDGE, HOUSE / "tests" / "anki_judge.py", verb, *arguments], capture_output=True, text=True, env={**os.environ, "TZ": zone}, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def words(rng: random.Random, count: int = 5) -> str:
    return " ".join(rng.choice(PIECES) for _ in range(count))


def random_card(rng: random.Random, number: int) -> Card:
    form = rng.choice([Form.PROSE, Form.PROSE, Form.CHOICE, Form.NUMBER, Form.TERM, Form.ORDER, Form.MATCH, Form.GAP])
    tags = tuple(rng.sample(["one", "two::deep", "drei"], rng.randrange(3)))
    prompt, why = f"Number {number} {words(rng)}?", f"Since {words(rng)}." + rng.choice(["", "\n\n- a list\n- of two", "\n\n$$\nE = mc^2\n$$"])
    question = {
        Form.PROSE: lambda: Question(form, prompt, why),
        Form.CHOICE: lambda: Question(form, prompt, options=tuple(Option(f"{words(rng, 2)} {n}", n == 1, f"Reason {n}.") for n in range(4))),
        Form.NUMBER: lambda: Question(form, prompt, why, quantity=Quantity(rng.randrange(1000) / 8, 0.5, unit="GB")),
        Form.TERM: lambda: Question(form, prompt, why, terms=("LoRA", "low-rank adaptation")),
        Form.ORDER: lambda: Question(form, prompt, steps=("first", "second", "third")),
        Form.MATCH: lambda: Question(form, prompt, pairs=(("a", "one"), ("b", "two")), heads=("letter", "word")),
        Form.GAP: lambda: Question(form, f"Number {number} has ==a gap== and =={rng.choice(['$QK^T$', 'another', '中文'])}== here."),
    }[form]()
    return Card(f"random-{number}", question, tags=tags)


def random_records(count: int, seed: int = 7) -> Records:
    rng = random.Random(seed)
    cards = [random_card(rng, number) for number in range(count)]
    records = Records("random", topics=[TopicRecord("my-random", "Random", "---\ntitle: Random\n---\n")])
    cards.append(Card("random-pictures", Question(Form.PROSE, "Two?", "![](中文.png) ![](pics/curve.png)")))
    records.cards = [CardRecord(card, "my-random", write_card(card)) for card in cards]
    records.media = [MediaRecord("pics/curve.png", b"\x89PNG\0\1\2"), MediaRecord("中文.png", bytes(range(256)))]
    at = NOON - 100 * DAY
    for card in cards:
        for shown in showings(card):
            if rng.random() < 0.3:
                continue
            for _ in range(rng.randrange(1, 5)):
                at += rng.randrange(1, 60_000)
                records.reviews.append(ReviewRecord(shown.id, at, rng.randrange(1, 5), rng.randrange(500, 60_000)))
            reps = sum(each.card == shown.id for each in records.reviews[-5:])
            days = rng.randrange(1, 400)
            stability, difficulty = round(rng.uniform(0.5, 900), 2), round(rng.uniform(1, 10), 3)  # Anki keeps 32 bits of them
            records.memories.append(MemoryRecord(shown.id, NOON // DAY + rng.randrange(-5, 300), stability, difficulty, days, 0.0, rng.random() < 0.1, rng.randrange(8), 0, reps))
    return records


def told(records: Records) -> dict:
    """Records as what they say, in an order that does not matter."""
    return {
        "cards": sorted((card.id, card.topic, card.markdown) for card in records.cards),
        "media": sorted((media.name, media.sha) for media in records.media),
        "memories": sorted((m.card, m.due_day, round(m.stability or 0, 3), m.difficulty, m.interval, m.suspended, m.flag, m.lapses, m.reps) for m in records.memories if m.due_day),
        "reviews": sorted((r.card, r.at, r.grade, r.duration) for r in records.reviews),
    }


@pytest.mark.parametrize("old", [[], ["--old"]])
def test_ours_to_anki_and_back_is_the_identity(tmp_path, old):
    records = random_records(1000 if LONG else 200)
    write_anki(records, tmp_path / "ours.apkg", at=NOON)
    verdict = judge("take", str(tmp_path / "ours.apkg"), str(tmp_path / "theirs.apkg"), "--twice", *old)
    assert verdict["new"] == [len(records.cards), 0], "the second import makes nothing new"
    assert sorted(note["guid"] for note in verdict["notes"]) == sorted(card.id for card in records.cards)
    assert verdict["media"] == ["pics_curve.png", "中文.png"]
    assert len(verdict["log"]) == len(records.reviews)
    with zipfile.ZipFile(tmp_path / "theirs.apkg") as archive:
        assert ("collection.anki21b" in archive.namelist()) == (not old)
    assert told(read_anki(tmp_path / "theirs.apkg")) == told(records)


@pytest.mark.parametrize("old", [[], ["--old"]])
def test_ankis_own_note_types_come_in(tmp_path, old):
    verdict = judge("make", str(tmp_path / "theirs.apkg"), *old)
    records = read_anki(tmp_path / "theirs.apkg")
    by_prompt = {card.card.question.prompt: card.card for card in records.cards}
    asked = by_prompt["What is **attention**?"]
    assert (asked.question.answer, set(asked.tags)) == ("A weighted mean: $\\sum_i a_i v_i$\\\n![](curve.png)", {"ml", "hard::yes"})
    assert (by_prompt["query"].question.answer, by_prompt["what asks"].question.answer) == ("what asks", "query")
    assert by_prompt["The ==softmax== of ==scores== sums to one."].question.form is Form.GAP
    assert by_prompt["A and B before \\[a letter\\]"].question.answer == "A and B before **C**\n\nMore on it"
    assert by_prompt["Capital of France?"].question.terms == ("Paris",)
    assert by_prompt["中文问题?"].question.answer == "答案 🦜"
    hostile = by_prompt["Hostile link"].question
    assert hostile.answer == "[picture elsewhere](http://example.org/spy.png)fine"
    assert [(media.name, media.data) for media in records.media] == [("curve.png", b"\x89PNG a curve")]
    assert {(r.at, r.grade) for r in records.reviews} == {(at, ease) for _, _, at, ease, _ in verdict["log"]}
    states = {json.loads(card[9]).get("s") for card in verdict["cards"] if card[2] == 2}
    assert {m.stability for m in records.memories if m.due_day} == states
    assert {card.topic for card in records.cards} == {"anki-deep-learning"}


def test_what_is_being_learned_stays_so_through_anki_and_back(engine, content, tmp_path):
    """Steps within a day are no reviews: they keep their state, their step and their moment, and are due there when they are here."""
    with store.writing(engine) as session:
        sync(session, content, at=NOON)
        learner = store.local_learner(session)
        change_setting(session, learner=learner, name="time_zone", value="Asia/Kolkata")
        review.follow_content(session, learner=learner, at=NOON)
    for card, answers in (("alpha-q01", (1,)), ("alpha-q02", (3,)), ("beta-q01", (3, 3)), ("beta-q02", (3, 3, 1))):
        for number, answer in enumerate(answers):  # again, one step on, a review, and forgotten after a review
            grade(engine, learner, card, at=NOON + number * 5 * DAY, how=Grade(answer))
    at = NOON + 10 * DAY + 60_000
    with store.reading(engine) as session:
        first = collect(session, learner=learner)
        before = {row.card: row.model_dump(include=STATE) for row in session.exec(select(LearnerCard)) if row.state}
        today = review.today_of(read_settings(session, learner=learner), at)
    assert {card: row["state"] for card, row in before.items()} == {"alpha-q01": 1, "alpha-q02": 1, "beta-q01": 2, "beta-q02": 3}
    write_path(first, tmp_path / "ours.apkg", at=at, minutes_west=minutes_west(at, time_zone="Asia/Kolkata"))
    verdict = judge("take", str(tmp_path / "ours.apkg"), str(tmp_path / "theirs.apkg"), zone="Asia/Kolkata")
    theirs = {guid: (kind, due) for guid, _, kind, _, due, *_ in verdict["cards"] if guid in before}
    assert {card: kind for card, (kind, _) in theirs.items()} == {card: row["state"] for card, row in before.items()}
    now = int(time.time())  # Anki counts days from its own present
    days = (now + 330 * 60 - 4 * 3600) // 86_400 - verdict["today"]
    assert theirs["beta-q01"][1] + days == before["beta-q01"]["due_day"]
    assert today == before["beta-q02"]["last_day"]
    other = store.open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    store.upgrade(other)
    with store.writing(other) as session:
        sync(session, content, at=NOON)
        change_setting(session, learner=store.local_learner(session), name="time_zone", value="Asia/Kolkata")
        apply_import(session, learner=1, records=read_anki(tmp_path / "theirs.apkg"), at=at)
        after = {row.card: row.model_dump(include=STATE) for row in session.exec(select(LearnerCard)) if row.state}
    assert {card: rounded(row) for card, row in after.items()} == {card: rounded(row) for card, row in before.items()}
    assert check_database(other) == []


STATE = {"state", "step", "due_day", "due_at", "last_day", "stability", "difficulty"}


def rounded(row: dict) -> dict:
    """Anki keeps moments in whole seconds and memories in few digits."""
    return row | {"due_at": row["due_at"] and row["due_at"] // 1000, "stability": round(row["stability"], 2), "difficulty": round(row["difficulty"], 2)}


def test_the_stand_in_of_a_new_package_is_not_imported(tmp_path):
    judge("make", str(tmp_path / "new.apkg"))
    with zipfile.ZipFile(tmp_path / "new.apkg") as whole, zipfile.ZipFile(tmp_path / "half.apkg", "w") as half:
        for name in whole.namelist():
            if name != "collection.anki21b":
                half.writestr(name, whole.read(name))
    with pytest.raises(Unreadable, match="stand-in"):
        read_anki(tmp_path / "half.apkg")


@pytest.mark.parametrize("suffix", [".json", ".csv", ".tsv"])
def test_out_and_in_again_is_the_identity(tmp_path, suffix):
    records = random_records(100)
    write_path(records, tmp_path / f"out{suffix}", at=NOON)
    back = read_path(tmp_path / f"out{suffix}")
    assert told(back)["cards"] == told(records)["cards"]
    if suffix == ".json":
        assert told(back) == told(records)
        assert (back.topics, back.notices) == (records.topics, [])


CSVS = {
    "anki's headers": ("#separator:tab\n#html:true\n#tags column:3\n#guid column:4\nWhat is <b>Q</b>?\tA <i>query</i>\tml nlp\tg1\n", "What is **Q**?", "A *query*", ("ml", "nlp")),
    "names of columns": ("Answer;Question\nbecause;why?\n", "why?", "because", ()),
    "nothing but rows": ("why?,because\n", "why?", "because", ()),
    "another encoding": ("naïve?;so wie früher\n".encode("cp1252"), "naïve?", "so wie früher", ()),
    "quoted lines": ('front,back\n"one, two?","first\nsecond"\n', "one, two?", "first\n\nsecond", ()),
}


@pytest.mark.parametrize("what", CSVS)
def test_rows_are_understood(tmp_path, what):
    data, front, back, tags = CSVS[what]
    file = tmp_path / "deck.csv"
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    records = read_path(file)
    card = records.cards[0].card
    assert (card.question.prompt, card.question.answer, card.tags, len(records.cards)) == (front, back, tags, 1)
    assert any("read as columns" in notice for notice in records.notices)


def test_everything_goes_to_another_machine_and_is_equal(engine, content, tmp_path):
    with store.writing(engine) as session:
        sync(session, content, at=NOON)
        learner = store.local_learner(session)
        review.follow_content(session, learner=learner, at=NOON)
    bring(engine, learner, random_records(60))
    grade(engine, learner, "alpha-q01")
    write_archive(engine, tmp_path / "all.attend", revision="0001")
    other = store.open_engine(f"sqlite:///{tmp_path / 'other' / 'attend.db'}")
    store.upgrade(other)
    assert read_archive(other, tmp_path / "all.attend", revision="0001") > 100
    assert everything(other) == everything(engine)
    assert check_database(other) == []
    with pytest.raises(Unreadable, match="an empty database"):
        read_archive(other, tmp_path / "all.attend", revision="0001")


def test_a_library_travels_through_anki_into_another_database(engine, content, tmp_path):
    with store.writing(engine) as session:
        sync(session, content, at=NOON)
        learner = store.local_learner(session)
        review.follow_content(session, learner=learner, at=NOON)
    bring(engine, learner, random_records(60))
    with store.reading(engine) as session:
        first = collect(session, learner=learner)
    write_anki(first, tmp_path / "out.apkg", at=NOON)
    other = store.open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    store.upgrade(other)
    with store.writing(other) as session:
        sync(session, content, at=NOON)
        apply_import(session, learner=store.local_learner(session), records=read_anki(tmp_path / "out.apkg"), at=NOON)
    with store.reading(other) as session:
        second = collect(session, learner=1)
        states = {row.card: (row.state, row.due_day, row.suspended, row.flag) for row in session.exec(select(LearnerCard))}
    with store.reading(engine) as session:
        before = {row.card: (row.state, row.due_day, row.suspended, row.flag) for row in session.exec(select(LearnerCard)) if row.state}
    assert {card: states[card] for card in before} == before
    assert [(r.card, r.at, r.grade, r.duration) for r in second.reviews] == [(r.card, r.at, r.grade, r.duration) for r in first.reviews]
    assert {card.id: card.markdown for card in second.cards} == {card.id: card.markdown for card in first.cards}
    assert check_database(other) == []


# -- syntaxes of other programs ------------------------------------------------------------------------------------------

PLUGIN = """---
tags: [flashcards]
---
#flashcards/deep

What is Q::The query
<!--SR:!2026-12-01,10,270-->

mass:::energy <!--SR:!2026-12-02,3,250!2026-12-03,4,230-->

A question
on two lines
?
An answer
on two lines

left
??
right

The ==softmax== sums to ==one==.

```python
x = a::b
```
"""


def test_the_plugins_cards_and_schedules_are_read():
    cards, memories, notices = find_foreign(PLUGIN, topic="n")
    shown = {(card.card.question.prompt, card.card.question.answer) for card in cards}
    assert shown == {
        ("What is Q", "The query"), ("mass", "energy"), ("energy", "mass"), ("A question\non two lines", "An answer\non two lines"),
        ("left", "right"), ("right", "left"), ("The ==softmax== sums to ==one==.", ""),
    }  # fmt: skip
    assert not any(card.offered for card in cards)
    ids = {card.card.question.prompt: card.id for card in cards}
    assert [(m.card, m.due_day, m.interval, m.ease) for m in memories] == [
        (ids["What is Q"], 20788, 10, 2.7), (ids["mass"], 20789, 3, 2.5), (ids["energy"], 20790, 4, 2.3),
    ]  # fmt: skip
    assert notices == []


def test_hashcards_are_read():
    text = "Q: What is 2+2?\nA: 4\n\nQ: Two lines\nof it?\nA: Yes.\n\nAnd more.\n\nC: The [mitochondrion] is the [powerhouse] of a ![cell](c.png).\n\n---\n\nText.\n"
    cards, _, _ = find_foreign(text, topic="n")
    assert [(card.card.question.prompt, card.card.question.answer) for card in cards] == [
        ("What is 2+2?", "4"), ("Two lines\nof it?", "Yes.\n\nAnd more."), ("The ==mitochondrion== is the ==powerhouse== of a ![cell](c.png).", ""),
    ]  # fmt: skip


def test_a_gap_card_of_hashcards_ends_where_the_note_goes_on():
    cards, _, _ = find_foreign("C: The [capital]\nof [France].\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx[0]\n```\n", topic="t")
    assert [card.card.question.prompt for card in cards if not card.offered] == ["The ==capital== of ==France==."]


@pytest.mark.parametrize(
    ("text", "cards"),
    [("front\tback\nWhat?\tThis.\n", 1), ("#separator:Semicolon\n#html:true\nWhat <b>is</b> it?;This.\n", 1), ("What?;This.\nAnd why?;So.\n", 2),
     ("# A note\n\n## Why, then?\n\nBecause, of; this | that.\n", 1), ("Words, and more of them.\n\nOthers.\n", 0)],
)  # fmt: skip
def test_a_text_file_is_a_table_or_a_note(tmp_path, text, cards):
    (tmp_path / "some.txt").write_text(text, encoding="utf-8")
    records = read_path(tmp_path / "some.txt")
    assert len(records.cards) == cards
    assert bool(records.topics) == text.startswith(("# ", "Words"))


def test_a_folder_of_text_files_is_read_as_notes(tmp_path):
    (tmp_path / "one.txt").write_text("# One\n\n## Why?\n\nBecause.\n\n## Later\n")
    records = read_path(tmp_path)
    assert ([topic.title for topic in records.topics], [card.why for card in records.cards]) == (["One"], ["a question for a heading, answered by its section"])
    assert [gap.heading for gap in records.gaps] == ["Later"]


def test_a_rewritten_answer_keeps_the_cards_id():
    first, second = (find_foreign(f"#flashcards\n\nWhy::{answer}\n", topic="n")[0][0].id for answer in ("so", "otherwise"))
    assert first == second


def test_mojibake_is_mended_and_good_text_is_left_alone():
    for whole in ("Works well 🌟 and 📉", "“quoted” – naïve", "中文，标点。"):
        for wrong in ("mac_roman", "cp1252", "latin-1"):
            try:
                broken = whole.encode().decode(wrong)
            except UnicodeDecodeError:
                continue
            assert mend_mojibake(broken) == whole
        assert mend_mojibake(whole) == whole
    for good in ("ÄÖÜ äöü", "é è à", "¿Qué?", "Ångström", "日本語"):
        assert mend_mojibake(good) == good


def test_a_note_in_another_encoding_is_read(tmp_path):
    for encoding in ("utf-16", "utf-8-sig", "cp1252"):
        (tmp_path / "n.md").write_bytes("# Größe\n\nText ü.\n".encode(encoding))
        assert read_markdown(tmp_path / "n.md").topics[0].text == "# Größe\n\nText ü.\n"


def test_front_matter_of_others_is_kept(tmp_path):
    nested = "---\ntitle: T\nmeta:\n  deep: [1, 2]\n---\n\nText.\n"
    (tmp_path / "n.md").write_text(nested)
    text = read_markdown(tmp_path / "n.md").topics[0].text
    assert "deep: [1, 2]" in text
    assert "Text." in text


def test_a_note_that_is_too_long_becomes_several(tmp_path):
    (tmp_path / "long.md").write_text("".join(f"## Part {n}\n\n{'word ' * 2000}\n\n" for n in range(30)))
    topics = read_markdown(tmp_path / "long.md").topics
    assert len(topics) > 2
    assert "".join(topic.text for topic in topics).count("## Part") == 30


def test_markdown_to_html_and_back_says_the_same():
    for text in ("plain", "**bold** and *it*", "$x < 1$ and `a<b`", "- a\n- b", "a \\* b", "one\n\ntwo"):
        assert to_html(to_markdown(to_html(text))) == to_html(text)


SHORT = ["word", "**bold**", "*it*", "<b>x y</b>", "<i>z</i>", "<em>q</em>.", "a:", "Q:", "A: b", "1.", "-", "?", "(", ")", "**", "*", "中文", "é", "\u00a0", "<b>-</b>", "**a b**,",
         "x<b>y</b>", "_u_", "3", "–", "'s", "<strong>Z</strong>!", "“q”", "(**c** d)", "http:", "//", "a@b.c", "\x85", "\u3000", "٣.", "#", "&amp;", "tags: x", "==", "\\", "```"]  # fmt: skip


def test_what_needs_no_parser_reads_as_the_parsers_read_it(monkeypatch):
    rng = random.Random(5)
    texts = [rng.choice(["", " ", " "]).join(rng.choice(SHORT) for _ in range(rng.randrange(1, 6))) for _ in range(20_000 if LONG else 3000)]
    quick = {text: (plain_words.quick_markdown(text), plain_words.quick_html(text), plain_words.words_of(text)) for text in texts}
    monkeypatch.setattr(html_text, "quick_markdown", lambda text: None)
    monkeypatch.setattr(html_text, "quick_html", lambda text: None)
    for text, (markdown, html, words) in quick.items():
        assert markdown in (None, to_markdown(text))
        assert html in (None, to_html(text))
        assert words in (None, plain(text))
        card = Card("my-x", Question(Form.PROSE, text, text), tags=("two::deep",))
        if words is not None:
            assert plain_words.written(card) == write_card(card)
    assert sum(markdown is not None for markdown, *_ in quick.values()) > len(quick) / 20


def test_ids_and_wording_survive_an_edit_in_anki(tmp_path):
    """A card that was changed there is read from what Anki shows, not from the Markdown that lies beside it."""
    card = Card("edited-1", Question(Form.PROSE, "Old?", "Old."))
    write_anki(Records(cards=[CardRecord(card, "my-t", write_card(card))]), tmp_path / "a.apkg", at=NOON)
    changed = replace(card, question=Question(Form.PROSE, "New?", "New."))
    write_anki(Records(cards=[CardRecord(changed, "my-t", write_card(card))]), tmp_path / "b.apkg", at=NOON)
    back = read_anki(tmp_path / "b.apkg").cards[0]
    assert (back.card.question.prompt, back.card.question.answer) == ("New?", "New.")
    assert read_anki(tmp_path / "a.apkg").cards[0].markdown == write_card(card)
    assert back.id == "edited-1"
