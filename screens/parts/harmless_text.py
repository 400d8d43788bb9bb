"""No text and no name that a learner brought along may send a request to another host when it is looked at."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

_PARSERS = (MarkdownIt("commonmark", {"html": False}), MarkdownIt("commonmark", {"html": False}).enable("table"))  # a table cuts code in two


_DRAWN = re.compile(r"!\[[^\]\[]*\]\(data:image/svg\+xml;base64,[A-Za-z0-9+/=]+\)")  # a lab drew it, and it holds all that it shows
_MARKS = re.compile(r"([\\\[\]*_`$<>#|~:])")


def letter_by_letter(text: str) -> str:
    """For a place where Markdown is drawn: each letter is shown as it is."""
    return _MARKS.sub(r"\\\1", text)


def as_words(name: str, most: int = 160) -> str:
    """A title, a file's name or a message, letter by letter on one line.

    Whoever names a file decides what its name holds; without this a name could be a picture from another host."""
    return letter_by_letter(" ".join(name[:most].split()))


def without_remote_pictures(markdown: str) -> str:
    """Pictures from elsewhere as links: looking at a card sends no request. Those of the library are shown beside the text.

    What a lab has drawn stays: it is whole in the text, and inside a picture nothing runs and nothing is fetched."""
    if "![" not in markdown:
        return markdown
    drawn = _DRAWN.findall(markdown)
    text = "".join(piece for pair in zip(map(_without, _DRAWN.split(markdown)), [*drawn, ""]) for piece in pair)
    return text if all(source.startswith("data:image/svg+xml;base64,") for source in _pictures(text)) else _without(markdown)


def _without(markdown: str) -> str:
    if "![" not in markdown:
        return markdown
    text = re.sub(r"!\[([^\]]*)\]\((?!\s*<?(?:[a-zA-Z][\w+.-]*:)?//)[^)]*\)", r"*(picture: \1)*", markdown)
    text = re.sub(r"!\[([^\]]*)\]\(\s*<?((?:[a-zA-Z][\w+.-]*:)?//[^)\s>]*)>?[^)]*\)", r"[\1 (picture elsewhere)](\2)", text)
    return text.replace("![", "!\\[") if "![" in text and _pictures(text) else text  # what is spelled in other ways is no picture at all


def _pictures(markdown: str) -> list[str]:
    """Where the pictures of a text come from."""
    if "![" not in markdown:
        return []
    tokens = [token for parser in _PARSERS for token in parser.parse(markdown)]
    return [str(child.attrGet("src")) for token in tokens for child in token.children or () if child.type == "image"]
