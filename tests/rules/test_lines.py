"""Where a value stands in a TOML text: for every value of the shipped editions, and for what TOML allows besides."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

import app.editions
from app.editions.lines import Place, line_of

EDITIONS = sorted(Path(app.editions.__file__).parent.glob("*.toml"))


def places(data: Any, at: Place = ()) -> dict[Place, Any]:
    """Every place in what `tomllib` read, with what stands there."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return {at: data} | {deep: value for key, one in inside for deep, value in places(one, (*at, key)).items()}


@pytest.mark.parametrize("file", EDITIONS, ids=lambda file: file.stem)
def test_every_value_of_an_edition_is_found_on_its_line(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines, seen = text.split("\n"), 0
    for place, value in places(tomllib.loads(text)).items():
        line = lines[line_of(text, place) - 1]
        if place and isinstance(place[-1], str):
            assert place[-1] in line, (place, line)
        if (
            isinstance(value, (str, int))
            and not isinstance(value, bool)
            and "\n" not in str(value)
            and '"""' not in line
        ):
            assert str(value) in line, (place, line)
            seen += 1
    assert seen > 100


ODD = '''\
# a = 1
top = 1
"quoted.key" = [ # [ { "
  "]", # ]
  """}
two "quotes"" here \\""" and""",

  { deep = ["}", 'a'], other.one = 1 },
]
dotted . "name" = 'x = "y"'
[a]
b.c = 1
[[a.list]]
k = """
[not.a.header]
k = 2"""
[a.list.sub]
k = 3
[[a.list]]
[[a.list.more]]
k = [
  1,
  [2,
   3]]
[a.list.sub]
k = 1979-05-27 07:32:00
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ((), 1),
        (("top",), 2),
        (("quoted.key",), 3),
        (("quoted.key", 0), 4),
        (("quoted.key", 1), 5),
        (("quoted.key", 2, "deep", 1), 8),
        (("quoted.key", 2, "other", "one"), 8),
        (("dotted", "name"), 10),
        (("a",), 11),
        (("a", "b", "c"), 12),
        (("a", "list"), 13),
        (("a", "list", 0, "k"), 14),
        (("a", "list", 0, "sub", "k"), 18),
        (("a", "list", 1), 19),
        (("a", "list", 1, "more", 0, "k", 0), 22),
        (("a", "list", 1, "more", 0, "k", 1, 0), 23),
        (("a", "list", 1, "more", 0, "k", 1, 1), 24),
        (("a", "list", 1, "sub", "k"), 26),
        (("a", "list", 1, "sub", "absent", 4), 25),  # the nearest that is there
        (("absent",), 1),
    ],
)
def test_whatever_toml_allows(place: Place, line: int) -> None:
    tomllib.loads(ODD)
    assert line_of(ODD, place) == line
    assert line_of(ODD.replace("\n", "\r\n"), place) == line
