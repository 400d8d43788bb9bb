"""What a learner predicted of the labs' experiments before they ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

from backend.tables import Prediction


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
