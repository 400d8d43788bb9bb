"""Text from elsewhere: bytes in some encoding, and text that was once read in a wrong one."""

from __future__ import annotations

import re
import unicodedata

from backend.exchange.records import Unreadable

_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_MISREAD_AS = ("mac_roman", "cp1252", "latin-1")  # what UTF-8 is taken for when nobody says what it is


def decode(data: bytes, name: str) -> tuple[str, list[str]]:
    """The text, with a sentence for everything that had to be guessed or mended."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            try:
                return _mended(data.decode(encoding), name)
            except UnicodeDecodeError:
                break
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        if b"\0" in data:
            raise Unreadable(f"expected text, came binary data: {name}") from None
        text = data.decode("cp1252", "replace")
        mended, notices = _mended(text, name)
        return mended, [f"{name}: not UTF-8, read as Western European (Windows-1252)", *notices]
    if "\0" in text:
        raise Unreadable(f"expected text, came binary data: {name}")
    return _mended(text, name)


def _mended(text: str, name: str) -> tuple[str, list[str]]:
    mended = mend_mojibake(text)
    if mended == text:
        return text, []
    lines = [number for number, (old, new) in enumerate(zip(text.split("\n"), mended.split("\n")), 1) if old != new]
    shown = ", ".join(map(str, lines[:10])) + (" ..." if len(lines) > 10 else "")
    return mended, [f"{name}: garbled characters were mended in line{'s' * (len(lines) > 1)} {shown}"]


def mend_mojibake(text: str) -> str:
    """UTF-8 that was read as another encoding, put right run by run: only where the bytes are whole UTF-8 again."""
    return _FOREIGN.sub(lambda run: _mend_run(run[0]), text)


def _mend_run(run: str) -> str:
    if len(run) < 2:
        return run
    for encoding in _MISREAD_AS:
        try:
            mended = run.encode(encoding).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        if not any(unicodedata.category(letter) in ("Cc", "Cn", "Co") for letter in mended):
            return mended
    return run
