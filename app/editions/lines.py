"""On which line of a TOML text a value stands, so that a fault can be pointed at. Pure.

`tomllib` reads values and forgets where they stood. This walks a text that it has read, values unread: headers, keys,
brackets and strings are all that it takes to know the place.
"""

import re
import tomllib
from collections.abc import Sequence

Place = tuple[str | int, ...]

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]+")


def line_of(text: str, place: Sequence[str | int]) -> int:
    """The line, from 1, of a place such as ("limits", 2, "mark"); of the nearest that would hold it where it is absent.

    The text must be valid TOML.
    """
    lines = _Walk(text).lines
    return next(lines[found] for n in range(len(place), -1, -1) if (found := tuple(place[:n])) in lines)


class _Walk:
    """Reads a text from its beginning to its end and notes the line of every place in it."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._tables: dict[Place, int] = {}  # arrays of tables, and how many each has so far
        self.lines: dict[Place, int] = {(): 1}
        inside: Place = ()
        while self._skip_gap() < len(text):
            inside = self._header() if self._next() == "[" else self._pair(inside)

    def _header(self) -> Place:
        many = self._text.startswith("[[", self._at)
        line = self._line()
        self._at += 2 if many else 1
        place = self._open(self._key(), many=many)
        self._at += 2 if many else 1
        self.lines.setdefault(place, line)
        return place

    def _open(self, key: Sequence[str], *, many: bool) -> Place:
        """The place that a header opens; a name on the way that is an array of tables stands for its last one."""
        place: Place = ()
        for part in key[:-1]:
            place = self._last((*place, part))
        place = (*place, key[-1])
        if not many:
            return self._last(place)
        self.lines.setdefault(place, self._line())
        self._tables[place] = self._tables.get(place, 0) + 1
        return self._last(place)

    def _last(self, place: Place) -> Place:
        return (*place, self._tables[place] - 1) if place in self._tables else place

    def _pair(self, inside: Place) -> Place:
        line, key = self._line(), self._key()
        for n in range(len(key)):
            self.lines.setdefault((*inside, *key[: n + 1]), line)
        self._at += 1  # the equals sign
        self._value((*inside, *key))
        return inside

    def _key(self) -> list[str]:
        """A key with its dots; the walk stands behind it."""
        parts = []
        while True:
            self._skip_gap()
            if quoted := _STRING.match(self._text, self._at):
                parts.append(tomllib.loads(f"key = {quoted[0]}")["key"])
                self._at = quoted.end()
            elif bare := _BARE_KEY.match(self._text, self._at):
                parts.append(bare[0])
                self._at = bare.end()
            self._skip_gap()
            if self._next() != ".":
                return parts
            self._at += 1

    def _value(self, place: Place) -> None:
        self._skip_gap()
        self.lines.setdefault(place, self._line())
        match self._next():
            case "[":
                self._elements(place)
            case "{":
                self._inline_table(place)
            case _:
                found = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
                assert found is not None  # tomllib has read it
                self._at = found.end()

    def _elements(self, place: Place) -> None:
        self._at += 1
        number = 0
        while self._after_comma() != "]":
            self._value((*place, number))
            number += 1
        self._at += 1

    def _inline_table(self, place: Place) -> None:
        self._at += 1
        while self._after_comma() != "}":
            self._pair(place)
        self._at += 1

    def _after_comma(self) -> str:
        self._skip_gap()
        if self._next() == ",":
            self._at += 1
            self._skip_gap()
        return self._next()

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_gap(self) -> int:
        gap = _GAP.match(self._text, self._at)
        assert gap is not None  # it matches nothing, too
        self._at = gap.end()
        return self._at

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1
