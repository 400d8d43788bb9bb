"""No text that a learner brought along may send a request to another host when it is looked at."""

from __future__ import annotations

import re


def without_remote_pictures(markdown: str) -> str:
    """Pictures from elsewhere as links: looking at a card sends no request. Those of the library are shown below the text."""
    markdown = re.sub(r"!\[([^\]]*)\]\((?!\s*<?(?:[a-zA-Z][\w+.-]*:)?//)[^)]*\)", r"*(picture: \1)*", markdown)
    return re.sub(r"!\[([^\]]*)\]\(\s*<?((?:[a-zA-Z][\w+.-]*:)?//[^)\s>]*)>?[^)]*\)", r"[\1 (picture elsewhere)](\2)", markdown)
