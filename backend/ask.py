"""Answers from the notes: each sentence is quoted from one, letter by letter, or there is no answer.

Three outcomes. *Answered*: a card whose question this is, or up to three sentences of the best passages, each with its
citation. *Related*: the notes come near and do not say it; shown is where they come near, and which word stands nowhere.
*Unknown*: not in the notes. Sources stand under an answer only. What a passage says is data: it is ranked and quoted,
never obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlmodel import Session, col, or_, select

from backend.ask_sides import compared, lacks_a_side
from backend.cards import gaps_shown
from backend.markup import plain
from backend.passages import ANSWER, QUESTION, SENTENCE
from backend.query import all_words, content_words, han_pairs, is_common, is_figure, name_key, singular
from backend.search import (
    NOT_READY,
    ROW,
    Found,
    Hit,
    Index,
    Row,
    as_row,
    best_passages,
    find,
    pending_notice,
    read_rows,
    weights,
)
from backend.search_elsewhere import subject_pairs
from backend.search_evidence import confidence, evidence, share_of
from backend.search_index import Embed, Home
from backend.tables import Asked, Card, Passage, Topic

ANSWERED, RELATED, UNKNOWN = "answered", "related", "unknown"
MOST_SENTENCES = 3
CARD_FROM = 0.56  # how near a card's question must be for its answer to be given
SAME_BREATH = 0.86  # a further sentence counts this share of the best one's score, or is left out
FOLLOW_UP = 2.5  # what the topic of the question before is worth to one that leans on it
RANKED = 20
LIKING = {"number": -0.17, "choice": -0.14, "order": -0.1, "match": -0.1, "gap": -0.05, "term": -0.05}  # by form of card
INTRODUCING = frozenset("beginner concept definition detail five idea intuition meaning old overview plain purpose short summary word year".split())

_SPECIAL = re.compile(r"^(?:why|when|where|how|who|which|can|could|is|are|does|do|should)\b", re.IGNORECASE)
_LEANS = re.compile(
    r"^(?:and|but|so|then|also|what about|how about|why not|why is that|why so|ok(?:ay)?|for example|那|那么|为什么不|这|它)\b"
    r"|^(?:那|那么|它|这个|为什么不)|\b(?:it|its|that|this|they|them|those|these|there|one)\b|它|这个|那个",
    re.IGNORECASE,
)
_CARD_ID = re.compile(r"\^?([a-z0-9]+(?:-[a-z0-9]+)+(?:\.\d+)?)")


@dataclass(frozen=True)
class Citation:
    """`topic.text[start:end]` is `quote`, letter by letter. Without a section it is of a card of one's own that stands in no note:
    then `card.source[start:end]` is."""

    topic: str
    card: str
    section: str
    start: int
    end: int
    quote: str
    title: str
    heading: str


@dataclass(frozen=True)
class Said:
    """One piece of an answer and where it stands."""

    text: str  # Markdown
    citation: Citation
    asked: str = ""  # the card's own question, as Markdown: an answer such as "56 GB" says little without it


@dataclass(frozen=True)
class Suggestion:
    """A neighbouring card: what other people ask."""

    card: str
    topic: str
    question: str  # plain text
    prompt: str  # the same as Markdown


@dataclass(frozen=True)
class Answer:
    question: str
    outcome: str
    confidence: float
    said: tuple[Said, ...] = ()
    sides: tuple[str, ...] = ()  # the topics of a comparison
    ranking: tuple[tuple[str, float], ...] = ()
    near: tuple[Hit, ...] = ()  # where the notes come near; empty when they do not
    missing: tuple[str, ...] = ()  # words that stand in no note
    corrected: Mapping[str, str] = field(default_factory=dict)
    suggestions: tuple[Suggestion, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def abstained(self) -> bool:
        return self.outcome != ANSWERED

    @property
    def text(self) -> str:
        """The answer as Markdown; under a refusal the sentence that says so."""
        return "\n\n".join(said.text for said in self.said) if self.said else refusal(self)

    @property
    def citations(self) -> tuple[Citation, ...]:
        return tuple(said.citation for said in self.said)


def refusal(answer: Answer) -> str:
    words = [f"“{word}”" for word in answer.missing[:4]]
    absent = (
        f"{' and '.join(filter(None, [', '.join(words[:-1]), words[-1]]))} {'stands' if len(words) == 1 else 'stand'} in none of them"
        if words
        else ""
    )
    if answer.outcome == RELATED:
        return f"The notes come near this but do not say it: {absent}." if absent else "The notes come near this but do not say it."
    if not answer.ranking:
        return "There is no question here to look up: type a few words."
    return f"This is not in the notes: {absent}." if absent else "This is not in the notes."


def answer_question(
    session: Session, index: Index, typed: str, *, embed: Embed | None, before: Sequence[str] = (), answer_from: float | None = None
) -> Answer:
    """Answer from the notes, or say that they do not. `before` are the topics of the question before this one."""
    card = card_named(session, typed, learner=index.learner)
    leaning = leans(typed) and bool(before)
    boost = {before[0]: FOLLOW_UP} if leaning else {}
    boost |= {card.topic: 100.0} if card else {}
    asked = f"{typed} ({index.titles.get(before[0], '')})" if leaning else typed
    found = find(session, index, asked, embed=embed, boost=boost)
    sure = 1.0 if card else confidence(evidence(session, index, found), by_words=not len(found.similar))
    threshold = weights().answer_from if answer_from is None else answer_from
    if not card and lacks_a_side(found):
        sure = min(sure, 0.95 * threshold)
    ranking = tuple((ranked.topic, ranked.score) for ranked in found.ranking[:RANKED])
    outcome = outcome_of(sure, threshold)
    said: tuple[Said, ...] = ()
    sides: tuple[str, ...] = ()
    if outcome == ANSWERED:
        sides = compared(index, found)
        said = (
            _from_card(session, index, card)
            if card
            else _compare(session, index, found, sides)
            if sides
            else _definition(session, index, found)
            or _quote(session, index, found, _leading(found))
        )
        if not said:  # no passage can be quoted letter by letter
            outcome = RELATED
    near = tuple(best_passages(session, index, found, count=4)) if outcome == RELATED else ()
    missing = missing_terms(found)
    suggestions = _suggestions(session, index, found, besides=said) if outcome == ANSWERED else ()
    return Answer(
        question=found.query.text, outcome=outcome, confidence=round(sure, 4), said=said, sides=sides, ranking=ranking, near=near,
        missing=missing if outcome != ANSWERED else (), corrected=found.query.corrected, suggestions=suggestions, notices=notices_of(index, found),
    )  # fmt: skip


def notices_of(index: Index, found: Found) -> tuple[str, ...]:
    """What the learner should know of the search itself, once each."""
    waiting = pending_notice(index)
    return tuple(notice for notice in ("" if waiting and found.notice == NOT_READY else found.notice, waiting, *index.problems) if notice)


def missing_terms(found: Found) -> tuple[str, ...]:
    """Words that stand in no note; those that are the half of a known name, such as "random forest", with the other half."""
    telling = [word for word in found.missing if not is_common(word) and not is_figure(word)] or [word for word in found.missing if not is_figure(word)]
    words = all_words(found.query.english)
    terms = []
    for word in telling or found.missing:
        at = words.index(word) if word in words else -1
        pairs = [" ".join(words[first : first + 2]) for first in (at - 1, at) if at >= 0 and 0 <= first < len(words) - 1]
        terms.append(next((pair for pair in pairs if pair in subject_pairs() or singular(pair) in subject_pairs()), word))
    return tuple(dict.fromkeys(terms))


def outcome_of(sure: float, answer_from: float) -> str:
    if sure >= answer_from:
        return ANSWERED
    return RELATED if sure >= min(weights().related_from, answer_from) else UNKNOWN


def leans(typed: str) -> bool:
    """Does it lean on the question before it? Short, with a word that points back."""
    return len(typed) <= 80 and bool(_LEANS.search(typed.strip())) and len(typed.split()) <= 9


def card_named(session: Session, typed: str, *, learner: int | None) -> Card | None:
    """The card whose id was pasted: a shipped one or the learner's own."""
    found = _CARD_ID.fullmatch(typed.strip()[:200])
    if not found:
        return None
    named = select(Card).where((col(Card.id) == found[1]) | (col(Card.block) == found[1])).where(col(Card.orphaned_at).is_(None))
    named = named.where(or_(col(Card.owner).is_(None), Card.owner == learner))
    return session.exec(named.order_by(Card.id)).first()


def _leading(found: Found) -> list[str]:
    """The first topic, and others that are nearly as good."""
    top = found.ranking[0].score
    return [ranked.topic for ranked in found.ranking[:3] if ranked.score >= top - 1.2]


# -- quoting ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Candidate:
    passage: Row
    score: float


def _quote(session: Session, index: Index, found: Found, topics: Sequence[str]) -> tuple[Said, ...]:
    """The answer of the card that asks this, or the sentences that say it."""
    cards = _candidates(session, index, found, topics, (QUESTION, ANSWER))
    sentences = _candidates(session, index, found, topics, (SENTENCE,))
    best_card = cards[0] if cards else None
    best_sentence = sentences[0] if sentences else None
    if best_card and best_card.score >= CARD_FROM and (best_sentence is None or best_card.score >= best_sentence.score - 0.1):
        said = _said(session, index, best_card.passage)
        if said:
            return (said,)
    if not best_sentence:
        return tuple(said for said in [_said(session, index, best_card.passage)] if said) if best_card else ()
    first = best_sentence.passage
    more = [one for one in sentences[1:12] if one.passage.topic == first.topic and one.score >= SAME_BREATH * best_sentence.score]
    chosen = [best_sentence, *more[: MOST_SENTENCES - 1]]
    chosen.sort(key=lambda candidate: (candidate.passage.section != first.section, candidate.passage.start))
    return tuple(said for said in (_said(session, index, candidate.passage) for candidate in chosen) if said)


def _compare(session: Session, index: Index, found: Found, sides: Sequence[str]) -> tuple[Said, ...]:
    """Something from each note, side by side: what it says of the other side, or else how it begins."""
    return tuple(said for side, other in zip(sides, reversed(sides)) for said in _on_side(session, index, found, side, other))


def _on_side(session: Session, index: Index, found: Found, side: str, other: str) -> Sequence[Said]:
    quoted = _quote(session, index, found, [side])[:2]
    names = [name for name, slugs in found.query.names.items() if other in slugs]
    mentions = any(name in name_key(f"{said.asked} {said.text}") for said in quoted for name in names)
    return quoted if mentions else _beginning(session, index, side) or quoted


def _definition(session: Session, index: Index, found: Found) -> tuple[Said, ...]:
    """For "what is X?", or X alone, where a note is about X: the card that asks just this, or how the note begins."""
    topic = found.ranking[0].topic
    own = [name for name, slugs in found.query.names.items() if topic in slugs]
    asked = {word for name in own for word in content_words(index.lexicon.chinese.get(name, name))}
    if not own or found.query.unread or any(singular(word) not in {*asked, *map(singular, asked), *INTRODUCING} for word in found.query.words):
        return ()
    cards = [one.passage for one in _candidates(session, index, found, [topic], (QUESTION,)) if _asks_only(one.passage.words, asked)]
    said = _said(session, index, cards[0]) if cards else None
    if said:
        return (said,)
    beginning = _beginning(session, index, topic)
    is_title = any(name in (topic.replace("-", " "), name_key(index.titles[topic])) for name in own)
    return beginning if is_title or any(name in name_key(said.text) for said in beginning for name in own) else ()


def _asks_only(question: str, asked: Collection[str]) -> bool:
    words = set(content_words(question))
    return bool(words) and words <= {*asked, *INTRODUCING} and not _SPECIAL.search(question) and (not han_pairs(question) or "什么是" in question)


def _beginning(session: Session, index: Index, topic: str) -> tuple[Said, ...]:
    """The first sentences of a note."""
    rows = session.exec(select(*ROW).where(Passage.topic == topic, Passage.kind == SENTENCE).order_by(Passage.start).limit(2))  # type: ignore[call-overload]
    opening = [passage for passage in map(as_row, rows) if " > " not in passage.heading]
    return tuple(said for said in (_said(session, index, passage) for passage in opening) if said)


def _candidates(session: Session, index: Index, found: Found, topics: Sequence[str], kinds: Sequence[str]) -> list[_Candidate]:
    """The passages of these kinds and topics, best first: cosine and the share of the question's words that they hold."""
    number = index.number
    wanted = [number[slug] for slug in topics if slug in number]
    cosine: dict[int, float] = {}
    if len(found.similar):
        for kind in kinds:
            rows = index.kinds[kind]
            inside = np.flatnonzero(np.isin(index.topic_of[rows], wanted)) + rows.start
            for row in inside[np.argsort(-found.similar[inside])][:24]:
                cosine[int(index.ids[row])] = float(found.similar[row])
        passages = read_rows(session, list(cosine)) + _without_vector(session, index, found, topics, kinds)
    else:
        own = [col(Passage.topic).startswith(Home(slug, index.learner).name, autoescape=True) for slug in topics if index.learner is not None]
        wanted_rows = select(*ROW).where(or_(col(Passage.topic).in_(topics), *own), col(Passage.kind).in_(kinds))  # type: ignore[call-overload]
        passages = [as_row(row) for row in session.exec(wanted_rows)]
    total = sum(found.weight.values()) or 1.0
    order = {slug: place for place, slug in enumerate(topics)}
    blocks = {passage.card for passage in passages if passage.card}
    forms = dict(session.exec(select(Card.block, Card.form).where(col(Card.block).in_(blocks))).all()) if blocks else {}
    found_rows = []
    for passage in passages:
        near = 0.65 * cosine.get(passage.id, 0.3) + 0.35 * share_of(passage.words, found.weight, total)
        found_rows.append(_Candidate(passage, near + _liking(passage, forms.get(passage.card, "")) - 0.03 * order[passage.topic]))
    best: dict[tuple[int, int, str], _Candidate] = {}
    for candidate in found_rows:
        key = (candidate.passage.start, candidate.passage.end, candidate.passage.topic)
        if key not in best or candidate.score > best[key].score:
            best[key] = candidate
    return sorted(best.values(), key=lambda candidate: -candidate.score)


def _without_vector(session: Session, index: Index, found: Found, topics: Sequence[str], kinds: Sequence[str]) -> list[Row]:
    """Passages whose vector is still to come, found by their words; with a card's answer comes its question."""
    pending = np.setdiff1d(list(found.lexical), index.ids).tolist() if index.waiting else []
    rows = read_rows(session, pending) if pending else []
    blocks = {row.card for row in rows if row.card}
    asked = select(*ROW).where(col(Passage.card).in_(blocks), Passage.kind == QUESTION)  # type: ignore[call-overload]
    rows += [as_row(row) for row in session.exec(asked)] if blocks else []
    return [row for row in rows if row.topic in topics and row.kind in kinds]


def _liking(passage: Row, form: str) -> float:
    """A bare formula or a half sentence answers less well than a whole one; a card made of numbers or options answers only itself."""
    if passage.kind == SENTENCE:
        return -0.08 if passage.words[:1].islower() or len(passage.words.split()) < 6 or len(passage.words) > 900 else 0.0
    return LIKING.get(form, 0.0) + (0.03 if passage.kind == QUESTION else 0.0)


def _from_card(session: Session, index: Index, card: Card) -> tuple[Said, ...]:
    row = session.exec(select(*ROW).where(Passage.card == card.block, Passage.kind == ANSWER)).first()  # type: ignore[call-overload]
    said = _said(session, index, as_row(row)) if row else None
    return (said,) if said else ()


def _said(session: Session, index: Index, passage: Row) -> Said | None:
    topic = session.get(Topic, passage.topic)  # the session knows it after the first time
    card = _card_of(session, passage.card)
    written = (card.source if card else "") if passage.loose else topic.text if topic else ""
    quote = written[passage.start : passage.end]
    if topic is None or len(quote) != passage.end - passage.start or not quote.strip():
        return None
    citation = Citation(passage.topic, passage.card, passage.section, passage.start, passage.end, quote, topic.title, passage.heading)
    asked = str(card.question.get("prompt", "")) if card is not None and card.form != "gap" else ""
    return Said(shown(quote, is_card=bool(passage.card)), citation, asked)


def _card_of(session: Session, block: str) -> Card | None:
    return session.exec(select(Card).where(Card.block == block)).first() if block else None


def shown(quote: str, *, is_card: bool) -> str:
    """A quote as it is read: a card's number loses its sign of grammar, gaps are filled in bold."""
    text = re.sub(r"\A=\s*", "", quote) if is_card else quote
    text = re.sub(r'\A"([^"\n]+)"(?:\s*\|\s*"[^"\n]+")*', r"**\1**", text) if is_card else text
    return gaps_shown(text) if is_card and "==" in text else text


# -- beside the answer -------------------------------------------------------------------------------------------------------


def _suggestions(session: Session, index: Index, found: Found, *, besides: Sequence[Said], count: int = 5) -> tuple[Suggestion, ...]:
    """The cards whose questions are nearest, the answer's own left out; what can be asked without the card's own numbers comes first."""
    own = {said.citation.card for said in besides}
    topics = [ranked.topic for ranked in found.ranking[:3]]
    near = [candidate.passage.card for candidate in _candidates(session, index, found, topics, (QUESTION,)) if candidate.passage.card not in own]
    blocks = list(dict.fromkeys(near))[: 3 * count]
    cards = {card.block: card for card in session.exec(select(Card).where(col(Card.block).in_(blocks)))}
    ordered = sorted((block for block in blocks if block in cards), key=lambda block: cards[block].form != "prose")[:count]
    prompts = {block: str(cards[block].question.get("prompt", "")).partition("\n\n")[0] for block in ordered}
    return tuple(Suggestion(block, cards[block].topic, plain(prompts[block]), prompts[block]) for block in ordered)


# -- what is kept -------------------------------------------------------------------------------------------------------------


def keep(session: Session, answer: Answer, *, learner: int, at: int) -> int:
    row = Asked(
        learner=learner, at=at, question=answer.question, outcome=answer.outcome, confidence=answer.confidence, answer=answer.text,
        citations=[as_line(citation) for citation in answer.citations], topics=[topic for topic, _ in answer.ranking[:5]],
    )  # fmt: skip
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def judge(session: Session, *, learner: int, asked: int, thumb: int, reason: str = "") -> bool:
    """Keep a thumb up (1) or down (-1) with its reason; says whether there was such a question."""
    row = session.get(Asked, asked)
    if row is None or row.learner != learner:
        return False
    row.thumb, row.reason = (thumb > 0) - (thumb < 0), reason.strip()[:2000]
    return True


def history(session: Session, *, learner: int, count: int = 20) -> list[Asked]:
    return list(session.exec(select(Asked).where(Asked.learner == learner).order_by(col(Asked.id).desc()).limit(count)))


def feedback(session: Session, *, learner: int) -> list[dict[str, object]]:
    """Every judged question as a line for an evaluation."""
    rows = session.exec(select(Asked).where(Asked.learner == learner, col(Asked.thumb).is_not(None)).order_by(col(Asked.id)))
    return [
        {"id": row.id, "at": row.at, "question": row.question, "outcome": row.outcome, "thumb": row.thumb, "reason": row.reason,
         "topics": row.topics, "citations": row.citations, "answer": row.answer}
        for row in rows
    ]  # fmt: skip


def as_line(citation: Citation) -> dict[str, object]:
    return {"topic": citation.topic, "card": citation.card, "section": citation.section, "start": citation.start, "end": citation.end}


def as_dict(answer: Answer) -> dict[str, object]:
    """What `ask --json` prints."""
    return {
        "outcome": answer.outcome,
        "abstained": answer.abstained,
        "confidence": answer.confidence,
        "answer": answer.text,
        "citations": [as_line(citation) | {"quote": citation.quote} for citation in answer.citations],
        "ranking": [{"topic": topic, "score": score} for topic, score in answer.ranking],
        "missing": list(answer.missing),
        "corrected": dict(answer.corrected),
        "notices": list(answer.notices),
    }
