"""Holds the package to the limits that keep it readable.

`python tools/check_style.py src/penchant tests …`: the first path is the package, held to every
limit, the others are held to file names and lengths. Nothing is imported or executed. A limit may
be broken with a one-line reason beside what breaks it (in or just above a function, anywhere for a
limit of the file): `# limit: function-lines: a table that reads better in one piece`.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MOST_FILE_LINES, WISHED_FILE_LINES = 500, 350
MEDIAN_FUNCTION_LINES, NINTH_DECILE_FUNCTION_LINES, MOST_FUNCTION_LINES = 8, 28, 60
MOST_CONSTRUCTOR_PARAMETERS = 8
MOST_MODULE_DOCSTRING_LINES = 8
NAMES_THAT_SAY_NOTHING = {"utils", "helpers", "common", "misc", "core", "manager"}
LIMITS = ("file-name", "file-lines", "module-docstring", "function-lines", "constructor-parameters")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Source:
    """One file: its tree, its lines, and the reasons it gives for breaking limits."""

    path: Path
    text: str
    tree: ast.Module
    excuses: dict[int, str] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> Source:
        """Parse a file and find its `# limit:` comments."""
        text = path.read_text(encoding="utf-8")
        source = cls(path, text, ast.parse(text, str(path)))
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            found = re.match(r"# limit: ([a-z-]+): \S", token.string)
            if token.type == tokenize.COMMENT and found:
                source.excuses[token.start[0]] = found[1]
        return source

    def excused(self, limit: str, first: int = 1, last: int = sys.maxsize) -> bool:
        """Tell whether a reason for breaking `limit` stands between two lines."""
        lines = [
            line for line, name in self.excuses.items() if name == limit and first <= line <= last
        ]
        self.used.update(lines)
        return bool(lines)


def functions_of(
    tree: ast.AST, public: bool = True
) -> Iterator[tuple[Function | ast.ClassDef, bool]]:
    """Yield every function and class below a node, with whether a reader outside can reach it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            reachable = public and not node.name.startswith("_")
            yield node, reachable
            yield from functions_of(node, reachable and isinstance(node, ast.ClassDef))
        else:
            yield from functions_of(node, public)


def body_lines(function: Function) -> int:
    """Return the lines of a function, its docstring not counted."""
    docstring = ast.get_docstring(function, clean=False) or ""
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1 - len(docstring.splitlines())


def arguments_of(function: Function) -> list[ast.arg]:
    """Return the parameters of a function but `self` and `cls`."""
    given = function.args
    plain = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [one for one in plain if one is not None and one.arg not in ("self", "cls")]


def file_faults(source: Source) -> Iterator[str]:
    """Yield what is wrong with the name and the length of a file."""
    names = {source.path.stem, source.path.parent.name} & NAMES_THAT_SAY_NOTHING
    if names and not source.excused("file-name"):
        yield f"{source.path}: file-name: {names.pop()} says nothing about what it holds"
    num_lines = len(source.text.splitlines())
    if num_lines > MOST_FILE_LINES and not source.excused("file-lines"):
        yield f"{source.path}: file-lines: {num_lines} lines, at most {MOST_FILE_LINES}"


def module_docstring_faults(source: Source) -> Iterator[str]:
    """Yield what is wrong with the docstring that opens a file."""
    if source.excused("module-docstring"):
        return
    docstring = ast.get_docstring(source.tree)
    if docstring is None:
        yield f"{source.path}:1: module-docstring: a file opens with what it holds and why"
    elif (num_lines := len(docstring.splitlines())) > MOST_MODULE_DOCSTRING_LINES:
        yield (
            f"{source.path}:1: module-docstring: {num_lines} lines, "
            f"at most {MOST_MODULE_DOCSTRING_LINES}"
        )


def function_faults(source: Source, node: Function) -> Iterator[str]:
    """Yield what is wrong with one function."""
    place = f"{source.path}:{node.lineno}"
    assert node.end_lineno is not None
    lines, arguments, span = (
        body_lines(node),
        arguments_of(node),
        (node.lineno - 1, node.end_lineno),
    )
    if lines > MOST_FUNCTION_LINES and not source.excused("function-lines", *span):
        yield f"{place}: function-lines: {node.name} has {lines}, at most {MOST_FUNCTION_LINES}"
    if (
        node.name == "__init__"
        and len(arguments) > MOST_CONSTRUCTOR_PARAMETERS
        and not source.excused("constructor-parameters", *span)
    ):
        yield (
            f"{place}: constructor-parameters: {len(arguments)} parameters, "
            f"at most {MOST_CONSTRUCTOR_PARAMETERS}"
        )
    bare = [one.arg for one in arguments if one.annotation is None]
    if node.returns is None and node.name != "__init__":
        bare.append("return")
    if bare:
        yield f"{place}: annotation: {node.name} lacks the type of {', '.join(bare)}"


def package_faults(sources: list[Source]) -> Iterator[str]:
    """Yield what is wrong inside the files of the package, and with its functions as a whole."""
    lengths = []
    for source in sources:
        yield from module_docstring_faults(source)
        for node, reachable in functions_of(source.tree):
            if reachable and ast.get_docstring(node) is None:
                yield f"{source.path}:{node.lineno}: docstring: {node.name} has none"
            if not isinstance(node, ast.ClassDef):
                lengths.append(body_lines(node))
                yield from function_faults(source, node)
    median, ninth_decile = middle(lengths)
    if median > MEDIAN_FUNCTION_LINES:
        yield f"function-median: {median:g} lines, at most {MEDIAN_FUNCTION_LINES}"
    if ninth_decile > NINTH_DECILE_FUNCTION_LINES:
        yield f"function-p90: {ninth_decile} lines, at most {NINTH_DECILE_FUNCTION_LINES}"


def middle(lengths: list[int]) -> tuple[float, int]:
    """Return the median and the ninth decile, 0 where there is nothing."""
    ranked = sorted(lengths) or [0]
    return statistics.median(ranked), ranked[min(len(ranked) - 1, int(len(ranked) * 0.9))]


def excuse_faults(source: Source) -> Iterator[str]:
    """Yield reasons that name no limit, or that nothing needs any more."""
    for line, limit in source.excuses.items():
        if limit not in LIMITS:
            yield f"{source.path}:{line}: limit: {limit} is none of {', '.join(LIMITS)}"
        elif line not in source.used:
            yield f"{source.path}:{line}: limit: nothing here breaks {limit}, so the reason can go"


class Imports:
    """Which module of a package needs which, lazy and type-only imports included.

    Thin `__init__` faces (no functions, no classes) are looked through to where a name is defined.

    Parameters
    ----------
    package
        The folder of the package.
    sources
        Its files.
    """

    def __init__(self, package: Path, sources: list[Source]) -> None:
        self.trees: dict[str, ast.Module] = {}
        self.faces: set[str] = set()
        self.exports: dict[tuple[str, str], tuple[str, str]] = {}
        for source in sources:
            parts = source.path.relative_to(package.parent).with_suffix("").parts
            is_face = parts[-1] == "__init__"
            module = ".".join(parts[:-1] if is_face else parts)
            self.trees[module] = source.tree
            if is_face and not any(True for _ in functions_of(source.tree)):
                self.faces.add(module)
        for face in self.faces:
            for base, name, shown in self.named(face):
                self.exports[face, shown] = (base, name)

    def named(self, module: str) -> Iterator[tuple[str, str, str]]:
        """Yield (module, name, name shown) of everything that a module imports."""
        is_package = any(other.startswith(f"{module}.") for other in self.trees)
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "", alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = module.split(".")
                    kept = parts[: len(parts) - node.level + is_package]
                    base = ".".join([*kept, base]).strip(".")
                yield from ((base, alias.name, alias.asname or alias.name) for alias in node.names)

    def resolve(self, base: str, name: str) -> str:
        """Return the module that defines a name, or an empty word for one outside the package."""
        if (base, name) in self.exports and self.exports[base, name] != (base, name):
            return self.resolve(*self.exports[base, name])
        if f"{base}.{name}" in self.trees:
            return f"{base}.{name}"
        return base if base in self.trees and base not in self.faces else ""

    def needs(self, module: str) -> list[str]:
        """Return the modules of the package that a module imports."""
        found = {self.resolve(base, name) for base, name, _ in self.named(module)}
        return sorted(found - {module, "", *self.faces})

    def circle(self) -> list[str]:
        """Return the first circle found, or nothing."""
        done: set[str] = set()

        def walk(module: str, path: list[str]) -> list[str]:
            if module in path:
                return [*path[path.index(module) :], module]
            if module in done:
                return []
            for other in self.needs(module):
                if found := walk(other, [*path, module]):
                    return found
            done.add(module)
            return []

        starts = (walk(module, []) for module in sorted(set(self.trees) - self.faces))
        return next(filter(None, starts), [])


def check(package: Path, others: list[Path]) -> tuple[list[str], str]:
    """Return the faults found, and one line of figures."""
    sources = [Source.read(path) for path in sorted(package.rglob("*.py"))]
    around = [Source.read(path) for other in others for path in sorted(other.rglob("*.py"))]
    faults = [fault for source in sources + around for fault in file_faults(source)]
    faults += package_faults(sources)
    if circle := Imports(package, sources).circle():
        faults.append(f"circle: {' -> '.join(circle)}")
    faults += [fault for source in sources + around for fault in excuse_faults(source)]
    return faults, figures(sources)


def figures(sources: list[Source]) -> str:
    """Return one line that says where the package stands."""
    lengths = {
        f"{source.path}:{node.name}": body_lines(node)
        for source in sources
        for node, _ in functions_of(source.tree)
        if not isinstance(node, ast.ClassDef)
    }
    sizes = {str(source.path): len(source.text.splitlines()) for source in sources}
    median, ninth_decile = middle(list(lengths.values()))
    longest = max(lengths, key=lambda name: lengths[name], default="none")
    long_files = [f"{path} {size}" for path, size in sizes.items() if size > WISHED_FILE_LINES]
    wish = (
        f"; over the wished {WISHED_FILE_LINES} lines: {', '.join(long_files)}"
        if long_files
        else ""
    )
    return (
        f"style: {len(sizes)} files, {sum(sizes.values())} lines; "
        f"{len(lengths)} functions: median {median:g}, 90th percentile {ninth_decile}, "
        f"longest {lengths.get(longest, 0)} ({longest}){wish}"
    )


def main(paths: list[str]) -> int:
    """Check the paths of the command line; return 1 when there are faults."""
    if not paths:
        sys.exit(__doc__)
    faults, line = check(Path(paths[0]), [Path(path) for path in paths[1:]])
    print(*faults, line, sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
