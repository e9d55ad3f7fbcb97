"""Domain values as plain data and back, by the annotations of their own dataclasses.

Plain data is what JSON and DynamoDB both hold: dict, list, str, int, bool, None. A field equal to its default is left
out, so what is stored stays small, and a field that a later release adds reads as its default from older items.
"""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, NewType, Union, get_args, get_origin, get_type_hints

from jetbridge.domain import changes, holds, identifiers, order, record, shipstation

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

# The domain imports some of its types for the type checker only; here they are wanted at run time.
_NAMES = {
    name: value
    for module in (changes, holds, identifiers, order, record, shipstation)
    for name, value in vars(module).items()
} | {"datetime": datetime}


def timestamp(moment: datetime) -> str:
    """Write a moment in UTC, always 27 characters wide, so that text sorts as time does and nothing is rounded."""
    if moment.tzinfo is None:
        message = "a moment without a time zone"
        raise ValueError(message)
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def moment(text: str) -> datetime:
    """Read a moment that `timestamp` wrote."""
    return datetime.fromisoformat(text)


def plain(value: Any) -> Any:  # noqa: ANN401 - any domain value in, plain data out
    """Turn a domain value into plain data. Sets are sorted: the same value is always written the same way."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return timestamp(value)
        case tuple() | list():
            return [plain(each) for each in value]
        case frozenset():
            return sorted(plain(each) for each in value)
        case _ if is_dataclass(value):
            found = ((name, default, getattr(value, name)) for name, default in _defaults(value.__class__))
            return {name: plain(each) for name, default, each in found if each != default}
        case _:
            return value


@cache
def _defaults(cls: Hashable) -> tuple[tuple[str, Any], ...]:
    return tuple((each.name, each.default) for each in fields(cls))  # type: ignore[arg-type]  # a dataclass


def restored[T](cls: type[T], data: Any) -> T:  # noqa: ANN401 - plain data in
    """Build a domain value from plain data. Unknown fields are passed over: another release may have written them.

    Raises:
        ValueError: The data is not what `plain` makes of this class.
    """
    try:
        return _reader(cls)(data)  # type: ignore[no-any-return, arg-type]  # made for cls; a class has a hash
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Not chained, and no text of theirs: it may quote the data.
        message = f"not a stored {cls.__name__}: {type(error).__name__}"
        raise ValueError(message) from None


@cache
def _reader(hint: Any) -> Callable[[Any], Any]:  # noqa: ANN401, PLR0911 - one return a kind of annotation
    """Make the function that reads plain data of one annotation."""
    if isinstance(hint, NewType):
        return _reader(hint.__supertype__)
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        (part,) = (each for each in parts if each is not types.NoneType)
        read = _reader(part)
        return lambda data: None if data is None else read(data)
    if origin is tuple and parts[-1] is not ...:
        readers = [_reader(part) for part in parts]
        return lambda data: tuple(read(each) for read, each in zip(readers, data, strict=True))
    if origin in {tuple, frozenset}:
        read_each = _reader(parts[0])
        return lambda data: origin(map(read_each, data))
    if hint is datetime:
        return moment
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if is_dataclass(hint):
        return _dataclass_reader(hint)  # type: ignore[arg-type]  # a class, not an instance
    if hint in {str, int, bool}:
        return lambda data: _checked(data, hint)
    message = f"nothing is known about storing {hint}"
    raise NotImplementedError(message)


def _dataclass_reader(cls: type) -> Callable[[Any], Any]:
    hints = get_type_hints(cls, localns=_NAMES)
    readers = {each.name: _reader(hints[each.name]) for each in fields(cls)}
    return lambda data: cls(**{name: read(data[name]) for name, read in readers.items() if name in data})


def _checked(data: object, wanted: type) -> object:
    if type(data) is not wanted:
        raise TypeError
    return data
