"""Archives from strangers: opened only so far as their own claims and our limits agree.

Nothing is ever unpacked to a path that the archive names. What is asked for is read into memory, counted while it grows, so
that neither a false size in the directory nor a bomb inside a bomb can take more than the limit.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from backend.exchange.records import Unreadable

LARGEST_FILE = 2_000_000_000  # bytes on disk
LARGEST_TOTAL = 4_000_000_000  # bytes unpacked, all members together
LARGEST_MEMBER = 2_000_000_000
LARGEST_RATIO = 200  # unpacked to packed; text and databases reach 20
SMALL = 1_000_000  # below that any ratio is harmless
MOST_MEMBERS = 200_000
CHUNK = 1 << 20
_LINK = 0o120000


class Archive:
    """A zip file whose directory has been checked. `read` gives a member's bytes, `names` the plain files in it."""

    def __init__(self, path: Path, *, limit: int = LARGEST_TOTAL) -> None:
        if path.is_symlink() or not path.is_file():
            raise Unreadable(f"expected a file, came {'a link' if path.is_symlink() else 'nothing'}: {path.name}")
        if path.stat().st_size > LARGEST_FILE:
            raise Unreadable(f"expected at most {LARGEST_FILE:,} bytes, came {path.stat().st_size:,}: {path.name}")
        self.left = limit
        self.limit = limit
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError) as problem:
            raise Unreadable(f"expected a whole zip archive, came something broken: {path.name} ({problem})") from None
        try:
            self.members = {member.filename: member for member in self._checked()}
        except BaseException:
            self.zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self.members

    @property
    def names(self) -> list[str]:
        return list(self.members)

    def _checked(self) -> Iterator[zipfile.ZipInfo]:
        listed = self.zip.infolist()
        if len(listed) > MOST_MEMBERS:
            raise Unreadable(f"expected at most {MOST_MEMBERS:,} files in the archive, came {len(listed):,}")
        claimed, seen = 0, set()
        for member in listed:
            check_name(member.filename)
            if (member.external_attr >> 16) & 0o170000 == _LINK:
                raise Unreadable(f"expected plain files, came a link: {member.filename}")
            if member.flag_bits & 1:
                raise Unreadable(f"expected an archive without a password, came a locked file: {member.filename}")
            if member.is_dir():
                continue
            if member.filename in seen:
                raise Unreadable(f"expected every name once, came twice: {member.filename}")
            seen.add(member.filename)
            claimed += member.file_size
            if member.file_size > max(SMALL, LARGEST_RATIO * max(member.compress_size, 1)):
                raise Unreadable(f"expected a file that unpacks to at most {LARGEST_RATIO} times its size, came more: {member.filename}")
            if claimed > self.limit:
                raise Unreadable(f"expected at most {self.limit:,} bytes unpacked, came more")
            yield member

    def read(self, name: str, *, limit: int = LARGEST_MEMBER) -> bytes:
        if name not in self.members:
            raise Unreadable(f"expected {name} in the archive, came none")
        out = io.BytesIO()
        allowed = min(limit, self.left, max(SMALL, LARGEST_RATIO * max(self.members[name].compress_size, 1)))
        try:
            with self.zip.open(name) as source:
                while chunk := source.read(CHUNK):
                    out.write(chunk)
                    if out.tell() > allowed:
                        raise Unreadable(f"expected {name} to unpack to at most {allowed:,} bytes, came more")
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError, RuntimeError) as problem:
            if isinstance(problem, Unreadable):
                raise
            raise Unreadable(f"expected a whole file, came something broken: {name} ({problem})") from None
        self.left -= out.tell()
        return out.getvalue()


def check_name(name: str) -> str:
    """A name inside an archive or an index: relative, forward, and never above its folder."""
    path = PurePosixPath(name)
    odd = "\\" in name or "\0" in name or (len(name) > 1 and name[1] == ":")
    if not name or odd or path.is_absolute() or ".." in path.parts or len(name) > 1000:
        raise Unreadable(f"expected a name inside the archive, came {name[:80]!r}")
    return name


def unpack_zstd(data: bytes, *, limit: int) -> bytes:
    """One zstd frame, counted while it grows."""
    import zstandard

    out = io.BytesIO()
    allowed = min(limit, max(SMALL * 16, LARGEST_RATIO * len(data)))
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 28).stream_reader(io.BytesIO(data)) as source:
            while chunk := source.read(CHUNK):
                out.write(chunk)
                if out.tell() > allowed:
                    raise Unreadable(f"expected a file that unpacks to at most {allowed:,} bytes, came more")
    except (zstandard.ZstdError, MemoryError) as problem:
        raise Unreadable(f"expected zstd-compressed data, came something broken ({problem})") from None
    return out.getvalue()
