"""Library: all cards in a table, your own notes and cards coming in, everything going out.

Who sits here: somebody with years of notes in Obsidian or decks in Anki, wondering whether they can trust this place with
them. In the first ten seconds they want to see their cards, and where to put a file. Anki's browser is the best at the
first; here an import is also shown before anything is written, with the reason for every card, and taken back with one click.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import streamlit as st
from sqlmodel import col, select

from backend import review, store
from backend.backups import back_up, list_backups
from backend.card_search import FoundCard, QueryError, count_cards, find_cards
from backend.columns import COLUMNS, keep_columns, read_columns
from backend.deck import DeckCard, read_deck
from backend.exchange.formats import READS, read_path, write_path
from backend.exchange.json_file import write_archive
from backend.exchange.markdown import plain_slug, read_text
from backend.exchange.records import Cancelled, Progress, Records, Unreadable
from backend.library import (
    Change,
    Plan,
    collect,
    delete_many,
    import_records,
    index_pending,
    list_imports,
    mark_many,
    move_many,
    plan_import,
    tag_many,
    take_back,
    take_back_unfinished,
    undo_last,
)  # fmt: skip
from backend.markup import plain
from backend.memory import minutes_west
from backend.settings import read_settings
from backend.tables import Card
from backend.topics import list_topics
from screens.parts import desk, long_work
from screens.parts.card_desk import draw_card_desk, say
from screens.parts.harmless_text import as_words, without_remote_pictures
from screens.parts.near_cards import warn_of_near

PAGE = 100
SHOWN = 300  # lines of a preview
MESSAGE = 4000  # characters of what is said about something; it may repeat names and texts of a file
COMPARED = 12  # cards being written that are compared with all others
FORMATS = {
    "Anki package": "cards.apkg", "Markdown notes": "notes.zip", "Table (CSV)": "cards.csv", "Table (TSV)": "cards.tsv", "JSON": "library.json",
    "Everything, every row": "everything.attend",
}  # fmt: skip


@dataclass
class Incoming:
    """A file that was read and waits for a yes."""

    file: str
    records: Records
    plan: Plan | None = field(default=None, repr=False)  # what it would do, as things stood when it was read


# --- browse -----------------------------------------------------------------------------------------------------------------


def browse() -> None:
    if wanted := st.query_params.get("card"):
        return asked_for(wanted)
    left, middle, right = st.columns([0.66, 0.17, 0.17], vertical_alignment="bottom")
    query = left.text_input("Search", key="library-query", max_chars=500, placeholder="words, topic:lora, tag:hard, is:due, prop:lapses>2, flag:1, -is:suspended")
    shown = choose_columns(right)
    with store.reading(desk.engine()) as session:
        try:
            total = count_cards(session, learner=desk.learner(), at=store.now(), query=query)
        except QueryError as wrong:
            st.warning(as_words(str(wrong), MESSAGE))
            return
    pages = max((total + PAGE - 1) // PAGE, 1)
    page = middle.number_input(f"Page, of {pages}", 1, pages, key="library-page") if pages > 1 else 1
    with store.reading(desk.engine()) as session:
        found = find_cards(session, learner=desk.learner(), at=store.now(), query=query, limit=PAGE, offset=(page - 1) * PAGE)
        deck = read_deck(session, learner=desk.learner(), cards=[card.card for card in found])
        more = {card: (list(tags), owner, form) for card, tags, owner, form in session.exec(select(Card.id, Card.tags, Card.owner, Card.form).where(col(Card.id).in_(list(deck))))}
    if not found:
        st.markdown("No card matches." if query else "There are no cards yet.")
        undo_button()
        return
    st.markdown(f"**{total:,}** cards{f', page {page} of {pages}' if pages > 1 else ''}. Select rows to change them or to look at one.")
    found = [card for card in found if card.card in deck]
    rows = [row_of(card, deck[card.card], *more[card.card]) for card in found]
    state = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="multi-row", column_order=shown,
        key=f"library-table-{page}-{query}-{st.session_state.get('library-changes', 0)}", height=min(390, 38 + 35 * len(found)), width="stretch",
        column_config={"Recall": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1), "Question": st.column_config.TextColumn(width="large")},
    )  # type: ignore[call-overload]  # fmt: skip
    chosen = [found[row].card for row in state.selection.rows if row < len(found)]  # type: ignore[attr-defined]
    change_many(chosen)
    if len(chosen) == 1:
        draw_card_desk(deck[chosen[0]])


def asked_for(name: str) -> None:
    """The card that a link names, alone."""
    st.markdown("[All cards](/library)")
    with store.reading(desk.engine()) as session:
        row = session.get(Card, name)
        deck = read_deck(session, learner=desk.learner(), cards=[name]) if row and row.owner in (None, desk.learner()) else {}
    if name in deck:
        draw_card_desk(deck[name])
    else:
        st.markdown("There is no such card in your library.")


def choose_columns(place) -> list[str]:  # type: ignore[no-untyped-def]
    with store.reading(desk.engine()) as session:
        kept = read_columns(session, learner=desk.learner())
    with place.popover("Columns", icon=":material/view_column:", width="stretch"):
        st.pills("Shown", COLUMNS, selection_mode="multi", default=kept, key="library-columns", on_change=keep_chosen)
    return kept


def keep_chosen() -> None:
    with store.writing(desk.engine()) as session:
        keep_columns(session, learner=desk.learner(), columns=st.session_state["library-columns"])


def row_of(card: FoundCard, shown: DeckCard, tags: list[str], owner: int | None, form: str) -> dict[str, object]:
    asked = " ".join(plain(shown.question.prompt).split()) if shown.question else f"{shown.maker.replace('_', ' ').capitalize()}, computed afresh by {shown.lab}"
    marks = [word for word, there in (("suspended", card.suspended), ("leech", card.leech), (f"flag {card.flag}", card.flag)) if there]
    return {
        "Question": asked[:200], "Topic": shown.title, "State": card.phase.name.lower(), "Due": date(1970, 1, 1) + timedelta(card.due_day) if card.due_day else None,
        "Recall": card.recall, "Stability, days": round(card.stability, 1) if card.phase else None, "Difficulty": round(card.difficulty, 1) if card.phase else None,
        "Reviews": card.reps, "Lapses": card.lapses, "Tags": ", ".join(tags), "Marks": ", ".join(marks), "Form": form, "Yours": "yes" if owner else "", "Id": card.card,
    }  # fmt: skip


def change_many(chosen: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="many"):
        st.button("Suspend", on_click=mark, args=(chosen, "suspend", 1), disabled=not chosen, key="many-suspend")
        st.button("Resume", on_click=mark, args=(chosen, "suspend", 0), disabled=not chosen, key="many-resume")
        st.button("Flag", on_click=mark, args=(chosen, "flag", 1), disabled=not chosen, key="many-flag")
        st.button("No flag", on_click=mark, args=(chosen, "flag", 0), disabled=not chosen, key="many-unflag")
        with st.popover("Tag", disabled=not chosen), st.form("tags", border=False):
            st.text_input("Tag", key="many-tag", max_chars=80)
            st.form_submit_button("Add", on_click=tag, args=(chosen, False), width="stretch")
            st.form_submit_button("Remove", on_click=tag, args=(chosen, True), width="stretch")
        with st.popover("Move", disabled=not chosen), st.form("move", border=False):
            titles = topic_titles()
            st.selectbox(
                "To a topic, or a new one of your own", list(titles), index=None, format_func=lambda slug: titles.get(slug, slug), key="many-topic",
                accept_new_options=True, placeholder="Choose, or type a new title",
            )  # fmt: skip
            st.form_submit_button("Move", on_click=move, args=(chosen,), width="stretch")
        st.button("Delete", on_click=delete, args=(chosen,), disabled=not chosen, key="many-delete", help="Your own cards only, and Undo brings them back. Shipped cards can be suspended.")
        undo_button()


def undo_button() -> None:
    st.button("Undo", on_click=undo, key="many-undo", help="Takes back your last action on cards, here or in Review")


def topic_titles() -> dict[str, str]:
    with store.reading(desk.engine()) as session:
        return {topic.slug: topic.title for topic in list_topics(session, learner=desk.learner())}


def changed(words: str) -> None:
    """Say what was done, and let go of the selection: its rows may be other cards now."""
    st.session_state["library-changes"] = st.session_state.get("library-changes", 0) + 1
    say(words)


def mark(cards: list[str], kind: str, value: int) -> None:
    with store.writing(desk.engine()) as session:
        count = mark_many(session, learner=desk.learner(), cards=cards, kind=kind, value=value, at=store.now())  # type: ignore[arg-type]
    word = {("suspend", 1): "suspended", ("suspend", 0): "taken up again", ("flag", 1): "flagged", ("flag", 0): "without a flag now"}[kind, value]
    say(f"{count} cards {word}.")


def undo() -> None:
    with store.writing(desk.engine()) as session:
        undone = undo_last(session, learner=desk.learner(), at=store.now())
    changed(undone.words if undone else "There is nothing to undo.")


def tag(cards: list[str], remove: bool) -> None:
    with store.writing(desk.engine()) as session:
        say(tag_many(session, learner=desk.learner(), cards=cards, tag=st.session_state["many-tag"], remove=remove, at=store.now()))


def move(cards: list[str]) -> None:
    with store.writing(desk.engine()) as session:
        changed(move_many(session, learner=desk.learner(), cards=cards, topic=st.session_state["many-topic"] or "", at=store.now()))


def delete(cards: list[str]) -> None:
    with store.writing(desk.engine()) as session:
        changed(delete_many(session, learner=desk.learner(), cards=cards, at=store.now()))


# --- bring in ---------------------------------------------------------------------------------------------------------------


def bring_in() -> None:
    st.markdown("Notes and cards land in your own library. Nothing is written before you have seen what would be made, and every import can be taken back.")
    st.file_uploader("A file: Markdown or a zip of notes, an Anki package, a table, or JSON", type=[each[1:] for each in READS], key="library-file", on_change=take_file)
    if problem := st.session_state.get("library-problem"):
        st.error(as_words(problem, MESSAGE))
    incoming: Incoming | None = st.session_state.get("incoming")
    if incoming:
        show_plan(incoming)
    imports()


def take_file() -> None:
    """A file was put down, or taken away."""
    uploaded = st.session_state.get("library-file")
    st.session_state["library-problem"] = ""
    st.session_state.pop("incoming", None)
    if uploaded is None:
        return
    name, engine, learner, data = uploaded.name, desk.engine(), desk.learner(), bytes(uploaded.getbuffer())
    place = store.sqlite_path(engine)

    def read(progress: Progress) -> Incoming:
        with tempfile.TemporaryDirectory(dir=place.parent if place else None) as folder:
            file = Path(folder) / f"{plain_slug(Path(name).stem)}{Path(name).suffix.lower()}"
            file.write_bytes(data)
            records = read_path(file, progress=progress)
        with store.reading(engine) as session:
            return Incoming(name, records, plan_import(session, learner=learner, records=records))

    long_work.begin(f"Reading {name}", read, then=was_read)


def was_read(result: object) -> None:
    if isinstance(result, Incoming):
        st.session_state["incoming"] = result
    elif isinstance(result, Unreadable):
        st.session_state["library-problem"] = f"It was not read: {result}."
    else:
        stopped(result)


def stopped(result: object) -> None:
    """What is said when long work ends without its result."""
    if isinstance(result, Cancelled):
        say("Cancelled; nothing was changed.")
    elif isinstance(result, (Unreadable, store.StoreError)):
        say(str(result))
    elif isinstance(result, Exception):
        raise result


def show_plan(incoming: Incoming, label: str = "Import") -> None:
    plan = incoming.plan
    if plan is None:
        with store.reading(desk.engine()) as session:
            plan = plan_import(session, learner=desk.learner(), records=incoming.records)
    st.markdown(what_would_come(plan))
    replaced = [change.id for change in plan.changes if change.what == "topic" and change.kind == "changed"]
    if replaced:
        named = ", ".join(f"[{slug}](/read?topic={slug})" for slug in replaced[:5]) + (" ..." if len(replaced) > 5 else "")
        st.warning(f"You have {'a note' if len(replaced) == 1 else f'{len(replaced)} notes'} of that name: {named}. What came takes its place; cards that are no longer in it are put aside with their history, and Take back brings all of it back.")
    offers = choose_offers([change for change in plan.changes if change.offered and change.kind == "new"])
    theirs = settle_conflicts(plan.conflicts)
    details(plan)
    st.button(label, type="primary", on_click=do_import, args=(incoming, offers, theirs), key="do-import", width="stretch", disabled=long_work.busy())


def what_would_come(plan: Plan) -> str:
    """In one sentence; what there is nothing of is left out."""
    counted = [
        (plan.count("new"), "new card", "new cards"), (plan.count("changed"), "changed card", "changed cards"),
        (plan.count("same"), "unchanged card", "unchanged cards"), (plan.count("new", "topic"), "new note", "new notes"),
        (plan.count("new", "attachment"), "attachment", "attachments"),
    ]  # fmt: skip
    told = [f"**{count:,}** {one if count == 1 else many}" for count, one, many in counted if count]
    if plan.memories:
        told.append(f"what is remembered of **{plan.memories:,}** cards, with **{plan.reviews:,}** reviews")
    return (", ".join(told) or "Nothing new") + "."


def choose_offers(offers: list[Change]) -> set[str] | None:
    """Cards that were guessed from plain text, to be taken one by one; None takes all."""
    if not offers:
        return None
    with st.expander(f"{len(offers)} cards are offered from plain text: choose", expanded=True):
        rows = [{"Take": True, "Why": change.why, "Card": change.after, "Id": change.id} for change in offers]
        edited = st.data_editor(rows, hide_index=True, disabled=["Why", "Card", "Id"], key="offers", width="stretch", height=min(390, 40 + 36 * len(rows)))
        return {str(row["Id"]) for row in edited if row["Take"]}


def settle_conflicts(conflicts: list[Change]) -> set[str]:
    theirs = set()
    for number, change in enumerate(conflicts[:SHOWN]):
        with st.expander(as_words(f"Conflict: {change.id}, {change.why}"), expanded=number < 3):
            left, right = st.columns(2)
            left.markdown("**Yours**")
            left.code(change.before, language="markdown", wrap_lines=True)
            right.markdown("**In the file**")
            right.code(change.after, language="markdown", wrap_lines=True)
            if st.checkbox("Take the file's", key=f"theirs-{change.id}"):
                theirs.add(change.id)
    return theirs


def details(plan: Plan) -> None:
    rest = [change for change in plan.changes if change.kind != "same" and not change.offered]
    if rest:
        with st.expander(f"What would be written: {len(rest)} lines"):
            st.dataframe(
                [{"What": change.what, "Change": change.kind, "Id": change.id, "Why": change.why, "Text": change.after[:300]} for change in rest[:SHOWN]],
                hide_index=True, width="stretch",
            )  # fmt: skip
    if plan.gaps:
        with st.expander(f"{len(plan.gaps)} headings have nothing under them"):
            st.markdown("\n".join(f"- {as_words(gap.heading)}" + (f": [our note](/read?topic={slug}) fills it" if slug else "") for gap, slug in plan.gaps))
    if plan.records.notices:
        with st.expander(f"{len(plan.records.notices)} remarks"):
            st.code("\n".join(plan.records.notices[:SHOWN]), language=None, wrap_lines=True)


def do_import(incoming: Incoming, chosen: set[str] | None, theirs: set[str]) -> None:
    engine, learner, at = desk.engine(), desk.learner(), store.now()

    def run(progress: Progress) -> str:
        report = import_records(engine, learner=learner, records=incoming.records, at=at, chosen=chosen, theirs=theirs, progress=progress)
        return f"{incoming.file}: {report}"

    long_work.begin(f"Importing {incoming.file}", run, then=was_imported)


def was_imported(result: object) -> None:
    if not isinstance(result, str):
        return stopped(result)
    st.session_state.pop("incoming", None)
    say(result)
    engine = desk.engine()
    long_work.begin("Letting the search find it", lambda progress: index_pending(engine, progress=progress), then=stopped_indexing)


def stopped_indexing(result: object) -> None:
    if not isinstance(result, Cancelled):
        stopped(result)


def imports() -> None:
    with store.reading(desk.engine()) as session:
        runs = list_imports(session, learner=desk.learner())[:20]
    if runs:
        st.subheader("Imports and changes so far", anchor=False)
    for run in runs:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{desk.moment(run.at)}: **{as_words(run.name)}**, {ended(run.report)}" + (", taken back" if run.undone_at else ""))
            if run.undone_at is None and "unfinished" not in run.report:
                st.button("Take back", on_click=undo_run, args=(run.id, run.name), key=f"undo-{run.id}", disabled=long_work.busy())


def ended(report: dict) -> str:
    if "unfinished" in report:
        return "under way"
    if report.get("interrupted"):
        return "cancelled or interrupted"
    return f"{report['new']} new, {report['changed']} changed"


def undo_run(run: int, name: str) -> None:
    engine, learner, at = desk.engine(), desk.learner(), store.now()
    long_work.begin(f"Taking back {name}", lambda progress: take_back(engine, learner=learner, run=run, at=at), then=was_taken_back)


def was_taken_back(result: object) -> None:
    say(result) if isinstance(result, str) else stopped(result)


# --- write ------------------------------------------------------------------------------------------------------------------


def write() -> None:
    st.markdown("A note of your own, in Markdown, with cards where the ideas are: `Q: ... ^an-id`, an empty line, `A: ...`. Headings that ask something become cards too.")
    title = st.text_input("Title", key="new-title", max_chars=120)
    left, right = st.columns(2)
    text = left.text_area("Note", key="new-text", height=360, help="What you write is shown when you leave the field, or press Ctrl+Enter.")
    right.markdown(without_remote_pictures(text) or "*What you write appears here.*")
    if title.strip() and text.strip():
        records = Records(name=title.strip())
        try:
            read_text(records, f"# {title.strip()}\n\n{text}\n", slug=plain_slug(title), file=title.strip())
        except Unreadable as problem:
            st.error(as_words(str(problem), MESSAGE))
            return
        with store.reading(desk.engine()) as session:
            plan = plan_import(session, learner=desk.learner(), records=records)
        for record in plan.records.cards[:COMPARED]:
            warn_of_near(record.card.question.prompt, leaving_out={record.id})
        show_plan(Incoming(title.strip(), records, plan), "Keep this note")


# --- take out ---------------------------------------------------------------------------------------------------------------


def take_out() -> None:
    kind = st.selectbox("Format", list(FORMATS), key="out-kind")
    query = st.text_input("Only cards that match", key="out-query", max_chars=500, disabled=kind.startswith("Everything"))
    st.button("Prepare", key="out-prepare", on_click=prepare, args=(FORMATS[kind], query), disabled=long_work.busy())
    if ready := st.session_state.get("out"):
        name, data, words = ready
        st.markdown(words)
        if data:
            st.download_button(f"Download {name}", data, file_name=name, key="out-download", type="primary", on_click="ignore")
    st.subheader("Backups", anchor=False)
    st.button("Back up now", on_click=backup, key="backup-now")
    copies = list_backups(desk.engine())[:10]
    st.markdown("\n".join(f"- {desk.moment(copy.at)}, {copy.size / 1e6:.1f} MB, `{copy.path.name}`" for copy in copies) or "There are no copies yet.")
    st.caption("To put one back, close the app and run `python -m backend restore FILE`.")


def prepare(name: str, query: str) -> None:
    st.session_state.pop("out", None)
    engine, learner, at = desk.engine(), desk.learner(), store.now()
    place = store.sqlite_path(engine)

    def run(progress: Progress) -> tuple[str, bytes, str]:
        with tempfile.TemporaryDirectory(dir=place.parent if place else None) as folder:
            file = Path(folder) / name
            if name.endswith(".attend"):
                write_archive(engine, file, revision=store.known_revisions()[-1], progress=progress)
                return name, file.read_bytes(), "Every row of the database, for another machine."
            with store.reading(engine) as session:
                cards = [c.card for c in find_cards(session, learner=learner, at=at, query=query, limit=1_000_000)] if query.strip() else None
                records = collect(session, learner=learner, cards=cards, name=name, progress=progress)
                settings = read_settings(session, learner=learner)
            west = minutes_west(at, time_zone=settings.time_zone)
            write_path(records, file, at=at, rollover_hour=settings.rollover_hour, minutes_west=west, progress=progress)
            notices = "".join(f"\n\n{as_words(notice)}." for notice in records.notices)
            return name, file.read_bytes(), f"**{len(records.cards):,}** cards of {len(records.topics)} topics, {len(records.reviews):,} reviews.{notices}"

    long_work.begin(f"Preparing {name}", run, then=was_prepared)


def was_prepared(result: object) -> None:
    if isinstance(result, tuple):
        st.session_state["out"] = result
    elif isinstance(result, QueryError):
        say(str(result))
    else:
        stopped(result)


def backup() -> None:
    try:
        path = back_up(desk.engine(), at=store.now())
        say(f"Backed up to {path.name}." if path else "This database has no file to copy.")
    except store.StoreError as problem:
        say(str(problem))


def mend_interrupted() -> None:
    """An import that died with its process is taken back before anything else is shown."""
    told = take_back_unfinished(desk.engine(), learner=desk.learner(), at=store.now())
    if told:
        say(" ".join(told))


def main() -> None:
    mend_interrupted()
    with store.writing(desk.engine()) as session:
        review.follow_content(session, learner=desk.learner(), at=store.now())
    long_work.fetch()
    st.title("Library", anchor=False)
    if words := st.session_state.pop("library-said", ""):
        st.info(as_words(words, MESSAGE))
    long_work.watch()
    parts = {"Browse": browse, "Bring in": bring_in, "Write": write, "Take out": take_out}
    chosen = st.segmented_control("Part", list(parts), default="Browse", key="library-part", label_visibility="collapsed")
    parts[chosen or "Browse"]()


main()
