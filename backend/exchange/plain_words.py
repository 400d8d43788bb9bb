"""Texts that need no parser: one line of words, some of them bold or slanted.

Most cards of most decks are such texts. As HTML, as Markdown and read aloud they differ only in the marks around words, so a
pattern takes them from one to another; the parsers need fifty times as long to find the same. What is not certainly of this
kind is left to the parsers.
"""

from __future__ import annotations

import re

from backend.cards import Card, write_card
from backend.markup import plain
from backend.questions import Form, Question

_PLAIN = re.compile(r"[^<>&\\`*_$#\[\]|~=!\"^{}\x00-\x1f\x7f]*")  # nothing in it means anything, in HTML or in Markdown
_OPENS = re.compile(r"\s|[-+>:]|\d{1,9}[.)]|[QCA]:|aka:|tags:|points:")
# Only where each mark has a word on its inner side and a space or the end of a sentence on the other: there all parsers agree.
_WORDS = r"(?=[^\W_])([^<>&\\`*_$#\[\]|~=!\"^{}\x00-\x1f\x7f]*)(?<=[^\W_])"
_MARKED = re.compile(rf"(?:^|(?<=[ (]))(\*\*?){_WORDS}\1(?=[ .,;:?)]|$)")
_TAGGED = re.compile(rf"(?:^|(?<=[ (]))<(b|strong|i|em)>{_WORDS}</\1>(?=[ .,;:?)]|$)")
_MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*"}
_TAGS = {"**": "strong", "*": "em"}


def is_plain(text: str) -> bool:
    """Does it read the same as HTML, as Markdown and as itself?"""
    return bool(_PLAIN.fullmatch(text)) and not _OPENS.match(text) and text == " ".join(text.split()) and "://" not in text


def words_of(markdown: str) -> str | None:
    """The text without its marks; None where only a parser can tell."""
    if "*" in markdown:
        markdown = _MARKED.sub(r"\2", markdown)
    return markdown if is_plain(markdown) else None


def read_aloud(markdown: str) -> str:
    """`markup.plain`, quickly where it can be."""
    words = words_of(markdown)
    return plain(markdown) if words is None else words


def quick_html(markdown: str) -> str | None:
    if words_of(markdown) is None:
        return None
    return _MARKED.sub(lambda found: f"<{_TAGS[found[1]]}>{found[2]}</{_TAGS[found[1]]}>", markdown) if "*" in markdown else markdown


def quick_markdown(html: str) -> str | None:
    if "<" not in html:
        return html if is_plain(html) else None
    if not is_plain(_TAGGED.sub(r"\2", html)):
        return None
    return _TAGGED.sub(lambda found: f"{_MARKS[found[1]]}{found[2]}{_MARKS[found[1]]}", html)


def written(card: Card) -> str:
    """`write_card`, which reads what it wrote to be sure of it, and here need not."""
    question = card.question
    if not _is_simple(card):
        return write_card(card)
    tags = f"\ntags: {'; '.join(card.tags)}" if card.tags else ""
    return f"Q: {question.prompt} ^{card.id}{tags}\n\nA: {question.answer}\n"


def searched(question: Question) -> str | None:
    """The words that a search looks at, of a question and answer in prose; None for any other form."""
    if question.form is not Form.PROSE:
        return None
    return "\n".join(text for text in map(read_aloud, (question.prompt, question.answer)) if text)


def _is_simple(card: Card) -> bool:
    question = card.question
    if question.form is not Form.PROSE or card.aka or question.points or not question.prompt or not question.answer:
        return False
    simple = words_of(question.prompt) is not None and words_of(question.answer) is not None
    return simple and all(tag and is_plain(tag) and ";" not in tag and "," not in tag for tag in card.tags)
