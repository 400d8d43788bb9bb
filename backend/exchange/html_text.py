"""HTML from elsewhere as Markdown of ours, and our Markdown as HTML for programs that want it.

What comes in is cleaned by nh3 first (no scripts, no event handlers, no `javascript:`), and remote pictures become links, so
that a card never sends a request.
"""

from __future__ import annotations

import re
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import unquote

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from backend.exchange.plain_words import quick_html, quick_markdown

_TAGS = {
    "a", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol",
    "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "tt", "u", "ul",
}  # fmt: skip
_CLEANER = nh3.Cleaner(tags=_TAGS, attributes={"a": {"href"}, "img": {"src", "alt"}}, url_schemes={"http", "https", "mailto"}, link_rel=None)
_MATH = re.compile(
    r"\\\((?P<inline>.+?)\\\)|\\\[(?P<block>.+?)\\\]|\[\$\](?P<old>.+?)\[/\$\]|\[\$\$\](?P<oldblock>.+?)\[/\$\$\]|\[latex\](?P<latex>.+?)\[/latex\]", re.DOTALL
)
_SOUND = re.compile(r"\[sound:([^\]\n]{1,300})\]")
_MARKS = re.compile(r"([\\`*_$\[\]|~<])|(==)|(?<!\S)(#{1,6})(?=\s|$)|(\^)(?=\S+$)", re.MULTILINE)
LARGEST_FIELD = 1_000_000


def clean(html: str) -> str:
    """The same without anything that acts or calls home."""
    return _CLEANER.clean(html[:LARGEST_FIELD])


def to_markdown(html: str) -> str:
    quick = quick_markdown(html)
    if quick is not None:
        return quick
    formulas: list[str] = []

    def keep(found: re.Match[str]) -> str:
        formulas.append(_formula(found))
        return f"\ue000{len(formulas) - 1}\ue001"

    html = _MATH.sub(keep, html.replace("\ue000", "").replace("\ue001", ""))
    html = _SOUND.sub(lambda found: f'<a href="{escape(found[1])}">{escape(found[1])}</a>', html)
    reader = _Reader()
    reader.feed(clean(html))
    reader.close()
    text = re.sub(r"\ue000(\d+)\ue001", lambda found: formulas[int(found[1])], reader.text())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()


def _formula(found: re.Match[str]) -> str:
    inner = next(text for text in found.groups() if text is not None)
    inner = unescape(re.sub(r"<br\s*/?>|</?div>", "\n", re.sub(r"</?(?:b|i|u|span|em|strong)[^>]*>", "", inner))).strip()
    inner = re.sub(r"^\$+|\$+$", "", inner).strip()
    if found["block"] is not None or found["oldblock"] is not None:
        return f"\n\n$$\n{inner}\n$$\n\n"
    return f"${' '.join(inner.split())}$"


class _Reader(HTMLParser):
    """Writes Markdown while it reads cleaned HTML."""

    _AROUND = {"b": "**", "strong": "**", "i": "*", "em": "*", "s": "~~", "del": "~~"}
    _BREAKS = {"p", "div", "blockquote", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6"}

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.lists: list[list[object]] = []  # kind and number
        self.pre = False
        self.code = False
        self.links: list[str] = []
        self.rows: list[list[str]] | None = None
        self.cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "table" and self.rows is None:
            self.rows = []
        elif tag == "tr" and self.rows is not None:
            self.rows.append([])
        elif tag in ("td", "th") and self.rows is not None:
            self.cell = self.out
            self.out = []
        elif tag == "br":
            self.put("\n" if self.pre else " " if self.cell is not None else "\\\n" if not self.lists else " ")
        elif tag == "hr":
            self.put("\n\n---\n\n")
        elif tag == "img":
            self.picture(told.get("src", ""), told.get("alt", ""))
        elif tag == "a":
            self.links.append(told.get("href", ""))
            self.put("[" if self.links[-1] else "")
        elif tag in ("ul", "ol"):
            self.lists.append([tag, 0])
            self.put("\n\n" if len(self.lists) == 1 else "\n")
        elif tag == "li":
            self.item()
        elif tag == "pre":
            self.pre = True
            self.put("\n\n```\n")
        elif tag in ("code", "tt") and not self.pre:
            self.code = True
            self.put("`")
        elif tag in self._AROUND and not self.pre:
            self.put(self._AROUND[tag])
        elif tag in self._BREAKS and not self.lists:
            self.put(" " if self.cell is not None else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table" and self.rows is not None:
            rows, self.rows = self.rows, None
            self.put(_table(rows))
        elif tag in ("td", "th") and self.cell is not None and self.rows is not None:
            words, self.out, self.cell = "".join(self.out), self.cell, None
            if self.rows:
                self.rows[-1].append(" ".join(words.split()))
        elif tag == "a" and self.links:
            target = self.links.pop()
            self.put(f"]({_target(target)})" if target else "")
        elif tag in ("ul", "ol") and self.lists:
            self.lists.pop()
            self.put("\n\n" if not self.lists else "")
        elif tag == "pre":
            self.pre = False
            self.put("\n```\n\n")
        elif tag in ("code", "tt") and self.code:
            self.code = False
            self.put("`")
        elif tag in self._AROUND and not self.pre:
            self.put(self._AROUND[tag])
        elif tag in self._BREAKS and not self.lists:
            self.put(" " if self.cell is not None else "\n\n")

    def handle_data(self, data: str) -> None:
        if self.pre or self.code:
            self.put(data.replace("```", "'''") if self.pre else data.replace("`", "'"))
            return
        self.put(escaped(re.sub(r"\s+", " ", data.replace("\xa0", " "))))

    def put(self, text: str) -> None:
        self.out.append(text)

    def item(self) -> None:
        if not self.lists:
            self.lists.append(["ul", 0])
        kind, number = self.lists[-1]
        assert isinstance(number, int)
        self.lists[-1][1] = number + 1
        marker = f"{number + 1}." if kind == "ol" else "-"
        self.put(f"\n{'   ' * (len(self.lists) - 1)}{marker} ")

    def picture(self, source: str, words: str) -> None:
        words = re.sub(r"[\[\]\n]", " ", words)
        if re.match(r"(?:[a-z][a-z0-9+.-]*:)?//", source, re.IGNORECASE):
            self.put(f"[{words or 'picture elsewhere'}]({_target(source)})")
        elif source and not source.startswith("data:"):
            self.put(f"![{words}]({_target(unquote(source))})")

    def text(self) -> str:
        lines = []
        inside = False
        for line in "".join(self.out).split("\n"):
            inside ^= line.startswith("```")
            bare = line if inside or re.match(r"\s*(?:-|\d+\.) ", line) else line.strip(" ")
            lines.append("" if bare == "\\" else bare)
        return re.sub(r"\\\n(?=\n|\Z)", "\n", re.sub(r"\n+\\\n", "\n\n", "\n".join(lines))).removesuffix("\\")


def escaped(text: str) -> str:
    """Text as Markdown that shows these very characters."""
    text = _MARKS.sub(lambda found: "\\=\\=" if found[2] else "\\" + found[0], text)
    text = text.replace("![", "!\\[")
    if re.match(r"[-+>](?=\s|$)|[QCA]:|(?:aka|tags|points):|---", text):
        return "\\" + text if text[0] in "-+>" else text.replace(":", "\\:", 1)
    return re.sub(r"^(\d{1,9})([.)])(?=\s|$)", r"\1\\\2", text)


def _target(address: str) -> str:
    address = address.strip().replace("\n", "").replace("<", "%3C").replace(">", "%3E")
    return f"<{address}>" if re.search(r"[\s()]", address) else address


def _table(rows: list[list[str]]) -> str:
    rows = [row for row in rows if row]
    if not rows:
        return ""
    width = max(map(len, rows))
    lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in rows]
    return "\n\n" + "\n".join([lines[0], "|" + "---|" * width, *lines[1:]]) + "\n\n"


# -- Markdown as HTML ----------------------------------------------------------------------------------------------------


def media_name(name: str) -> str:
    """An attachment's name without folders, as Anki keeps them all in one."""
    return re.sub(r"[\\/:*?\"<>|\x00-\x1f]", "_", name).lstrip(".")[:120] or "file"


class _Html(RendererHTML):
    """Formulas in the brackets that Anki and MathJax read."""

    def math_inline(self, tokens: list[Token], at: int, options: object, env: object) -> str:
        return f"\\({escape(tokens[at].content, quote=False)}\\)"

    def image(self, tokens, at, options, env) -> str:  # type: ignore[no-untyped-def,override]
        source, words = unquote(str(tokens[at].attrGet("src") or "")), tokens[at].content
        if "://" in source or source.startswith("//"):
            return f'<a href="{escape(source)}">{escape(words or source)}</a>'
        return f'<img src="{escape(media_name(source))}" alt="{escape(words)}">'

    def math_block(self, tokens: list[Token], at: int, options: object, env: object) -> str:
        return f"\\[{escape(tokens[at].content.strip(), quote=False)}\\]\n"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}, renderer_cls=_Html).enable(["table", "strikethrough"])
    parser.disable(["reference", "lheading"])
    parser.use(dollarmath_plugin, allow_labels=False, double_inline=False)
    # the plugin writes its own <span>s: ours stand in their place
    for name in ("math_inline", "math_block", "image"):
        parser.add_render_rule(name, getattr(_Html, name))
    return parser


_PARSER = _parser()


def to_html(markdown: str) -> str:
    quick = quick_html(markdown)
    if quick is not None:
        return quick
    html = _PARSER.render(markdown).strip()
    return html[3:-4] if html.startswith("<p>") and html.endswith("</p>") and html.count("<p>") == 1 else html
