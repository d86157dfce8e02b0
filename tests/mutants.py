"""Small mutants of a piece of code: one operator, constant, argument or line changed.

The kinds of change are those of mutmut and cosmic-ray, and those that are easily made
with tensors: another axis, operands exchanged, a transpose or a mask left out.
"""

import ast
import copy
import itertools
from collections.abc import Iterator
from typing import NamedTuple

STEPS = 20_000  # turns of a mutant's loops before it counts as endless

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Div, ast.Mult),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitAnd, ast.BitOr),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
COMMUTE = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)

# Names of functions and methods, each with those it is mistaken for
TWINS = [
    ("min", "max"), ("amin", "amax"), ("argmin", "argmax"), ("minimum", "maximum"),
    ("sum", "mean"), ("any", "all"), ("cat", "stack"), ("concatenate", "stack"),
    ("zeros", "ones"), ("zeros_like", "ones_like"), ("floor", "ceil"),
    ("sigmoid", "tanh"), ("sqrt", "square"), ("exp", "log"), ("tril", "triu"),
    ("append", "extend"), ("intersection", "union"), ("cumsum", "cumprod"),
    ("combinations", "permutations"), ("pids", "camids"), ("add", "discard"),
]  # fmt: skip
MODULES = {"torch", "F", "np", "nn", "math", "losses", "random", "itertools"}


class Mutant(NamedTuple):
    what: str  # "line 3: - → +"
    code: str


def mutants(code: str) -> list[Mutant]:
    """All mutants of `code` that differ from it and from each other."""
    tree = ast.parse(code)
    for number, node in enumerate(ast.walk(tree)):
        node.number = number
    found = {ast.unparse(tree): ""}
    changes = ((node, new) for node in _changeable(tree) for new in _changes(node))
    for node, new in itertools.chain(changes, _exchanged(tree)):
        text = ast.unparse(ast.fix_missing_locations(_Put(node, new).made(tree)))
        before, after = ast.unparse(node), ast.unparse(new)
        line = getattr(node, "lineno", 1)
        found.setdefault(text, f"line {line}: {_short(before)} → {_short(after)}")
    return [Mutant(what, text) for text, what in found.items() if what]


def _exchanged(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each use of a function's argument, and another argument in its place."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = [a.arg for a in function.args.args]
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                for name in names if node.id in names else ():
                    yield node, ast.Name(name, ast.Load())


def limited(code: str) -> str:
    """`code` with a call of ``step()`` at each turn of its loops, against endless ones.

    See :class:`Steps`.
    """
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.While):
            node.body.insert(0, ast.parse("__step__()").body[0])
    return ast.unparse(ast.fix_missing_locations(tree))


class Steps:
    """Counts the turns of loops; call :meth:`reset` before each call of an answer."""

    def __init__(self) -> None:
        self.left = STEPS

    def reset(self) -> None:
        self.left = STEPS

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise TimeoutError("an endless loop")


class _Put(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.number, self.new = old.number, new

    def made(self, tree: ast.AST) -> ast.AST:
        made: ast.AST = self.visit(copy.deepcopy(tree))
        return made

    def visit(self, node: ast.AST) -> ast.AST:
        if getattr(node, "number", None) == self.number:
            return copy.deepcopy(self.new)
        return self.generic_visit(node)


def _changeable(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that do something: no imports, annotations, docstrings or errors."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.JoinedStr):
        return
    yield node
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in field if isinstance(field, list) else [field]:
            docs = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if isinstance(child, ast.AST) and not docs:
                yield from _changeable(child)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in place of `node`."""
    if isinstance(node, ast.BinOp):
        yield from _arithmetic(node)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield from _other(node, op=[new() for new in OPERATORS[type(node.op)]])
        for kept in _one_less(node.values):
            yield kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for new in OPERATORS[type(op)]:
                yield from _other(
                    node, ops=[[*node.ops[:i], new(), *node.ops[i + 1 :]]]
                )
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.Constant):
        yield from map(ast.Constant, _constants(node.value))
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield from _subscripts(node)
    elif isinstance(node, ast.Slice):
        yield from _slices(node)
    elif isinstance(node, ast.Attribute):
        yield from _attributes(node)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from (ast.Name(twin, ast.Load()) for twin in _twins(node.id))
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.comprehension):
        yield from _other(node, ifs=_one_less(node.ifs))
    elif isinstance(node, ast.stmt):
        yield from _statements(node)


def _other(node: ast.AST, **fields: list) -> Iterator[ast.AST]:
    """`node` with one field changed to each of the values given."""
    for name, values in fields.items():
        for value in values:
            new = copy.copy(node)
            setattr(new, name, value)
            yield new


def _arithmetic(node: ast.BinOp) -> Iterator[ast.AST]:
    yield from _other(node, op=[new() for new in OPERATORS.get(type(node.op), ())])
    yield from (node.left, node.right)
    if not isinstance(node.op, COMMUTE):
        yield ast.BinOp(node.right, node.op, node.left)
    if isinstance(node.op, ast.MatMult):
        left, right = (
            ast.Attribute(side, "T", ast.Load()) for side in (node.left, node.right)
        )
        yield ast.BinOp(left, node.op, node.right)
        yield ast.BinOp(node.left, node.op, right)


def _constants(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, -value)
    elif isinstance(value, float):
        yield from (value + 1, value - 1, 2 * value, -value, 0.0)
    elif isinstance(value, str) and "\\" in value:
        yield from _patterns(value)
    elif isinstance(value, str) and len(value) < 5:  # letters that are the answer
        yield from (value[:i] + value[i + 1 :] for i in range(len(value)))


def _patterns(text: str) -> Iterator[str]:
    """Regular expressions: a character left out, others allowed, another count."""
    tokens, i = [], 0
    while i < len(text):
        size = 2 if text[i] == "\\" else 1
        tokens.append(text[i : i + size])
        i += size
    swaps = {
        "\\d": (".", "\\w", "[1-9]"),
        "\\.": (".",),
        "+": ("*", "{1,2}", "{1,3}", "{2,}", ""),
        "*": ("+", ""),
        "?": ("", "+"),
        "-": ("_", ".", ""),
    }
    for i, token in enumerate(tokens):
        group = i > 0 and tokens[i - 1] == "("  # the ? of (?P<name>…)
        for new in () if group else swaps.get(token, ("",) if token.isalpha() else ()):
            yield "".join([*tokens[:i], new, *tokens[i + 1 :]])


def _subscripts(node: ast.Subscript) -> Iterator[ast.AST]:
    yield node.value
    if isinstance(node.slice, ast.Tuple):
        yield from _other(node, slice=[ast.Tuple(node.slice.elts[::-1], ast.Load())])
    if isinstance(node.slice, ast.Name | ast.Compare):
        yield from _other(node, slice=[ast.UnaryOp(ast.Invert(), node.slice)])
    if not isinstance(node.slice, ast.Slice | ast.Tuple | ast.Constant):
        one = ast.Constant(1)
        for op in (ast.Add(), ast.Sub()):
            yield from _other(node, slice=[ast.BinOp(node.slice, op, one)])


def _slices(node: ast.Slice) -> Iterator[ast.AST]:
    for name in ("lower", "upper", "step"):
        value = getattr(node, name)
        if value is None:
            continue
        nothing: list[ast.AST | None] = [None]
        moved = [ast.BinOp(value, op, ast.Constant(1)) for op in (ast.Add(), ast.Sub())]
        yield from _other(node, **{name: nothing + moved})
    if node.lower is None and node.step is None:
        yield from _other(node, lower=[ast.Constant(1)])
    if node.upper is None and node.step is None:
        yield from _other(node, upper=[ast.Constant(-1)])


def _attributes(node: ast.Attribute) -> Iterator[ast.AST]:
    if node.attr in ("T", "mT"):
        yield node.value
    yield from _other(node, attr=_twins(node.attr))


def _twins(name: str) -> list[str]:
    return [b for pair in TWINS for a, b in (pair, pair[::-1]) if a == name]


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    """The call left out, an argument left out, two exchanged, an order turned round."""
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if owner is not None and not (isinstance(owner, ast.Name) and owner.id in MODULES):
        yield owner
    elif node.args and not isinstance(node.args[0], ast.GeneratorExp | ast.Starred):
        yield node.args[0]
    yield from _other(
        node, args=_one_less(node.args), keywords=_one_less(node.keywords)
    )
    for i in range(len(node.args) - 1):
        a, b = node.args[i : i + 2]
        yield from _other(node, args=[[*node.args[:i], b, a, *node.args[i + 2 :]]])
    if isinstance(node.func, ast.Name) and node.func.id == "sorted":
        backwards = ast.keyword("reverse", ast.Constant(True))
        yield from _other(node, keywords=[[*node.keywords, backwards]])


def _one_less(items: list) -> list:
    return [items[:i] + items[i + 1 :] for i in range(len(items))]


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Pass):
        return
    if isinstance(node, ast.If | ast.While):
        yield from _other(node, test=[ast.Constant(True), ast.Constant(False)])
    if isinstance(node, ast.Break):
        yield ast.Continue()
    if isinstance(node, ast.Continue):
        yield ast.Break()
    if isinstance(node, ast.AugAssign):
        yield from _other(node, op=[new() for new in OPERATORS.get(type(node.op), ())])
        target = copy.copy(node.target)
        yield ast.Assign([target], node.value, lineno=node.lineno)
    value = getattr(node, "value", None)
    if isinstance(node, ast.Return | ast.Assign) and isinstance(value, ast.Tuple):
        turned = ast.Tuple(value.elts[::-1], ast.Load())
        yield from _other(node, value=[turned])
    yield ast.Pass()


def _short(text: str, size: int = 40) -> str:
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= size else f"{first[: size - 1]}…"
