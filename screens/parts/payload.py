"""How numbers travel to a browser component: a short JSON header in front of one buffer.

Bytes inside a dict reach the browser as a string, so everything goes as one `bytes`: four bytes with the header's length
(little endian), the header as JSON, zeros up to a multiple of eight, then the arrays, each again on a multiple of eight.
The header's "arrays" says where each stands: {name: [dtype, shape, offset from the first array]}. payload.js reads it back.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ALIGNED = 8


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> bytes:
    places: dict[str, list[Any]] = {}
    buffer = bytearray()
    for name, array in (arrays or {}).items():
        array = np.ascontiguousarray(array)
        places[name] = [array.dtype.name, list(array.shape), len(buffer)]
        buffer += array.tobytes()
        buffer += bytes(-len(buffer) % ALIGNED)
    text = json.dumps({**header, "arrays": places}, ensure_ascii=False, separators=(",", ":")).encode()
    padding = bytes(-(4 + len(text)) % ALIGNED)
    return struct.pack("<I", len(text) + len(padding)) + text + b" " * len(padding) + bytes(buffer)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What payload.js does, for tests."""
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    arrays = {}
    for name, (dtype, shape, offset) in header.pop("arrays").items():
        count = int(np.prod(shape, dtype=int))
        arrays[name] = np.frombuffer(data, dtype=dtype, count=count, offset=4 + length + offset).reshape(shape)
    return header, arrays


def script(name: str) -> str:
    """A component's JavaScript: the shared readers in front of its own file."""
    return "\n".join((HERE / file).read_text(encoding="utf-8") for file in ("live.js", "payload.js", f"{name}.js"))


def style(name: str) -> str:
    return "\n".join((HERE / file).read_text(encoding="utf-8") for file in ("pictures.css", f"{name}.css") if (HERE / file).exists())
