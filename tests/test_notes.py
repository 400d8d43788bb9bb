"""Notes: what a screen and the search get from one, what is reported, and what hostile text can do (nothing)."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.cards import write_card
from backend.markup import Link
from backend.notes import (
    LARGEST_NOTE,
    Callout,
    CardPart,
    Erratum,
    Mistake,
    Note,
    Prose,
    Track,
    check_tree,
    linked,
    plain,
    read_note,
    read_tracks,
    read_tree,
    slugify,
    write_note,
)
from backend.questions import Form
from tests.conftest import LONG

CONTENT = Path(__file__).parent.parent / "content"
NOTES = sorted(CONTENT.glob("*/*.md"))

FRONT = '---\ntitle: A title\naliases: [one, "two, three", 注意力]\nneeds: [first]\nlabs: []\nsources:\n  - "Somebody: 2017"\n---\n'
BODY = """
Lead with $x$ and [[other]].

## Why

Because.

Q: Why? ^n-q01

A: So.

More prose, [[other|words]] and [[other#Its part]].

> [!erratum]
> Said: The earth is
> flat.
> Right: It is round.
> Source: Eratosthenes

### Deeper

> [!tip] Look
> Up, **now**.
>
> - really

## Why

Q: How many? ^n-q02

A: = 8 ± 1

An explanation.

***

Prose after the explanation.
"""


def read(text: str | bytes) -> tuple[Note | None, list[Mistake]]:
    return read_note(text, slug="n", track="t", path="t/n.md")


def good(text: str | bytes) -> Note:
    note, mistakes = read(text)
    assert [str(mistake) for mistake in mistakes] == []
    assert note is not None
    return note


def complaints(text: str | bytes) -> list[str]:
    return [str(mistake) for mistake in read(text)[1]]


# -- what a note holds


def test_front_matter():
    note = good(FRONT + BODY)
    assert (note.slug, note.track, note.title, note.path) == ("n", "t", "A title", "t/n.md")
    assert (note.aliases, note.needs, note.labs, note.sources) == (("one", "two, three", "注意力"), ("first",), (), ("Somebody: 2017",))


def test_parts_come_in_the_order_of_the_page():
    parts = good(FRONT + BODY).parts
    question, number = (part.card for part in parts if isinstance(part, CardPart))
    assert parts == (
        Prose("Lead with $x$ and [[other]].", "top"),
        Prose("## Why\n\nBecause.", "why"),
        CardPart(question),
        Prose("More prose, [[other|words]] and [[other#Its part]].", "why"),
        Erratum("The earth is flat.", "It is round.", "Eratosthenes", "why"),
        Prose("### Deeper", "deeper"),
        Callout("tip", "Look", "Up, **now**.\n\n- really", "deeper"),
        Prose("## Why", "why-2"),
        CardPart(number),
        Prose("Prose after the explanation.", "why-2"),
    )
    assert [part.line for part in parts if isinstance(part, Prose)] == [10, 12, 20, 28, 35, 45]
    assert (question.section, question.line, number.section, number.line) == ("why", 16, "why-2", 37)
    assert number.question.answer == "An explanation."


def test_sections_have_paths_prose_and_their_place_in_the_text():
    note = good(FRONT + BODY)
    assert [(section.anchor, section.path, section.level) for section in note.sections] == [
        ("top", (), 0), ("why", ("Why",), 2), ("deeper", ("Why", "Deeper"), 3), ("why-2", ("Why",), 2),
    ]  # fmt: skip
    why = note.sections[1]
    assert why.markdown == "Because.\n\nMore prose, [[other|words]] and [[other#Its part]]."
    assert why.plain == "Because.\nMore prose, words and Its part."
    assert note.text[why.start : why.end] == BODY[BODY.index("## Why") : BODY.index("### Deeper")]
    assert note.sections[2].plain == "Look\nUp, now.\nreally"


def test_links_have_their_lines():
    links = good(FRONT + BODY + "\n`[[code]]` $[[math]]$ \\[[escaped]]\n\n- in a list [[#Why]]\n").links
    assert [(link.slug, link.section, link.words, link.line) for link in links] == [
        ("other", "", "", 10), ("other", "", "words", 20), ("other", "Its part", "", 20), ("", "Why", "", 49),
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_change_nothing_but_offsets(ending: str, mark: str):
    text = mark + (FRONT + BODY).replace("\n", ending)
    note = good(text.encode())
    assert note == good(FRONT + BODY)
    assert note.text == text
    assert [note.text[section.start : section.end].split(ending)[0] for section in note.sections[1:]] == ["## Why", "### Deeper", "## Why"]
    assert note.sections[-1].end == len(text)


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_shipped_notes_are_whole(path: Path):
    """Sections cover the text without gaps, nothing is lost between the parts, and writing gives the same note back."""
    note, mistakes = read_note(path.read_bytes(), slug=path.stem, track=path.parent.name, path=path.name)
    assert [str(mistake) for mistake in mistakes] == []
    assert note is not None
    assert all(one.end == two.start for one, two in zip(note.sections, note.sections[1:]))
    assert note.sections[-1].end == len(note.text)
    assert len({section.anchor for section in note.sections}) == len(note.sections)
    written = write_note(note)
    again, _ = read_note(written, slug=note.slug, track=note.track, path="")
    assert again is not None
    assert again == note
    assert body_words(again) == body_words(note)


def body_words(note: Note) -> list[str]:
    """Every word below the front matter but numbers, marks and the rules of tables, whose spelling may change."""
    return sorted(word for word in note.text[note.sections[0].start :].split() if any(map(str.isalpha, word)) and not any(map(str.isdigit, word)))


# -- mistakes


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("title: [a", "t/n.md:2: expected front matter in YAML, came"),
        ("title: &a x\naliases: [*a]", "t/n.md:2: expected plain text or a list of plain texts, came an anchor or a tag"),
        ("title: x\naliases: [*a, *a]", "t/n.md:3: expected plain text or a list of plain texts, came an alias (*)"),
        ("title: x\nsources: [a: b]", "t/n.md:3: expected plain text or a list of plain texts, came a mapping (a colon inside?)"),
        ("title: x\naliases: [[a]]", "t/n.md:3: expected plain text or a list of plain texts, came a list in a list"),
        ("title: !!python/object:os.system x", "t/n.md:2: expected plain text or a list of plain texts, came an anchor or a tag"),
        ("- a\n- b", "t/n.md:2: expected front matter of lines such as title: ..., came something else"),
        ("title: x\ntitle: y", "t/n.md:3: expected title once, came twice"),
        ("title: \x01", "t/n.md:2: expected front matter in YAML, came"),
    ],
)
def test_broken_front_matter_leaves_no_note(front: str, said: str):
    note, mistakes = read(f"---\n{front}\n---\n\nProse.")
    assert note is None
    assert len(mistakes) == 1
    assert str(mistakes[0]).startswith(said)


def test_front_matter_that_never_ends():
    assert read("---\ntitle: x\n\nProse.") == (None, [Mistake("t/n.md", 1, "front matter that ends in a line ---", "none")])


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("aliases: [a]", "t/n.md:1: expected a title in the front matter, came none"),
        ("title: x\nneeds: one", "t/n.md:3: expected needs as a list, [one, another], came “one”"),
        ("title: x\nlevel: 3", "t/n.md:3: expected title, aliases, needs, labs, sources, came “level”"),
        ("title: x\nneeds: [Not Kebab]", "t/n.md:3: expected a slug of lower-case letters, digits and hyphens under needs, came “Not Kebab”"),
        ("title: [x, y]", "t/n.md:2: expected one title, came a list"),
    ],
)
def test_odd_front_matter_is_reported_and_the_note_is_used(front: str, said: str):
    note, mistakes = read(f"---\n{front}\n---\n\nProse.")
    assert note is not None
    assert [str(mistake) for mistake in mistakes] == [said]
    assert note.parts == (Prose("Prose."),)


def test_a_note_without_front_matter_goes_by_its_slug():
    note, mistakes = read("Prose.")
    assert note is not None
    assert note.title == "n"
    assert [str(mistake) for mistake in mistakes] == ["t/n.md:1: expected front matter with a title between two lines ---, came “Prose.”"]


def test_yaml_that_would_grow_without_bound_is_refused_at_once():
    laughs = "a: &a [" + ", ".join(["lol"] * 9) + "]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    start = time.process_time()
    assert read(f"---\n{laughs}---\n")[0] is None
    assert time.process_time() - start < 0.5


def test_an_erratum_needs_its_three_lines():
    assert complaints(FRONT + "> [!erratum]\n> Said: x\n> Source: y\n") == [
        "t/n.md:9: expected an erratum of three lines, Said:, Right: and Source:, came none or an empty Right:"
    ]


def test_mistakes_of_all_kinds_come_together_in_the_order_of_lines():
    text = FRONT + "Costs $5.\n\nQ: Why?\n\nA: So.\n\n> [!erratum]\n> Said: x\n\nQ: a ^n-a\n\nA: b.\n\nQ: a ^n-a\n\nA: b.\n"
    note, mistakes = read(text)
    assert note is not None
    assert [card.id for card in note.cards] == ["n-a"]
    assert [mistake.line for mistake in mistakes] == [9, 11, 15, 22]


def test_a_note_that_is_too_large_is_refused_with_its_size():
    fits = FRONT + "x" * (LARGEST_NOTE - len(FRONT.encode()))
    assert read(fits)[0] is not None
    assert read(fits + "é") == (None, [Mistake("t/n.md", 1, "a note of at most 100 KB; split it into two topics", "100 KB")])
    assert complaints(b"x" * 10**7) == ["t/n.md:1: expected a note of at most 100 KB; split it into two topics, came 10000 KB"]


def test_bytes_that_are_no_utf8_are_reported_with_their_line():
    note, mistakes = read(FRONT.encode() + b"fine\n\nB\xfcro\n")
    assert note is not None
    assert [str(mistake) for mistake in mistakes] == ["t/n.md:11: expected text in UTF-8, came the byte 0xfc"]


def test_html_and_scripts_are_text():
    note = good(FRONT + "<script>alert('Q: x ^y')</script>\n\n<div>\n\nQ: <b>Why</b>? ^n-q\n\nA: <img src=x onerror=y>\n\n</div>")
    assert [card.question.answer for card in note.cards] == ["<img src=x onerror=y>"]
    assert note.sections[0].plain == "<script>alert('Q: x ^y')</script>\n<div>\n</div>"


def test_odd_characters_are_kept():
    note = good(FRONT + "## مرحبا بالعالم\n\nنص \u202e and \ufffd 🙂\n\n## 为什么\n")
    assert [section.anchor for section in note.sections] == ["top", "مرحبا-بالعالم", "为什么"]
    assert good(FRONT + "a\0b").parts == (Prose("a\ufffdb"),)


def test_an_unclosed_fence_takes_the_rest_as_code_and_says_so():
    note, mistakes = read(FRONT + "```\nQ: Why? ^n-q\n\nA: $5\n\n## No heading\n")
    assert [mistake.came for mistake in mistakes] == ["the end of the note"]
    assert note.cards == ()
    assert len(note.sections) == 1


# -- robustness


@given(st.text(max_size=400))
def test_no_text_raises(text: str):
    note, mistakes = read(text)
    assert mistakes or note
    read(FRONT + text)


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes):
    assert read(data)[1]


EDITS = [
    "",
    "\n\n",
    "\n",
    "$",
    "==",
    "```\n",
    "> ",
    "> [!erratum]\n",
    "- [x] ",
    "A:\n\n",
    "Q: ",
    "    ",
    "^",
    "***\n",
    "\t",
    "\\",
    "---\n",
    "# ",
    "[[",
    "|",
    "\r",
    "\0",
    "&a ",
]


@given(st.sampled_from(NOTES), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(EDITS)), max_size=5))
def test_a_damaged_note_still_reads_and_covers_its_text(path: Path, edits: list[tuple[float, int, str]]):
    text = path.read_bytes().decode()
    for where, cut, put in edits:
        at = int(where * len(text))
        text = text[:at] + put + text[at + cut :]
    note, mistakes = read(text)
    assert note or mistakes
    if note:
        assert all(one.end == two.start for one, two in zip(note.sections, note.sections[1:]))
        assert note.sections[-1].end == len(text)
        again, _ = read(write_note(note))
        assert again is not None
        assert again.parts == note.parts
        assert again == replace(note, links=again.links)  # those of a card that was left out are lost with it


PIECES = [
    *("> ", "- ", "* ", "1. ", "- > ", "[", "[[", "![", "(", "[a](", "*", "**", "*a_ ", "`", "`` a ` ", "```\n", "$", "$$ x\n", "- $$ x\n", "$a ", "\\$"),
    *("==a ", "$==", "[[a|", "| a |\n", "a|b\n-|-\n", "- a\n\n", "- a\n  - ", "Q: a ^b\n\n", "A:\n\n", "C: ==a== ^b\n\n", "***\n", "# \n", "a\n# a\n", "\t"),
    *("&amp;", "<a ", "<!-- ", "~~a ", "\r", "\0", "> [!erratum]\n", "> [!note] x\n> y\n\n", "$\\frac{", "aka: ;\n", '"a" | ', "*_*_", "{"),
]  # fmt: skip


SLOWEST = ["![", "[", "- a\n\n", "# \n", "a\n# a\n", "a|b\n-|-\n", "- $$ x\n", "==a ", "*_*_"]
HEADS = ["", FRONT + "Q: ^a\n\nA:\n\n", FRONT + "C: ", "---\na: [", "> "]


@pytest.mark.parametrize(("head", "pieces"), [(head, PIECES) for head in HEADS] if LONG else [("", SLOWEST)])
def test_hostile_text_is_read_in_two_seconds(head: str, pieces: list[str]):
    """100 KB of one piece over and over: the slowest of them always, all of them among the long tests."""
    for piece in pieces:
        text = (head + piece * LARGEST_NOTE).encode()[:LARGEST_NOTE]
        start = time.process_time()
        read(text)
        assert time.process_time() - start < 2, piece


# -- plain text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**Bold**, _it_, ~~out~~, `code` and [a link](http://x.y).", "Bold, it, out, code and a link."),
        ("$\\sqrt{d_k}$ and $\\frac{QK^\\top}{\\sqrt{d_k}}$", "sqrt(d_k) and (QK^T)/sqrt(d_k)"),
        ("$$\n\\mathrm{Var}(q)=\\sum_{i=1}^{d_k} E[q_i^2] \\le 1\n$$", "Var(q)= sum_(i=1)^(d_k) E[q_i^2] ≤ 1"),
        ("$\\theta_i = 10000^{-2i/d}$, $x \\in \\mathbb{R}^{n\\times d}$", "theta_i = 10000^(-2i/d), x ∈ R^(n × d)"),
        ("$W_{\\mathrm{out}} \\hat{y}^\\top f'$", "W_out y hat^T f'"),
        ("$\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}$", "a b c d"),
        ("| a | b |\n|---|---|\n| $x$ | **y** |", "a; b\nx; y"),
        ("# Head\n\n- one\n  two\n- three", "Head\none two\nthree"),
        ("[[self-attention-qkv]], [[a|words]], [[#Part]]", "self attention qkv, words, Part"),
        ("```python\nx = 1\n```", "x = 1"),
        ("A ==gap== for \\$5 &amp; <b>", "A gap for $5 & <b>"),
        ("![a picture](x.png)", "a picture"),
    ],
)
def test_plain_text(markdown: str, text: str):
    assert plain(markdown) == text


@given(st.text(max_size=200), st.text(alphabet="\\{}^_$ frac sqrt abc12&~[]", max_size=200))
def test_plain_text_never_raises(text: str, formula: str):
    assert isinstance(plain(text), str)
    assert "\n" not in plain(f"${formula.strip() or 'x'}$".replace("\n", " "))


def test_deep_formulas_end():
    assert isinstance(plain("$" + "\\frac{" * 20_000 + "x" + "}" * 20_000 + "$"), str)
    assert isinstance(plain("$" + "\\sqrt" * 20_000 + "^" * 20_000 + "$"), str)


def test_slugs():
    assert [slugify(text) for text in ["Why it is needed", "`top-p` & QK-norm?", "  ", "为什么", "Résumé"]] == [
        "why-it-is-needed", "top-p-qk-norm", "", "为什么", "résumé",
    ]  # fmt: skip


# -- links

TITLES = {"a-b": "A title", "c": "See [this]"}


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("See [[a-b]].", "See [A title](/read?topic=a-b)."),
        ("[[a-b|these **words**]]", "[these **words**](/read?topic=a-b)"),
        ("[[a-b#How it works]]", "[A title: How it works](/read?topic=a-b#how-it-works)"),
        ("[[#Why]]", "[Why](#why)"),
        ("[[c]]", "[See \\[this\\]](/read?topic=c)"),
        ("[[nowhere]] and [[nowhere|there]]", "nowhere (no such topic) and there (no such topic)"),
        ("`[[a-b]]` and $[[a-b]]$ and \\[[a-b]] and [[a-b]]", "`[[a-b]]` and $[[a-b]]$ and \\[[a-b]] and [A title](/read?topic=a-b)"),
        ("```\n[[a-b]]\n```\n\n    [[a-b]]\n\n$$\n[[a-b]]\n$$", "```\n[[a-b]]\n```\n\n    [[a-b]]\n\n$$\n[[a-b]]\n$$"),
        ("> - one [[a-b]]\n>   two [[a-b]] `[[a-b]]` [[a-b]]", "> - one {0}\n>   two {0} `[[a-b]]` {0}".format("[A title](/read?topic=a-b)")),
        ("| `[[a-b]]` | [[a-b\\|w]] | [[a-b]] |\n|-|-|-|\n", "| `[[a-b]]` | [w](/read?topic=a-b) | [A title](/read?topic=a-b) |\n|-|-|-|\n"),
        ("**[[a-b]]** and ==[[a-b]]==", "**[A title](/read?topic=a-b)** and ==[A title](/read?topic=a-b)=="),
        ("No links here.\r\n", "No links here.\r\n"),
    ],
)
def test_wikilinks_become_links(markdown: str, text: str):
    assert linked(markdown, TITLES.get) == text


@given(st.text(alphabet="[]|#ab `$\\\n>-*=!()", max_size=80))
def test_linking_never_raises_and_leaves_other_text(text: str):
    done = linked(text, TITLES.get)
    assert done.count("\n") == text.count("\n")
    if "[[" not in text:
        assert done == text


# -- between notes


def small(slug: str, *, needs: tuple[str, ...] = (), body: str = "", path: str = "") -> Note:
    front = f"---\ntitle: {slug}\nneeds: [{', '.join(needs)}]\nlabs: [{slug}-lab]\n---\n"
    note, mistakes = read_note(front + body, slug=slug, track="t", path=path or f"t/{slug}.md")
    assert mistakes == []
    assert note is not None
    return note


def test_a_tree_in_order_has_nothing_to_report():
    notes = [small("a", body="[[b#Why]]"), small("b", needs=("a",), body="## Why\n\n[[a]] [[#Why]]")]
    assert check_tree(notes, labs=["a-lab", "b-lab"]) == ([], [])


def test_labs_not_built_are_told_apart():
    mistakes, unbuilt = check_tree([small("a"), small("b")], labs={"b-lab"})
    assert mistakes == []
    assert [str(each) for each in unbuilt] == ["t/a.md:1: expected labs that are built, came a-lab"]


def test_what_points_nowhere_is_named_with_its_line():
    note = small("a", needs=("gone",), body="\n[[lost]]\n\n[[a#No part]]\n")
    assert [str(mistake) for mistake in check_tree([note], labs=["a-lab"])[0]] == [
        "t/a.md:1: expected a topic that exists under needs, came gone",
        "t/a.md:7: expected a link to a topic that exists, came [[lost]]",
        "t/a.md:9: expected a link to a section that exists, came [[a#No part]]",
    ]


def test_slugs_and_ids_that_appear_twice_name_both_places():
    card = "\nQ: Why? ^same\n\nA: So.\n"
    notes = [small("a", body=card), small("b", body=card), small("a", path="u/a.md")]
    assert [str(mistake) for mistake in check_tree(notes, labs=["a-lab", "b-lab"])[0]] == [
        "t/b.md:7: expected an id of its own, came ^same, which t/a.md:7 has",
        "u/a.md:1: expected a slug of its own, came a, which t/a.md has",
    ]


def test_circles_of_prerequisites_are_named_once():
    notes = [small("a", needs=("b",)), small("b", needs=("c",)), small("c", needs=("a", "d")), small("d", needs=("d",)), small("e", needs=("a",))]
    circles = [mistake.came for mistake in check_tree(notes, labs=[f"{slug}-lab" for slug in "abcde"])[0]]
    assert circles == ["a -> b -> c -> a", "d -> d"]


def test_a_long_chain_of_prerequisites_is_no_circle():
    notes = [small(f"n{place}", needs=(f"n{place + 1}",) if place < 2999 else ()) for place in range(3000)]
    assert check_tree(notes, labs=[f"n{place}-lab" for place in range(3000)])[0] == []


def test_notes_come_in_the_order_of_their_tracks(tmp_path: Path):
    folder = tmp_path / "content"
    for place in ("two/z", "two/extra", "one/b", "one/a"):
        path = folder / f"{place}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"---\ntitle: {path.stem}\n---\n", encoding="utf-8")
    (folder / "one" / "broken.md").write_text("---\ntitle: [\n---\n", encoding="utf-8")
    (folder / "tracks.yaml").write_text("- {slug: one, title: One, topics: [b, a]}\n- {slug: two, title: Two, topics: [z]}\n", encoding="utf-8")
    assert read_tracks(folder) == [Track("one", "One", ("b", "a")), Track("two", "Two", ("z",))]
    notes, mistakes = read_tree(folder)
    assert [(note.track, note.slug, note.path) for note in notes] == [
        ("one", "b", "content/one/b.md"), ("one", "a", "content/one/a.md"), ("two", "z", "content/two/z.md"), ("two", "extra", "content/two/extra.md"),
    ]  # fmt: skip
    assert [mistake.path for mistake in mistakes] == ["content/one/broken.md"]


def test_a_callout_after_an_open_answer_is_kept_out_of_it():
    note = good(FRONT + "Q: How many? ^n-a\n\nA: = 8\n\n***\n\n> [!note]\n> Not the explanation.\n\nQ: Name? ^n-b\n\nA:\n\nOne.\n\nTwo.\n\n## Next\n")
    assert note.cards[0].question.form is Form.NUMBER
    assert note.cards[0].question.answer == ""
    again = good(write_note(note))
    assert again == note
    assert write_card(note.cards[1]).rstrip() in write_note(note)


def test_links_compare_by_what_they_say():
    assert Link("a", line=3) == Link("a", line=9)


def test_a_fence_that_is_never_closed_is_reported_and_a_closed_one_is_not():
    closed = "---\ntitle: T\n---\n\nText.\n\n```python\nx = 1\n```\n"
    _, mistakes = read_note(closed, slug="t", track="x", path="x/t.md")
    assert mistakes == []
    _, mistakes = read_note(closed.removesuffix("```\n"), slug="t", track="x", path="x/t.md")
    assert [(mistake.line, mistake.came) for mistake in mistakes] == [(7, "the end of the note")]
