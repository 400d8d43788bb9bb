"""Read: the notes, with their cards inside.

Who sits here: someone with one question in mind, or someone working through a track. In the first ten seconds they want
the note they have a name for, or the place where they stopped. The best products (Obsidian Publish, Quantum Country) give a
quiet column, links that open at once, and questions inside the text.

Everything here is an address: /read, /read?topic=slug (&section=anchor, &mark=start-end for a cited span), /read?view=map, glossary, errata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import streamlit as st
from sqlmodel import col, select

from backend import review, store
from backend.cards import Card, read_cards, showings
from backend.deck import read_deck
from backend.markup import linked
from backend.memory import Grade
from backend.notes import Callout, CardPart, Erratum, Note, Part, Prose, read_note
from backend.settings import read_settings
from backend.tables import Card as StoredCard
from backend.tables import LearnerCard, Topic
from backend.topics import Standing, TopicLine, backlinks, by_track, errata, glossary, leads_to, list_topics, nearest, neighbours, standings
from screens.parts import desk
from screens.parts.attached import draw_back_pictures, draw_front_pictures, draw_text
from screens.parts.card_face import back, front
from screens.parts.cited import Cited, find_cited
from screens.parts.harmless_text import as_words, without_remote_pictures

MARKS = {"not started": "○", "learning": "◐", "known": "●"}
BESIDE = 40  # cards shown below a note in which they do not stand
VIEWS = {"topics": "Topics", "map": "Map", "glossary": "Glossary", "errata": "Errata"}


def address(slug: str, section: str = "") -> str:
    return f"/read?topic={quote(slug)}" + (f"&section={quote(section)}" if section else "")


def lab_address(lab: str) -> str:
    return f"/labs?lab={quote(lab)}"


@st.cache_data(max_entries=256, show_spinner=False)
def parsed(slug: str, track: str, text: str) -> Note | None:
    return read_note(text, slug=slug, track=track, path=f"{track}/{slug}.md")[0]


# --- one topic --------------------------------------------------------------------------------------------------------


def topic_page(slug: str, topics: Sequence[TopicLine], known: Mapping[str, Standing]) -> None:
    with store.reading(desk.engine()) as session:
        row = session.get(Topic, slug)
        note = parsed(row.slug, row.track, row.text) if row else None
    if note is None:
        return no_such_topic(slug, topics)
    titles = {topic.slug: topic.title for topic in topics}
    main, rail = st.columns([0.72, 0.28], gap="large")
    with main, st.container(key="column"):
        track = [topic for topic in topics if topic.track == note.track]
        place = [topic.slug for topic in track].index(slug) + 1
        st.markdown(f"[{desk.track_title(note.track)}](/read) · {place} of {len(track)}")
        if not begins_with_its_title(note, titles[slug]):
            st.title(as_words(titles[slug]), anchor=False)
        body(note, titles)
        labs_here(note)
        foot(slug, topics, note)
    with rail, st.container(key="rail"):
        rail_links(note, topics, known)


def begins_with_its_title(note: Note, title: str) -> bool:
    """Notes from elsewhere often have their title as their first heading."""
    first = note.parts[0] if note.parts else None
    return isinstance(first, Prose) and first.markdown.lstrip().startswith(f"# {title}\n")


@st.fragment
def body(note: Note, titles: Mapping[str, str]) -> None:
    """The note with its cards; grading one draws only this part again."""
    beside, left = cards_beside(note)
    cards = inline_cards([*note.cards, *beside])
    draw_parts(note, titles, cards, find_cited(note, st.query_params.get("mark", "")))
    if beside:
        st.subheader("Your own cards here", anchor=False)
        for card in beside:
            draw_card(card, titles, cards[card.id])
        if left:
            st.markdown(f"{left} more are in the [Library](/library): search for `topic:{note.slug}`.")
    missed = [card for card in (*note.cards, *beside) if card.id in st.session_state.get("missed-inline", ())]
    if missed:
        st.subheader("Once more", anchor=False)
        st.markdown("What you missed on this page, before you leave it:")
        for card in missed:
            draw_card(card, titles, cards[card.id], again=True)


def cards_beside(note: Note) -> tuple[list[Card], int]:
    """The learner's own cards of this topic that stand in no note: from a deck, or moved here. And how many are not shown."""
    learner, standing = desk.learner(), {card.id for card in note.cards}
    with store.reading(desk.engine()) as session:
        own = (StoredCard.topic == note.slug, StoredCard.owner == learner, col(StoredCard.orphaned_at).is_(None))
        rows = session.exec(select(StoredCard.block, StoredCard.id).where(*own).order_by(col(StoredCard.position), StoredCard.id)).all()
        first = {block: card for block, card in reversed(rows) if block not in standing}
        shown = list(reversed(first.values()))[:BESIDE]
        deck = read_deck(session, learner=learner, cards=shown) if shown else {}
    read = [card for name in shown if name in deck for card in read_cards(deck[name].source)[0][:1]]
    return read, max(len(first) - BESIDE, 0)


def draw_parts(note: Note, titles: Mapping[str, str], cards: Mapping[str, Inline], cited: Cited | None = None) -> None:
    """The note from top to bottom; parts of one section share a container that an address can point at."""
    sections: dict[str, list[tuple[int, Part]]] = {}
    for place, part in enumerate(note.parts):
        sections.setdefault(section_of(part), []).append((place, part))
    for anchor, parts in sections.items():
        with st.container(key=f"section-{anchor or 'top'}"):
            for number, (place, part) in enumerate(parts):
                if cited is not None and cited.part == place:
                    draw_cited(part, cited, titles, cards)
                elif isinstance(part, CardPart):
                    draw_card(part.card, titles, cards[part.card.id])
                else:
                    draw_part(part, titles, key=f"{anchor}-{number}")


def draw_cited(part: Part, cited: Cited, titles: Mapping[str, str], cards: Mapping[str, Inline]) -> None:
    """The part that a citation points into: the marked blocks stand in a container of their own, a card is open."""
    if cited.before.strip():
        draw_text(cited.before, lambda text: linked(text, titles.get))
    with st.container(key="cited"):
        if isinstance(part, CardPart):
            draw_card(part.card, titles, cards[part.card.id], opened=True)
        else:
            draw_text(cited.marked, lambda text: linked(text, titles.get))
    if cited.after.strip():
        draw_text(cited.after, lambda text: linked(text, titles.get))


def section_of(part: Part) -> str:
    return part.card.section if isinstance(part, CardPart) else part.section


def draw_part(part: Part, titles: Mapping[str, str], *, key: str) -> None:
    match part:
        case Prose():
            draw_text(part.markdown, lambda text: linked(text, titles.get))
        case Erratum():
            with st.container(key=f"erratum-{key}"):
                st.markdown(without_remote_pictures(linked(erratum_text(part.said, part.right, part.source), titles.get)))
        case Callout():
            with st.container(key=f"callout-{key}"):
                draw_text(f"**{part.title or part.kind.capitalize()}**\n\n{part.markdown}", lambda text: linked(text, titles.get))


def erratum_text(said: str, right: str, source: str) -> str:
    return f"**Often said:** {said}\n\n**Right:** {right}\n\n*{source}*"


@dataclass(frozen=True)
class Inline:
    """Where the cards of one block stand: a sentence with two gaps is two cards that are answered together here."""

    showings: tuple[tuple[str, int], ...]  # card and the number of its showing, for those that may be graded now
    word: str  # what is said instead of buttons when there is nothing to grade


def inline_cards(cards: Sequence[Card]) -> dict[str, Inline]:
    """Cards that are new or due may be graded where they stand; the others say when they come back."""
    at, learner, found = store.now(), desk.learner(), {}
    with store.reading(desk.engine()) as session:
        today = review.today_of(read_settings(session, learner=learner), at)
        ids = [shown.id for card in cards for shown in showings(card)]
        states = {row.card: row for row in session.exec(select(LearnerCard).where(LearnerCard.learner == learner, col(LearnerCard.card).in_(ids)))}
    for card in cards:
        rows = [states[shown.id] for shown in showings(card) if shown.id in states]
        open_now = [row for row in rows if not row.suspended and (row.state == 0 or row.due_day <= today)]
        days = min((row.due_day - today for row in rows if row.state), default=0)
        found[card.id] = Inline(tuple((row.card, row.events) for row in open_now), "" if open_now or not rows else f"Comes back in {days} d")
    return found


def grade_inline(block: str, shown: tuple[tuple[str, int], ...], grade: Grade) -> None:
    """A first exposure in the text: it enters the schedule like any grade, one transaction for each card."""
    for card, number in shown:
        with store.writing(desk.engine()) as session:
            review.record_grade(session, learner=desk.learner(), card=card, showing=number, grade=grade, at=store.now(), round="read")
    missed = st.session_state.setdefault("missed-inline", set())
    (missed.add if grade == Grade.AGAIN else missed.discard)(block)


def draw_card(card: Card, titles: Mapping[str, str], inline: Inline, *, again: bool = False, opened: bool = False) -> None:
    """The question, and the answer on demand: it opens in the browser, without a round trip."""
    place = "again-" if again else ""
    with st.container(key=f"card-{place}{card.id}"):
        st.markdown(linked(front(card.question), titles.get))
        draw_front_pictures(card.question)
        with st.expander("Answer", expanded=opened):
            st.markdown(linked(back(card.question), titles.get))
            draw_back_pictures(card.question)
            if inline.showings:
                with st.container(horizontal=True):
                    for label, grade in (("Forgot", Grade.AGAIN), ("Knew it", Grade.GOOD)):
                        key = f"{label[0]}-{place}{card.id}-{inline.showings[0][1]}"
                        st.button(label, key=key, on_click=grade_inline, args=(card.id, inline.showings, grade))
            elif inline.word:
                st.caption(inline.word)


def labs_here(note: Note) -> None:
    """The note's labs, run where they are explained; nothing of them is loaded before one is opened."""
    for lab in note.labs:
        if not desk.lab_is_built(lab):
            continue
        opened = st.expander(f"Run it here: {desk.lab_title(lab)}", icon=":material/science:", key=f"lab-here-{lab}", on_change="rerun")
        if opened.open:
            with opened:
                from screens.parts.lab_view import draw_lab

                draw_lab(lab, compact=True)


def rail_links(note: Note, topics: Sequence[TopicLine], known: Mapping[str, Standing]) -> None:
    standing = known.get(note.slug, Standing())
    st.markdown(f"**{MARKS[standing.word]} {standing.word.capitalize()}** · {standing.learned} of {standing.cards} cards learned")
    by_slug = {topic.slug: topic for topic in topics}
    groups = {
        "Needs first": [by_slug[need] for need in note.needs if need in by_slug],
        "Leads to": leads_to(topics, note.slug),
        "Linked from": backlinks(topics, note.slug),
    }
    if len(note.sections) > 2:
        contents = [f"- [{without_remote_pictures(section.path[-1])}]({address(note.slug, section.anchor)})" for section in note.sections if section.path]
        st.markdown("**In this note**\n\n" + "\n".join(contents))
    if labs := [lab for lab in note.labs if desk.lab_is_built(lab)]:
        st.markdown("**See it run**\n\n" + "\n".join(f"- [{desk.lab_title(lab)}]({lab_address(lab)})" for lab in labs))
    for title, group in groups.items():
        if group:
            st.markdown(f"**{title}**\n\n" + "\n".join(topic_line(topic, known) for topic in group[:8]))


def topic_line(topic: TopicLine, known: Mapping[str, Standing]) -> str:
    standing = known.get(topic.slug, Standing())
    count = f" :gray[{standing.learned}/{standing.cards}]" if standing.started else ""
    return f"- {MARKS[standing.word]} [{as_words(topic.title)}]({address(topic.slug)}){count}"


def foot(slug: str, topics: Sequence[TopicLine], note: Note) -> None:
    if note.sources:
        st.subheader("Sources", anchor=False)
        st.markdown("\n".join(f"- {without_remote_pictures(source)}" for source in note.sources))
    before, after = neighbours(topics, slug)
    left, right = st.columns(2)
    if before:
        left.markdown(f"← [{as_words(before.title)}]({address(before.slug)})")
    if after:
        right.markdown(f"[{as_words(after.title)}]({address(after.slug)}) →")


def no_such_topic(slug: str, topics: Sequence[TopicLine]) -> None:
    st.title("There is no such topic", anchor=False)
    with st.container(key="column"):
        shown = slug[:60].replace("`", "'").replace("\n", " ")
        st.markdown(f"Nothing here is called `{shown}`. Perhaps you meant:" if topics else "There are no notes yet.")
        st.markdown("\n".join(f"- [{as_words(topic.title)}]({address(topic.slug)})" for topic in nearest(topics, slug)))
        st.markdown("[All topics](/read)")


# --- all topics -------------------------------------------------------------------------------------------------------


def index_page(view: str, topics: Sequence[TopicLine], known: Mapping[str, Standing]) -> None:
    st.title("Read", anchor=False)
    left_out()
    find_topic(topics)
    tabs = "   ".join(f"**{title}**" if name == view else f"[{title}](/read{'' if name == 'topics' else '?view=' + name})" for name, title in VIEWS.items())
    with st.container(key="views"):
        st.markdown(tabs.replace("   ", " &nbsp;·&nbsp; "))
    {"topics": all_tracks, "map": topic_map, "glossary": all_names, "errata": all_errata}[view](topics, known)


def find_topic(topics: Sequence[TopicLine]) -> None:
    """A field that filters titles and aliases while one types."""
    labels = {topic.slug: " · ".join([topic.title, *topic.aliases]) for topic in topics}

    def go() -> None:
        if st.session_state.get("find-topic"):
            st.query_params.from_dict({"topic": st.session_state["find-topic"]})

    st.selectbox(
        "Find a topic", list(labels), index=None, format_func=labels.__getitem__, placeholder="A title, an acronym, a name in Chinese ...",
        key="find-topic", on_change=go, label_visibility="collapsed",
    )  # fmt: skip


def all_tracks(topics: Sequence[TopicLine], known: Mapping[str, Standing]) -> None:
    with st.container(key="tracks"):
        for track, group in by_track(topics).items():
            learned = sum(known.get(topic.slug, Standing()).word == "known" for topic in group)
            with st.container(key=f"track-{track}"):
                st.markdown(f"#### {desk.track_title(track)}\n\n:gray[{learned} of {len(group)} topics known]\n\n" + "\n".join(topic_line(t, known) for t in group))


def topic_map(topics: Sequence[TopicLine], known: Mapping[str, Standing]) -> None:
    from screens.parts.prerequisite_map import prerequisite_map

    counts = {word: sum(known.get(topic.slug, Standing()).word == word for topic in topics) for word in MARKS}
    sentence = f"{len(topics)} topics, prerequisites to the left: {counts['known']} known, {counts['learning']} being learned, {counts['not started']} not started."
    st.markdown(f"{sentence} Click a topic to open it.")

    def go() -> None:
        points = st.session_state["topic-map"]["selection"]["points"]
        if points and points[0].get("customdata"):
            chosen = points[0]["customdata"]
            st.query_params.from_dict({"topic": chosen if isinstance(chosen, str) else chosen[0]})

    figure = prerequisite_map(topics, known, {track: desk.track_title(track) for track in by_track(topics)})
    st.plotly_chart(figure, key="topic-map", on_select=go, selection_mode="points", config={"displayModeBar": False}, alt=sentence)
    with st.expander("The same as a list"):
        for topic in topics:
            needs = ", ".join(f"[{as_words(need)}]({address(need)})" for need in topic.needs) or "nothing"
            st.markdown(f"[{as_words(topic.title)}]({address(topic.slug)}) needs {needs}")


def all_names(topics: Sequence[TopicLine], known: Mapping[str, Standing]) -> None:
    names = glossary(topics)
    st.markdown(f"{len(names)} names for {len(topics)} topics.")
    letters: dict[str, list[str]] = {}
    for name, topic in names:
        first = name[0].upper()
        arrow = "" if name == topic.title else f" → {as_words(topic.title)}"
        letters.setdefault(first if first.isascii() and first.isalpha() else "0-9 · 中文", []).append(f"- [{as_words(name)}]({address(topic.slug)}){arrow}")
    with st.container(key="glossary"):
        for letter in sorted(letters, key=lambda letter: (len(letter) == 1, letter)):
            st.markdown(f"#### {letter}\n\n" + "\n".join(letters[letter]))


def all_errata(topics: Sequence[TopicLine], known: Mapping[str, Standing]) -> None:
    with store.reading(desk.engine()) as session:
        found = errata(session)
    tracks = list(dict.fromkeys(erratum["track"] for erratum in found))
    chosen = st.pills("Track", tracks, format_func=desk.track_title, selection_mode="multi", key="errata-tracks", label_visibility="collapsed")
    shown = [erratum for erratum in found if not chosen or erratum["track"] in chosen]
    titles = {topic.slug: topic.title for topic in topics}
    with st.container(key="column"):
        st.markdown(f"**What the notes on the internet get wrong:** {len(shown)} corrections, each with its source.")
        blocks: dict[str, list[str]] = {}
        for erratum in shown:
            blocks.setdefault(erratum["topic"], []).append(erratum_text(erratum["said"], erratum["right"], erratum["source"]))
        for slug, texts in blocks.items():
            with st.container(key=f"erratum-of-{slug}"):
                st.markdown(without_remote_pictures(linked(f"#### [{as_words(titles[slug])}]({address(slug)})\n\n" + "\n\n***\n\n".join(texts), titles.get)))


def left_out() -> None:
    """Which notes could not be read whole, and why."""
    mistakes = desk.mistakes()
    if mistakes:
        with st.expander(f"{len(mistakes)} mistakes in the notes: what they concern was left out", icon=":material/error:"):
            st.code("\n".join(str(mistake) for mistake in mistakes[:200]), language=None)


def main() -> None:
    with store.reading(desk.engine()) as session:
        topics = list_topics(session, learner=desk.learner())
        known = standings(session, learner=desk.learner())
    if slug := st.query_params.get("topic"):
        topic_page(slug, topics, known)
    else:
        view = st.query_params.get("view", "topics")
        index_page(view if view in VIEWS else "topics", topics, known)


main()
