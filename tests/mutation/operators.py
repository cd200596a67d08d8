"""The mistakes that are tried: a module's tree -> its mutants, each with one small change. Nothing is run here.

Boundaries, negations, swapped operators, numbers that are one off, flags the other way round, conditions and statements
left out; of a table of rows each row left out, exchanged with the next, and each of its keys left out. Words are left
alone: what an operator reads is for golden files.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_OPPOSITES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_ROW: Final = "Rule"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one mistake."""

    place: str
    """The function or class that it is in, by qualified name; empty: the module itself."""
    is_in_function: bool
    words: str
    """Name it, whatever line it is on."""
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Give every mutant of a module's text, in the order of the text."""
    tree = ast.parse(source)
    for path, place, is_in_function in _sites(tree):
        node = _at(tree, path)
        for changed, words in _changes(node):
            mutated = copy.deepcopy(tree)
            _put(mutated, path, changed)
            ast.fix_missing_locations(mutated)
            what = words or f"{_text(node)} → {_text(changed)}"
            yield Mutant(place, is_in_function, f"{place or 'module'}: {what}", mutated)


_Path = tuple[tuple[str, int | None], ...]


def _sites(tree: ast.Module) -> Iterator[tuple[_Path, str, bool]]:
    """Name the nodes that may be changed, by their way from the root, whose they are, and whether of a function."""

    def walk(node: ast.AST, path: _Path, place: str, *, is_function: bool) -> Iterator[tuple[_Path, str, bool]]:
        if isinstance(node, ast.JoinedStr | ast.ImportFrom | ast.Import):
            return
        if path:
            yield path, place, is_function
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "type_comment"}:
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST):
                    continue
                inner, is_inner = place, is_function
                if isinstance(child, ast.FunctionDef | ast.ClassDef) and not is_function:
                    inner = f"{place}.{child.name}".lstrip(".")
                    is_inner = isinstance(child, ast.FunctionDef)
                yield from walk(child, (*path, (name, index)), inner, is_function=is_inner)

    return walk(tree, (), "", is_function=False)


def _changes(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Give what may stand in a node's place, with words for what that is; empty: its text says it."""
    for kind in (_logic, _arithmetic, _statements):
        for changed in kind(node):
            yield changed, ""
    yield from _table(node)


def _logic(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[op]):
            for other in _COMPARISONS[type(op)]:
                yield _with(node, ops=[other()])
        case ast.BoolOp(op=op, values=values):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for index in range(len(values)):
                left = values[:index] + values[index + 1 :]
                yield left[0] if len(left) == 1 else _with(node, values=left)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.If(test=ast.Name() | ast.Call() | ast.Attribute() as test):
            yield _with(node, test=ast.UnaryOp(op=ast.Not(), operand=test))


def _arithmetic(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            yield _with(node, op=_ARITHMETIC[type(op)]())
        case ast.AugAssign(op=op) if type(op) in _ARITHMETIC:
            yield _with(node, op=_ARITHMETIC[type(op)]())
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
        case ast.Name(id=name) if name in _OPPOSITES:
            yield _with(node, id=_OPPOSITES[name])


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.Call() | ast.Name() | ast.Attribute()):
            yield _with(node, value=ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield ast.Pass()


def _table(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.Tuple(elts=[ast.Call(func=ast.Name(id=name)), *_] as rows) if name == _ROW:
            for index, row in enumerate(rows):
                yield _with(node, elts=rows[:index] + rows[index + 1 :]), f"row {_name(row)} left out"
            for index, (row, following) in enumerate(pairwise(rows)):
                exchanged = [*rows[:index], following, row, *rows[index + 2 :]]
                yield _with(node, elts=exchanged), f"rows {_name(row)} and {_name(following)} exchanged"
        case ast.Call(func=ast.Name(id=name), keywords=keywords) if name == _ROW:
            for key in keywords:
                if key.arg not in {"name", "phase", "words", "since"}:
                    left = [other for other in keywords if other is not key]
                    yield _with(node, keywords=left), f"row {_name(node)} without {key.arg}"


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _at(tree: ast.AST, path: _Path) -> ast.AST:
    node: ast.AST = tree
    for name, index in path:
        value = getattr(node, name)
        node = value if index is None else value[index]
    return node


def _put(tree: ast.AST, path: _Path, changed: ast.AST) -> None:
    (name, index), parent = path[-1], _at(tree, path[:-1])
    if index is None:
        setattr(parent, name, copy.deepcopy(changed))
    else:
        getattr(parent, name)[index] = copy.deepcopy(changed)


def _text(node: ast.AST) -> str:
    return ast.unparse(node).replace("\n", " ")


def _name(row: ast.expr) -> str:
    """Name a row of the table."""
    assert isinstance(row, ast.Call)
    return ast.unparse(next(key.value for key in row.keywords if key.arg == "name"))
