"""Stamps of behaviour: what a committed record depends on, as a short digest.

A stamp changes when a statement changes. It does not change with a comment, a
docstring, an annotation, an import, the order of definitions, or the file that a
definition stands in, so that code can be explained and moved without making the
records that it produced look outdated.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).parent


def sources(*names: str, package: Path = PACKAGE) -> list[Path]:
    """Source files of the named modules of a package, in the order given.

    Args:
        names: Dotted names below the package: ``"losses"`` or ``"toymarket.body"``.
            The name of a folder stands for all modules in it.
        package: Folder of the package.

    Raises:
        FileNotFoundError: A name has no module.
    """
    found = []
    for name in names:
        path = package.joinpath(*name.split("."))
        if path.is_dir():
            found += sorted(path.rglob("*.py"))
            continue
        path = path.with_suffix(".py")
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no module {name} in {package.name}")
        found.append(path)
    return found


def digest(texts: Iterable[str], package: str = "dplib") -> str:
    """First 12 hex digits of the SHA-256 of what these sources do.

    Args:
        texts: Python sources. Their top-level statements are taken as a set.
        package: Name of the package; what is imported from it counts under its own
            name, whatever the module that it is imported from.
    """
    statements = set[str]()
    for text in texts:
        tree = ast.parse(text)
        names = _imported(tree, package)
        statements |= {_shape(node, names) for node in _behaviour(tree.body)}
    joined = "\n".join(sorted(statements - {""}))
    return hashlib.sha256(joined.encode()).hexdigest()[:12]


def of_modules(*names: str, package: Path = PACKAGE) -> str:
    """``digest`` of the named modules, see ``sources``."""
    files = sources(*names, package=package)
    return digest((f.read_text("utf-8") for f in files), package.name)


def _imported(tree: ast.Module, package: str) -> dict[str, str]:
    """Local name → own name of all that is imported from the package."""
    names = dict[str, str]()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level or (node.module or "").split(".")[0] == package:
            for alias in node.names:
                names[alias.asname or alias.name] = alias.name
    return names


def _behaviour(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that do something: no docstring, no import, no ``__all__``."""
    kept = []
    for node in body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        exports = isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        )
        if not (is_text or exports or isinstance(node, ast.Import | ast.ImportFrom)):
            kept.append(node)
    return kept


def _shape(node: object, names: dict[str, str]) -> str:
    """The node as text, the same on every version of Python.

    ast.dump is not: versions differ in which empty fields they write.
    """
    if isinstance(node, list):
        return "[" + ",".join(_shape(n, names) for n in node) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        # losses.batch_hard_triplet and, imported by name, batch_hard_triplet are one;
        # an attribute of a class (in capitals) is not a definition of a module
        module = names.get(node.value.id, "")
        if module.islower():
            return node.attr
    fields = []
    for field in node._fields:
        value = getattr(node, field, None)
        if field in ("annotation", "returns", "type_comment", "kind", "ctx"):
            continue
        if field == "body" and isinstance(value, list):
            value = _behaviour(value)
        if value is None or value == []:
            continue
        fields.append(f"{field}={_shape(value, names)}")
    return f"{type(node).__name__}({','.join(fields)})"
