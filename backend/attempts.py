"""Quizzes that are being sat or were: begun, answered, judged, finished, and opened again.

Every answer is written once, in one transaction, and stands: a second one for the same question (another tab, a repeated
message, a server that came back) changes nothing. What was asked is kept whole with its answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlmodel import Session, col, select

from backend.memory import Grade
from backend.questions import Form, Mark, Question, Response, from_dict, mark, to_dict
from backend.quiz import Posed, Setup
from backend.review import UnknownCard, record_grade, showing_of, today_of
from backend.settings import read_settings
from backend.statements import Statement
from backend.tables import Answer, Attempt

LONGEST_ANSWER = 20_000  # characters of prose that are kept
LATE = 3_000  # ms that an answer may be on its way when the time is up
JUDGED = {0.0: "I did not know it", 0.5: "Partly", 1.0: "I had it"}
NO_CARD = ("erratum", "glossary")  # kinds of questions that no card stands behind: no memory to move
LEARNER_JUDGES = (Form.PROSE.value, Form.GAP.value)


@dataclass(frozen=True)
class Sheet:
    """One question of an attempt, with what was answered."""

    number: int
    card: str
    kind: str
    topic: str
    section: str
    form: str
    seed: int
    question: Question | None  # None until a lab has computed it
    given: Any
    score: float | None
    confidence: int | None
    duration: int | None
    answered: bool

    @property
    def waits_for_judgement(self) -> bool:
        return self.answered and self.score is None


@dataclass(frozen=True)
class Sitting:
    """An attempt with all its questions."""

    id: int
    setup: Setup
    started_at: int
    ends_at: int | None
    finished_at: int | None
    sheets: tuple[Sheet, ...]

    @property
    def mode(self) -> str:
        return self.setup.mode


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an answer."""

    status: Literal["taken", "stood", "late", "unknown"]  # stood: an earlier answer stands
    mark: Mark | None = None


# -- beginning -------------------------------------------------------------------------------------------------------------


def begin_attempt(session: Session, *, learner: int, setup: Setup, posed: Sequence[Posed], at: int) -> int:
    """Keep a quiz as it will be asked; gives the attempt's number."""
    day = today_of(read_settings(session, learner=learner), at)
    ends_at = at + setup.minutes * 60_000 if setup.mode == "exam" and setup.minutes else None
    attempt = Attempt(learner=learner, seed=setup.seed, mode=setup.mode, setup=asdict(setup), started_at=at, day=day, ends_at=ends_at)
    session.add(attempt)
    session.flush()
    assert attempt.id is not None
    add_questions(session, attempt=attempt.id, posed=posed, first=0)
    return attempt.id


def add_questions(session: Session, *, attempt: int, posed: Sequence[Posed], first: int) -> None:
    _ADD.run(session, [_row(attempt, number, each) for number, each in enumerate(posed, first)])


def _row(attempt: int, number: int, posed: Posed) -> dict[str, Any]:
    stored = json.dumps(to_dict(posed.question)) if posed.question else "{}"
    return {
        "attempt": attempt, "number": number, "card": posed.card, "kind": posed.kind, "topic": posed.topic, "section": posed.section,
        "form": posed.form, "seed": posed.seed, "question": stored,
    }  # fmt: skip


def keep_computed(session: Session, *, attempt: int, number: int, question: Question) -> None:
    """What a lab made of a question's seed. The first to say so stands; the seed would make the same again."""
    stored = {"attempt": attempt, "number": number, "form": question.form.value, "question": json.dumps(to_dict(question))}
    _COMPUTED.run(session, stored)


# -- reading ---------------------------------------------------------------------------------------------------------------


def read_sitting(session: Session, *, learner: int, attempt: int) -> Sitting | None:
    """The attempt, or None when this learner has none of that number."""
    if not 0 < attempt < 2**63:
        return None
    row = session.get(Attempt, attempt)
    if row is None or row.learner != learner:
        return None
    sheets = tuple(_sheet(answer) for answer in _SHEETS.rows(session, {"attempt": attempt}))
    return Sitting(attempt, _setup(row.setup), row.started_at, row.ends_at, row.finished_at, sheets)


def _setup(stored: Mapping[str, Any]) -> Setup:
    known = {name: value for name, value in stored.items() if name in Setup.__dataclass_fields__}
    return Setup(**(known | {"forms": tuple(known.get("forms", ()))}))


def _sheet(row: tuple) -> Sheet:
    number, card, kind, topic, section, form, seed, question, response, score, confidence, duration, at = row
    read, given = _decoded(question), _decoded(response)
    return Sheet(
        number, card, kind, topic, section, form, seed, from_dict(read) if read else None, given.get("given"), score, confidence, duration, at is not None
    )


def _decoded(stored: Any) -> dict[str, Any]:
    return json.loads(stored) if isinstance(stored, str) else dict(stored or {})


def unfinished(session: Session, *, learner: int) -> list[Attempt]:
    """Quizzes that were begun and not ended, newest first."""
    query = select(Attempt).where(Attempt.learner == learner, col(Attempt.finished_at).is_(None)).order_by(col(Attempt.id).desc())
    return list(session.exec(query.limit(10)))


# -- answering -------------------------------------------------------------------------------------------------------------


def take_answer(
    session: Session, *, learner: int, attempt: int, number: int, response: Response, at: int, given_at: int | None = None,
    confidence: int | None = None, duration: int | None = None,
) -> Taken:  # fmt: skip
    """Grade and keep an answer, once. `given_at` is when the learner gave it: an answer held up by a dead server is not late."""
    row = session.get(Attempt, attempt)
    answer = session.get(Answer, (attempt, number))
    if row is None or row.learner != learner or answer is None or not answer.question:
        return Taken("unknown")
    if answer.at is not None:
        return Taken("stood")
    moment = min(at, max(given_at or at, row.started_at))
    if row.finished_at is not None or (row.ends_at is not None and moment > row.ends_at + LATE):
        return Taken("late")
    question = from_dict(answer.question)
    marked = _marked(question, response)
    kept = response[:LONGEST_ANSWER] if isinstance(response, str) else response
    answer.response = {"given": kept}
    answer.score = None if marked.right is None else marked.score
    answer.confidence, answer.duration, answer.at = confidence, duration, moment
    session.flush()
    if row.mode == "practice":
        _count_as_review(session, answer, learner=learner, at=at)
    return Taken("taken", marked)


def _marked(question: Question, response: Response) -> Mark:
    """An answer that does not fit its question at all is a wrong answer, with the sentence that says so."""
    try:
        return mark(question, response)
    except ValueError as problem:
        return Mark(0.0, False, str(problem)[:300])


def judge_answer(session: Session, *, learner: int, attempt: int, number: int, score: float, at: int) -> bool:
    """What the learner says of their own prose, once. False when there was nothing to judge."""
    row, answer = session.get(Attempt, attempt), session.get(Answer, (attempt, number))
    if row is None or row.learner != learner or answer is None or answer.at is None or answer.score is not None or score not in JUDGED:
        return False
    answer.score = score
    session.flush()
    if row.mode == "practice" or row.finished_at is not None:
        _count_as_review(session, answer, learner=learner, at=at)
    return True


def finish_attempt(session: Session, *, learner: int, attempt: int, at: int) -> bool:
    """End a quiz, once. Of an exam, what was answered counts as reviews only now, where the learner wants it to."""
    row = session.get(Attempt, attempt)
    if row is None or row.learner != learner or row.finished_at is not None:
        return False
    row.finished_at = min(at, row.ends_at + LATE) if row.ends_at else at
    session.flush()
    for answer in session.exec(select(Answer).where(Answer.attempt == attempt, col(Answer.at).is_not(None))):
        _count_as_review(session, answer, learner=learner, at=at)
    return True


# -- the memory ------------------------------------------------------------------------------------------------------------


def grade_for(*, kind: str, form: str, score: float) -> Grade | None:
    """What an answer says about a memory, or None when it says nothing.

    A miss is a miss in every form. Picking the right one of four composed options is recognising, which is easier than the
    recall the card asks for, so it moves nothing; half a prose answer is a recall with much effort.
    """
    if kind in NO_CARD:
        return None
    if form in LEARNER_JUDGES and 0 < score < 1:
        return Grade.HARD
    if score < 1:
        return Grade.AGAIN
    return None if kind == "composed" else Grade.GOOD


def _count_as_review(session: Session, answer: Answer, *, learner: int, at: int) -> None:
    if answer.reviewed or answer.score is None or not read_settings(session, learner=learner).quiz_reviews:
        return
    grade = grade_for(kind=answer.kind, form=answer.form, score=answer.score)
    if grade is not None:
        _record(session, answer, grade, learner=learner, at=at)


def _record(session: Session, answer: Answer, grade: Grade, *, learner: int, at: int) -> bool:
    try:
        showing = showing_of(session, learner=learner, card=answer.card, at=at)
    except UnknownCard:
        return False
    record_grade(
        session, learner=learner, card=answer.card, showing=showing.number, grade=grade, at=at, duration=answer.duration,
        confidence=answer.confidence, seed=answer.seed, round=f"quiz-{answer.attempt}",
    )  # fmt: skip
    answer.reviewed = True
    session.flush()
    return True


def put_missed_into_review(session: Session, *, learner: int, attempt: int, at: int) -> int:
    """Every card missed in this attempt comes back today; those that already counted as reviews are left alone. Says how many."""
    row = session.get(Attempt, attempt)
    if row is None or row.learner != learner:
        return 0
    query = select(Answer).where(Answer.attempt == attempt, col(Answer.score) < 1, col(Answer.reviewed).is_(False), col(Answer.kind).not_in(NO_CARD))
    return sum(_record(session, answer, Grade.AGAIN, learner=learner, at=at) for answer in session.exec(query))


_ADD = Statement("""
    INSERT INTO answer (attempt, number, card, kind, topic, section, form, seed, question, response, reviewed)
    VALUES (:attempt, :number, :card, :kind, :topic, :section, :form, :seed, :question, '{}', false)
""")
_COMPUTED = Statement(
    "UPDATE answer SET question = :question, form = :form WHERE attempt = :attempt AND number = :number AND at IS NULL AND kind = 'computed'"
)
_SHEETS = Statement("""
    SELECT number, card, kind, topic, section, form, seed, question, response, score, confidence, duration, at
    FROM answer WHERE attempt = :attempt ORDER BY number
""")
