"""Whether code stands in other code, whatever the names of its variables."""

import ast
import copy
from collections.abc import Iterator
from typing import Any

Body = list[ast.stmt]


def stands_in(code: str, other: str) -> bool:
    """Whether what a function of `code` does (or all of it) is done within `other`.

    What the variables are called does not count, nor whether a value is returned,
    assigned, or part of a larger expression, nor whether it is computed in one
    expression or with names for its parts.
    """
    tree = ast.parse(code)
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    bodies = [f.body for f in functions] or [tree.body]
    there = [_plain(body) for body in _bodies(ast.parse(other))]
    free = {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)}
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    free |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return any(
        _done(_plain(body), lines[: end + 1], free)
        for body in bodies
        for lines in there
        for end in range(len(lines))
    )


def _done(body: Body, lines: Body, free: set[str]) -> bool:
    """Whether the last of `lines`, with lines before it, does what `body` does."""
    before = lines[len(lines) - len(body) : -1]
    pattern = [*body[:-1], _value(body[-1])]
    if len(lines) >= len(body) and any(
        _fits(pattern, [*before, part], free, {}) for part in _parts(lines[-1])
    ):
        return True
    joined = _joined(body)
    if joined is None:
        return False
    others = (_joined(lines[start:]) for start in range(len(lines)))
    return any(
        _fits(joined, part, free, {})
        for other in others
        if other is not None
        for part in _parts(other)
    )


def _value(statement: ast.stmt) -> ast.AST:
    """What is returned or assigned; the statement itself if it does anything else."""
    kinds = ast.Return | ast.Assign | ast.AnnAssign | ast.Expr
    value = getattr(statement, "value", None)
    return value if isinstance(statement, kinds) and value else statement


def _parts(node: ast.AST) -> list[ast.AST]:
    """The node and all that it computes on the way."""
    return [node, *(n for n in ast.walk(node) if isinstance(n, ast.expr))]


def _fits(pattern: Any, node: Any, free: set[str], bound: dict[str, str]) -> bool:
    """Whether they are alike once each free name stands for an expression of its own.

    `bound` has what the names stand for, and gets what they are found to stand for.
    """
    if isinstance(pattern, list):
        return (
            isinstance(node, list)
            and len(pattern) == len(node)
            and all(
                _fits(p, n, free, bound) for p, n in zip(pattern, node, strict=True)
            )
        )
    if not isinstance(pattern, ast.AST):
        return bool(pattern == node)
    name = getattr(pattern, "id", None) or getattr(pattern, "arg", None)
    if name in free and isinstance(pattern, ast.Name | ast.arg):
        if not isinstance(node, ast.expr | ast.arg):
            return False
        text = ast.unparse(node)
        if bound.setdefault(name, text) != text:
            return False
        return [*bound.values()].count(text) == 1
    if type(pattern) is not type(node):
        return False
    return all(
        _fits(getattr(pattern, field), getattr(node, field), free, bound)
        for field in pattern._fields
        if field not in ("annotation", "returns", "type_comment", "ctx", "kind")
    )


def _bodies(tree: ast.AST) -> Iterator[Body]:
    for node in ast.walk(tree):
        for _, field in ast.iter_fields(node):
            if isinstance(field, list) and field and isinstance(field[0], ast.stmt):
                yield field


def _plain(body: Body) -> Body:
    """Without docstrings and imports."""
    return [
        s
        for s in body
        if not isinstance(s, ast.Import | ast.ImportFrom)
        and not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
    ]


def _joined(body: Body) -> ast.expr | None:
    """The value of the last statement in terms of what comes in; None if it has none.

    Every statement before it must give a name to a value.
    """
    known: dict[str, ast.expr] = {}
    for statement in body:
        value = getattr(statement, "value", None)
        if not isinstance(value, ast.expr) or isinstance(statement, ast.AugAssign):
            return None
        value = _Inlined(known).visit(copy.deepcopy(value))
        if statement is body[-1]:
            return value
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if len(targets) != 1 or not isinstance(targets[0], ast.Name):
            return None
        known[targets[0].id] = value
    return None


class _Inlined(ast.NodeTransformer):
    def __init__(self, known: dict[str, ast.expr]) -> None:
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.known.get(node.id, node))
