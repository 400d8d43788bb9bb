"""Library: all cards in a table, your own notes and cards coming in, everything going out.

Who sits here: somebody with years of notes in Obsidian or decks in Anki, wondering whether they can trust this place with
them. In the first ten seconds they want to see their cards, and where to put a file. Anki's browser is the best at the
first; here an import is also shown before anything is written, with the reason for every card, and taken back with one click.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from PIL import Image

from backend import review, store
from backend.backups import back_up, list_backups
from backend.card_search import FoundCard, QueryError, count_cards, find_cards
from backend.cards import read_cards, showings
from backend.deck import DeckCard, read_deck, reword
from backend.exchange.formats import READS, read_path, write_path
from backend.exchange.json_file import write_archive
from backend.exchange.markdown import plain_slug, read_text
from backend.exchange.records import Records, Unreadable
from backend.library import Change, Plan, apply_import, collect, find_media, list_imports, mark_many, plan_import, tag_many, undo_import
from backend.markup import plain
from backend.settings import read_settings
from screens.parts import desk
from screens.parts.card_face import back, front
from screens.parts.pictures_as_links import without_remote_pictures

PAGE = 100
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
MOST_PIXELS = 40_000_000
SHOWN = 300  # lines of a preview
FORMATS = {
    "Anki package": "cards.apkg", "Markdown notes": "notes.zip", "Table (CSV)": "cards.csv", "Table (TSV)": "cards.tsv", "JSON": "library.json",
    "Everything, every row": "everything.attend",
}  # fmt: skip


@dataclass
class Incoming:
    """A file that was read and waits for a yes."""

    file: str
    records: Records


def say(words: str) -> None:
    st.session_state["library-said"] = words


# --- browse -----------------------------------------------------------------------------------------------------------------


def browse() -> None:
    query = st.text_input("Search", key="library-query", max_chars=500, placeholder="words, topic:lora, tag:hard, is:due, prop:lapses>2, flag:1, -is:suspended")
    with store.reading(desk.engine()) as session:
        try:
            total = count_cards(session, learner=desk.learner(), at=store.now(), query=query)
        except QueryError as wrong:
            st.warning(str(wrong))
            return
    pages = max((total + PAGE - 1) // PAGE, 1)
    page = st.number_input("Page", 1, pages, key="library-page") if pages > 1 else 1
    with store.reading(desk.engine()) as session:
        found = find_cards(session, learner=desk.learner(), at=store.now(), query=query, limit=PAGE, offset=(page - 1) * PAGE)
        deck = read_deck(session, learner=desk.learner(), cards=[card.card for card in found])
    if not found:
        st.markdown("No card matches." if query else "There are no cards yet.")
        return
    st.markdown(f"**{total}** cards{f', page {page} of {pages}' if pages > 1 else ''}. Select rows to change them or to look at one.")
    state = st.dataframe(
        [row_of(card, deck[card.card]) for card in found if card.card in deck], hide_index=True, on_select="rerun", selection_mode="multi-row",
        key=f"library-table-{page}-{query}", height=390, width="stretch",
        column_config={"Recall": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1), "Question": st.column_config.TextColumn(width="large")},
    )  # fmt: skip
    chosen = [found[row].card for row in state.selection.rows if row < len(found)]  # type: ignore[attr-defined]
    change_many(chosen)
    if len(chosen) == 1 and chosen[0] in deck:
        one_card(deck[chosen[0]])


def row_of(card: FoundCard, shown: DeckCard) -> dict[str, object]:
    asked = " ".join(plain(shown.question.prompt).split()) if shown.question else f"computed by {shown.lab}"
    marks = [word for word, there in (("suspended", card.suspended), ("leech", card.leech), (f"flag {card.flag}", card.flag)) if there]
    return {
        "Question": asked[:200], "Topic": shown.title, "State": card.phase.name.lower(), "Recall": card.recall,
        "Stability, days": round(card.stability, 1) if card.phase else None, "Reviews": card.reps, "Lapses": card.lapses, "Marks": ", ".join(marks), "Id": card.card,
    }  # fmt: skip


def change_many(chosen: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button("Suspend", on_click=mark, args=(chosen, "suspend", 1), disabled=not chosen, key="many-suspend")
        st.button("Resume", on_click=mark, args=(chosen, "suspend", 0), disabled=not chosen, key="many-resume")
        st.button("Flag", on_click=mark, args=(chosen, "flag", 1), disabled=not chosen, key="many-flag")
        st.button("No flag", on_click=mark, args=(chosen, "flag", 0), disabled=not chosen, key="many-unflag")
        st.button("Undo", on_click=undo, key="many-undo", help="Takes back your last action on cards, here or in Review")
    with st.expander("Tag the selected cards"), st.form("tags", border=False):
        st.text_input("Tag", key="many-tag", max_chars=80)
        left, right = st.columns(2)
        left.form_submit_button("Add", on_click=tag, args=(chosen, False), disabled=not chosen)
        right.form_submit_button("Remove", on_click=tag, args=(chosen, True), disabled=not chosen)


def mark(cards: list[str], kind: str, value: int) -> None:
    with store.writing(desk.engine()) as session:
        changed = mark_many(session, learner=desk.learner(), cards=cards, kind=kind, value=value, at=store.now())  # type: ignore[arg-type]
    word = {("suspend", 1): "suspended", ("suspend", 0): "taken up again", ("flag", 1): "flagged", ("flag", 0): "without a flag now"}[kind, value]
    say(f"{changed} cards {word}.")


def undo() -> None:
    with store.writing(desk.engine()) as session:
        undone = review.undo(session, learner=desk.learner(), at=store.now())
    say(f"Took back: {undone.kind} on {len(undone.cards)} cards." if undone else "There is nothing to undo.")


def tag(cards: list[str], remove: bool) -> None:
    with store.writing(desk.engine()) as session:
        say(tag_many(session, learner=desk.learner(), cards=cards, tag=st.session_state["many-tag"], remove=remove, at=store.now()))


def one_card(card: DeckCard) -> None:
    st.subheader(card.title, anchor=False)
    if card.question is None:
        st.markdown(f"A lab computes this card afresh: [{desk.lab_title(card.lab)}](/labs?lab={card.lab}).")
        return
    left, right = st.columns(2)
    with left:
        source = st.text_area("The card, in Markdown", card.source, height=280, key=f"edit-{card.id}", help="Its id stays, and what you remember of it. A shipped card gets your own wording over it.")
        st.button("Save", on_click=save_card, args=(card.id,), key="save-card", type="primary", disabled=source.strip() == card.source.strip())
    with right:
        preview(source)
    with store.reading(desk.engine()) as session:
        lines = history(session, card.id)
    st.markdown("**History**\n\n" + ("\n".join(lines) if lines else "Nothing happened to this card yet."))


def preview(source: str) -> None:
    read, mistakes = read_cards(source)
    for mistake in mistakes:
        st.warning(f"Line {mistake.line}: expected {mistake.expected}, came {mistake.came}")
    for written in read[:1]:
        for shown in showings(written)[:4]:
            st.markdown(without_remote_pictures(front(shown.question)))
            st.markdown(without_remote_pictures(back(shown.question)))
    with store.reading(desk.engine()) as session:
        attached = find_media(session, learner=desk.learner(), markdown=source)
    for media in attached:
        if media.name.lower().endswith(PICTURES) and is_picture(media.data):
            st.image(media.data, caption=media.name)
        else:
            st.caption(f"Attached: {media.name}, {len(media.data):,} bytes")


def is_picture(data: bytes) -> bool:
    """Can it be shown? A broken picture, or one of absurd size, is only named."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.verify()
            return picture.width * picture.height <= MOST_PIXELS
    except Exception:  # Pillow raises whatever its decoders do
        return False


def save_card(card: str) -> None:
    with store.writing(desk.engine()) as session:
        problems = reword(session, learner=desk.learner(), card=card, source=st.session_state[f"edit-{card}"], at=store.now())
    say("Not saved: " + "; ".join(problems) if problems else "Saved.")


def history(session, card: str) -> list[str]:  # type: ignore[no-untyped-def]
    from sqlmodel import col, select

    from backend.tables import Event

    events = session.exec(select(Event).where(Event.learner == desk.learner(), Event.card == card).order_by(col(Event.seq).desc()).limit(30)).all()
    words = {1: "again", 2: "hard", 3: "good", 4: "easy"}
    return [f"- {desk.moment(event.at)}: {words[event.grade] if event.kind == 'grade' and event.grade else event.kind}" for event in events]


# --- bring in ---------------------------------------------------------------------------------------------------------------


def bring_in() -> None:
    st.markdown("Notes and cards land in your own library. Nothing is written before you have seen what would be made, and every import can be taken back.")
    uploaded = st.file_uploader("A file: Markdown or a zip of notes, an Anki package, a table, or JSON", type=[each[1:] for each in READS], key="library-file")
    if uploaded is not None and st.session_state.get("library-read") != uploaded.file_id:
        st.session_state["library-read"] = uploaded.file_id
        st.session_state.pop("incoming", None)
        take_file(uploaded.name, uploaded)
    if uploaded is None:
        st.session_state.pop("incoming", None)
        st.session_state.pop("library-read", None)
    if problem := st.session_state.get("library-problem"):
        st.error(problem)
    incoming: Incoming | None = st.session_state.get("incoming")
    if incoming:
        show_plan(incoming)
    imports()


def take_file(name: str, uploaded) -> None:  # type: ignore[no-untyped-def]
    st.session_state["library-problem"] = ""
    place = store.sqlite_path(desk.engine())
    with tempfile.TemporaryDirectory(dir=place.parent if place else None) as folder, st.status("Reading ...") as status:
        file = Path(folder) / f"{plain_slug(Path(name).stem)}{Path(name).suffix.lower()}"
        file.write_bytes(uploaded.getbuffer())
        try:
            st.session_state["incoming"] = Incoming(name, read_path(file, progress=lambda done, total, what: status.update(label=f"{what}: {done} of {total}")))
            status.update(label="Read", state="complete")
        except Unreadable as problem:
            status.update(label="Not read", state="error")
            st.session_state["library-problem"] = f"{name} was not read: {problem}."


def show_plan(incoming: Incoming) -> None:
    with store.reading(desk.engine()) as session:
        plan = plan_import(session, learner=desk.learner(), records=incoming.records)
    counts = [f"**{plan.count('new')}** new cards", f"**{plan.count('changed')}** changed", f"**{plan.count('same')}** unchanged"]
    counts += [f"**{plan.count('new', 'topic')}** new notes", f"**{plan.count('new', 'attachment')}** attachments"]
    if plan.memories:
        counts.append(f"what is remembered of **{plan.memories}** cards, with **{plan.reviews}** reviews")
    st.markdown(", ".join(counts) + ".")
    offers = choose_offers([change for change in plan.changes if change.offered and change.kind == "new"])
    theirs = settle_conflicts(plan.conflicts)
    details(plan)
    st.button("Import", type="primary", on_click=do_import, args=(incoming, offers, theirs), key="do-import", width="stretch")


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
        with st.expander(f"Conflict: {change.id}, {change.why}", expanded=number < 3):
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
        with st.expander(f"All {len(rest)} other changes"):
            st.dataframe(
                [{"What": change.what, "Change": change.kind, "Id": change.id, "Why": change.why, "Text": change.after[:300]} for change in rest[:SHOWN]],
                hide_index=True, width="stretch",
            )  # fmt: skip
    if plan.gaps:
        with st.expander(f"{len(plan.gaps)} headings have nothing under them"):
            st.markdown("\n".join(f"- {gap.heading}" + (f": [our note](/read?topic={slug}) fills it" if slug else "") for gap, slug in plan.gaps))
    if plan.records.notices:
        with st.expander(f"{len(plan.records.notices)} remarks"):
            st.code("\n".join(plan.records.notices[:SHOWN]), language=None, wrap_lines=True)


def do_import(incoming: Incoming, chosen: set[str] | None, theirs: set[str]) -> None:
    with store.writing(desk.engine()) as session:
        report = apply_import(session, learner=desk.learner(), records=incoming.records, at=store.now(), chosen=chosen, theirs=theirs)
    st.session_state.pop("incoming", None)
    say(f"{incoming.file}: {report}")


def imports() -> None:
    with store.reading(desk.engine()) as session:
        runs = list_imports(session, learner=desk.learner())[:20]
    if runs:
        st.subheader("Imports so far", anchor=False)
    for run in runs:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{desk.moment(run.at)}: **{run.name}**, {run.report['new']} new, {run.report['changed']} changed" + (", taken back" if run.undone_at else ""))
            if run.undone_at is None:
                st.button("Take back", on_click=take_back, args=(run.id,), key=f"undo-{run.id}")


def take_back(run: int) -> None:
    with store.writing(desk.engine()) as session:
        say(undo_import(session, learner=desk.learner(), run=run, at=store.now()))


# --- write ------------------------------------------------------------------------------------------------------------------


def write() -> None:
    st.markdown("A note of your own, in Markdown, with cards where the ideas are: `Q: ... ^an-id`, an empty line, `A: ...`. Headings that ask something become cards too.")
    title = st.text_input("Title", key="new-title", max_chars=120)
    left, right = st.columns(2)
    text = left.text_area("Note", key="new-text", height=360)
    right.markdown(without_remote_pictures(text) or "*What you write appears here.*")
    if title.strip() and text.strip():
        records = Records(name=title.strip())
        try:
            read_text(records, f"# {title.strip()}\n\n{text}\n", slug=plain_slug(title), file=title.strip())
        except Unreadable as problem:
            st.error(str(problem))
            return
        show_plan(Incoming(title.strip(), records))


# --- take out ---------------------------------------------------------------------------------------------------------------


def take_out() -> None:
    kind = st.selectbox("Format", list(FORMATS), key="out-kind")
    query = st.text_input("Only cards that match", key="out-query", max_chars=500, disabled=kind.startswith("Everything"))
    if st.button("Prepare", key="out-prepare"):
        st.session_state["out"] = prepare(FORMATS[kind], query)
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


def prepare(name: str, query: str) -> tuple[str, bytes, str]:
    place, at = store.sqlite_path(desk.engine()), store.now()
    with tempfile.TemporaryDirectory(dir=place.parent if place else None) as folder, st.spinner("Writing ..."):
        file = Path(folder) / name
        if name.endswith(".attend"):
            write_archive(desk.engine(), file, revision=store.known_revisions()[-1])
            return name, file.read_bytes(), "Every row of the database, for another machine."
        with store.reading(desk.engine()) as session:
            try:
                cards = [c.card for c in find_cards(session, learner=desk.learner(), at=at, query=query, limit=1_000_000)] if query.strip() else None
            except QueryError as wrong:
                return name, b"", str(wrong)
            records = collect(session, learner=desk.learner(), cards=cards, name=name)
            settings = read_settings(session, learner=desk.learner())
        write_path(records, file, at=at, rollover_hour=settings.rollover_hour)
        notices = "".join(f"\n\n{notice}." for notice in records.notices)
        return name, file.read_bytes(), f"**{len(records.cards)}** cards of {len(records.topics)} topics, {len(records.reviews)} reviews.{notices}"


def backup() -> None:
    try:
        path = back_up(desk.engine(), at=store.now())
        say(f"Backed up to {path.name}." if path else "This database has no file to copy.")
    except store.StoreError as problem:
        say(str(problem))


def main() -> None:
    with store.writing(desk.engine()) as session:
        review.follow_content(session, learner=desk.learner(), at=store.now())
    st.title("Library", anchor=False)
    if words := st.session_state.pop("library-said", ""):
        st.info(words)
    parts = {"Browse": browse, "Bring in": bring_in, "Write": write, "Take out": take_out}
    chosen = st.segmented_control("Part", list(parts), default="Browse", key="library-part", label_visibility="collapsed")
    parts[chosen or "Browse"]()


main()
