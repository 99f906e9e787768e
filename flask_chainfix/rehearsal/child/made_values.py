"""Values of every type that a column can have: the same ones on every run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import types

LONGEST = 300  # characters of a text without a length
# High numbers, so that they do not conflict with rows that migrations write themselves.
_FIRST = {"SMALLINT": 32_000, "TINYINT": 100, "MEDIUMINT": 8_000_000}
_FIRST_NUMBER = 700_000_000
_DAY = date(2020, 1, 1)


class NoValue(Exception):
    """No value can be made; the message says why."""


def value(type_: Any, serial: int) -> Any:
    """A value of a type: the same one for 0, and others for other numbers.

    Raises:
        NoValue: the type is unknown.
    """
    for kind, make in _MAKERS:
        if isinstance(type_, kind):
            return make(type_, serial)
    name = type(type_).__name__
    if name in _BY_NAME:
        return _BY_NAME[name](type_, serial)
    if hasattr(type_, "data_type"):  # of a domain
        return value(type_.data_type, serial)
    raise NoValue(f"no value is known for its type {name}")


def _enum(type_: Any, serial: int) -> Any:
    return type_.enums[serial % len(type_.enums)]


def _integer(type_: Any, serial: int) -> int:
    name = type(type_).__name__.upper()
    if getattr(type_, "display_width", None) == 1:  # MySQL's boolean
        return serial % 2
    return _FIRST.get(name, _FIRST_NUMBER) + serial


def _numeric(type_: Any, serial: int) -> Decimal:
    scale = 2 if type_.scale is None else type_.scale
    digits = (type_.precision or 10) - scale
    largest = 10 ** max(digits, 0) - 1
    fraction = Decimal(1).scaleb(-scale) * 5 if scale else Decimal(0)
    return max(largest - serial, 0) + fraction if digits > 0 else fraction


def _text(type_: Any, serial: int) -> str:
    length = min(type_.length or LONGEST, LONGEST)
    end = str(serial)[-length:] if serial else ""
    return ("row_" * length)[: length - len(end)] + end


def _bytes(type_: Any, serial: int) -> bytes:
    return serial.to_bytes(min(type_.length or 8, 8), "big")


def _moment(type_: Any, serial: int) -> datetime:
    return datetime.combine(_DAY, time()) + timedelta(days=serial)


def _uuid(type_: Any, serial: int) -> Any:
    value = uuid.UUID(int=_FIRST_NUMBER + serial)
    return value if getattr(type_, "as_uuid", False) else str(value)


_MAKERS: tuple[tuple[Any, Any], ...] = (
    (types.Enum, _enum),
    (types.Boolean, lambda _, serial: serial % 2 == 0),
    (types.Integer, _integer),
    (types.Float, lambda _, serial: 1.5 + serial),  # a Numeric in some versions
    (types.Numeric, _numeric),
    (types.DateTime, _moment),
    (types.Date, lambda _, serial: _DAY + timedelta(days=serial)),
    (types.Time, lambda _, serial: time(serial // 3600 % 24, serial // 60 % 60, serial % 60)),
    (types.Interval, lambda _, serial: timedelta(days=serial)),
    (types.JSON, lambda _, serial: {"row": serial}),
    (types.ARRAY, lambda type_, serial: [value(type_.item_type, serial)]),
    (types.LargeBinary, _bytes),
    (types._Binary, _bytes),
    (types.String, _text),
)
# Types of single databases, or whose names differ between versions of SQLAlchemy.
_BY_NAME: Mapping[str, Any] = {
    "UUID": _uuid,
    "Uuid": _uuid,
    "INTERVAL": lambda _, serial: timedelta(days=serial),
    "INET": lambda _, serial: f"192.0.2.{serial % 256}",
    "CIDR": lambda _, serial: f"192.0.{serial % 256}.0/24",
    "MACADDR": lambda _, serial: f"02:00:00:00:00:{serial % 256:02x}",
    "HSTORE": lambda _, serial: {"row": str(serial)},
    "YEAR": lambda _, serial: 1950 + serial % 150,
    "MONEY": lambda _, serial: str(serial),
    "OID": lambda _, serial: serial,
    "BIT": lambda type_, _: "0" * (type_.length or 1),
    "TSVECTOR": lambda _, serial: f"row{serial}",
}
