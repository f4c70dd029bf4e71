"""The check of the limits of style catches what is planted; `make check` runs it on the project."""

from pathlib import Path

import pytest

import check_style

GOOD = '"""Holds one thing."""\n'


def faults_of(tmp_path: Path, **files: str) -> list[str]:
    """Return the faults of a package `house` whose files are given by name (`a__b` is `a/b.py`)."""
    package = tmp_path / "house"
    for name, text in files.items():
        path = package / f"{name if name == '__init__' else name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return check_style.check(package, [])[0]


def function(num_lines: int, name: str = "work") -> str:
    """Return the text of a function of so many lines, its docstring of four lines not counted."""
    body = "    x = 1\n" * (num_lines - 1)
    return f'def {name}() -> None:\n    """Do.\n\n    More.\n    """\n{body}'


def test_a_sound_package_has_no_faults(tmp_path):
    text = (
        GOOD + function(6) + "class Box:\n    '''A box.'''\n    def __init__(self, a: int): ...\n"
    )
    assert faults_of(tmp_path, box=text) == []


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("utils", GOOD, "file-name: utils"),
        ("core__box", GOOD, "file-name: core"),
        ("box", GOOD + "x = 1\n" * 500, "file-lines: 501 lines, at most 500"),
        ("box", "x = 1\n", ":1: module-docstring: a file opens with"),
        ("box", '"""' + "a\n" * 8 + 'b"""\n', ":1: module-docstring: 9 lines, at most 8"),
        ("box", GOOD + function(61), ":2: function-lines: work has 61, at most 60"),
        ("box", GOOD + "def f() -> int: ...\n", ":2: docstring: f has none"),
        ("box", GOOD + "class A:\n    x = 1\n", ":2: docstring: A has none"),
        ("box", GOOD + "def _f(a, *, b: int, **c) -> int: ...\n", "_f lacks the type of a, c"),
        ("box", GOOD + "def _f(): ...\n", ":2: annotation: _f lacks the type of return"),
        ("box", GOOD + function(9), "function-median: 9 lines, at most 8"),
    ],
)
def test_a_planted_fault_is_caught(tmp_path, file, text, expected):
    assert any(expected in fault for fault in faults_of(tmp_path, **{file: text}))


def test_nine_parameters_of_a_constructor_are_too_many(tmp_path):
    names = ", ".join(f"{name}: int" for name in "abcdefghi")
    text = GOOD + f"class _A:\n    def __init__(self, {names}): ...\n"
    (fault,) = faults_of(tmp_path, box=text)
    assert fault.endswith("box.py:3: constructor-parameters: 9 parameters, at most 8")


def test_a_long_tenth_of_the_functions_is_caught(tmp_path):
    short = "".join(function(3, f"short_{index}") for index in range(8))
    long = function(29, "long") + function(30, "longer")
    # ranked: 8 x 3, 29, 30; the entry at int(10 * 0.9) is 30
    assert faults_of(tmp_path, box=GOOD + short + long) == ["function-p90: 30 lines, at most 28"]


def test_private_and_nested_functions_need_no_docstring(tmp_path):
    text = (
        GOOD
        + "def _f() -> None:\n    def g() -> None: ...\nclass _A:\n    def h(self) -> None: ...\n"
    )
    assert faults_of(tmp_path, box=text) == []


def test_a_reason_beside_the_function_lifts_its_limit(tmp_path):
    text = GOOD + "# limit: function-lines: a table\n" + function(61)
    assert faults_of(tmp_path, box=text, rest=GOOD + function(3, "a") + function(3, "b")) == [
        "function-p90: 61 lines, at most 28"
    ]


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# limit: function-lines: a table", "nothing here breaks function-lines, so"),
        ("# limit: beauty: a table", "beauty is none of file-name, file-lines"),
    ],
)
def test_a_reason_that_nothing_needs_is_a_fault(tmp_path, comment, expected):
    (fault,) = faults_of(tmp_path, box=GOOD + f"{comment}\nx = 1\n")
    assert expected in fault


def test_a_limit_comment_without_a_reason_lifts_nothing(tmp_path):
    text = GOOD + "# limit: file-lines:\n" + "x = 1\n" * 500
    assert any("file-lines: 502 lines" in fault for fault in faults_of(tmp_path, box=text))


@pytest.mark.parametrize(
    "back",
    [
        "from house.left import x\n",
        "def _f() -> None:\n    from .left import x\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import left\n",
        "import house.left\n",
        "from house import x\n",
    ],
    ids=["plain", "lazy", "type-only", "whole", "through the face"],
)
def test_a_circle_of_imports_is_caught(tmp_path, back):
    face = GOOD + "from house.left import x\n"
    files = {"__init__": face, "left": GOOD + "from house.right import y\n", "right": GOOD + back}
    assert faults_of(tmp_path, **files) == ["circle: house.left -> house.right -> house.left"]


def test_a_thin_face_makes_no_circle(tmp_path):
    face = GOOD + "from house.left import x\nfrom house.right import y\n"
    right = GOOD + "from house import x\n"
    assert faults_of(tmp_path, __init__=face, left=GOOD + "x = 1\n", right=right) == []


def test_the_command_prints_faults_and_figures(tmp_path, capsys):
    package = tmp_path / "house"
    package.mkdir()
    (package / "box.py").write_text(GOOD + function(3))
    assert check_style.main([str(package)]) == 0
    (package / "misc.py").write_text(GOOD)
    assert check_style.main([str(package)]) == 1
    assert "style: 1 files, 8 lines; 1 functions: median 3" in capsys.readouterr().out
