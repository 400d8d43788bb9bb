"""As much of the protobuf wire format as Anki's packages need: fields by number, read and written."""

from __future__ import annotations

from collections import defaultdict

from backend.exchange.records import Unreadable

Fields = dict[int, list[int | bytes]]


def read_message(data: bytes) -> Fields:
    """Field number -> its values in order: whole numbers, or bytes for texts and messages inside."""
    fields: Fields = defaultdict(list)
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise Unreadable("expected a protobuf message, came a field without a number")
        if wire == 0:
            value, at = _varint(data, at)
            fields[number].append(value)
        else:
            length = {1: 8, 5: 4}.get(wire)
            if length is None:
                if wire != 2:
                    raise Unreadable(f"expected a protobuf message, came wire type {wire}")
                length, at = _varint(data, at)
            if at + length > len(data):
                raise Unreadable("expected a whole protobuf message, came one that ends early")
            fields[number].append(data[at : at + length])
            at += length
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise Unreadable("expected a whole protobuf number, came one that ends early")


def text_of(fields: Fields, number: int) -> str:
    value = fields[number][-1] if fields.get(number) else b""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def number_of(fields: Fields, number: int) -> int:
    value = fields[number][-1] if fields.get(number) else 0
    return value if isinstance(value, int) else 0
