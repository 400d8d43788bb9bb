"""What a learner predicted of the labs' experiments before they ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

from backend.cards import Card as WrittenCard
from backend.cards import write_card
from backend.questions import Question
from backend.review import follow_content
from backend.sync import card_row
from backend.tables import Card, Prediction


@dataclass(frozen=True, slots=True)
class Predicted:
    lab: str
    experiment: str
    chosen: str
    right: bool
    at: int


def record_prediction(
    session: Session, *, learner: int, lab: str, experiment: str, chosen: str, right: bool, settings: Mapping[str, object], at: int, day: int
) -> Prediction:
    """Append a prediction. Each try is kept: what was thought first is as telling as what was thought last."""
    row = Prediction(learner=learner, lab=lab, experiment=experiment, chosen=chosen, right=right, settings=dict(settings), at=at, day=day)
    session.add(row)
    session.flush()
    return row


def list_predictions(session: Session, *, learner: int, lab: str = "") -> list[Predicted]:
    """All predictions of a learner, of one lab or of all, oldest first."""
    query = select(Prediction).where(Prediction.learner == learner).order_by(col(Prediction.id))
    if lab:
        query = query.where(Prediction.lab == lab)
    return [Predicted(row.lab, row.experiment, row.chosen, row.right, row.at) for row in session.exec(query)]


def first_predictions(session: Session, *, learner: int, lab: str) -> dict[str, Predicted]:
    """The first prediction of each experiment: the honest one, made before its picture was seen."""
    found: dict[str, Predicted] = {}
    for predicted in list_predictions(session, learner=learner, lab=lab):
        found.setdefault(predicted.experiment, predicted)
    return found


def experiments_tried(session: Session, *, learner: int) -> dict[str, int]:
    """How many different experiments of each lab the learner has predicted."""
    tried: dict[str, set[str]] = {}
    for predicted in list_predictions(session, learner=learner):
        tried.setdefault(predicted.lab, set()).add(predicted.experiment)
    return {lab: len(names) for lab, names in tried.items()}


def is_kept(session: Session, *, card: str) -> bool:
    return session.get(Card, card) is not None


def keep_as_card(session: Session, *, learner: int, card: str, topic: str, question: Question, at: int) -> None:
    """An experiment's question as the learner's own card in the lab's topic. Keeping it twice changes nothing."""
    if is_kept(session, card=card):
        return
    written = WrittenCard(card, question)
    session.add(card_row(written, block=card, source=write_card(written), topic=topic, owner=learner))
    session.flush()
    follow_content(session, learner=learner, at=at)
