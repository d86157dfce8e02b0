"""The engine makes the mutants that one expects, each of them once."""

import ast

import pytest
from mutants import STEPS, Steps, limited, mutants


def made(code: str) -> set[str]:
    return {mutant.code for mutant in mutants(code)}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("y = a - b", {"y = a + b", "y = b - a", "y = a", "y = b", "pass"}),
        ("y = a + b", {"y = a - b", "y = a", "y = b", "pass"}),
        ("y = a @ b", {"y = b @ a", "y = a.T @ b", "y = a @ b.T", "y = a * b"}),
        ("y = a.T", {"y = a"}),
        ("y = a < b", {"y = a <= b", "y = a > b"}),
        ("y = a >= b", {"y = a > b", "y = a <= b"}),
        ("y = a == b", {"y = a != b"}),
        ("y = a in b", {"y = a not in b"}),
        ("y = a and b", {"y = a or b", "y = a", "y = b"}),
        ("y = a & ~b", {"y = a | ~b", "y = a & b", "y = a", "y = ~b"}),
        ("y = -a", {"y = a"}),
        ("y = not a", {"y = a"}),
        ("y = 3", {"y = 4", "y = 2", "y = -3"}),
        ("y = 0", {"y = 1", "y = -1"}),
        ("y = 0.5", {"y = 1.5", "y = -0.5", "y = 1.0", "y = 0.0"}),
        ("y = True", {"y = False"}),
        ("y = 'abc'", {"y = 'bc'", "y = 'ac'", "y = 'ab'"}),
        ("y = x[m]", {"y = x", "y = x[~m]"}),
        ("y = x[:, 0]", {"y = x[0, :]", "y = x[:, 1]", "y = x"}),
        ("y = x[1:n]", {"y = x[2:n]", "y = x[:n]", "y = x[1:n + 1]", "y = x[1:]"}),
        ("y = x[::2]", {"y = x[::3]", "y = x[:]"}),
        ("y = x[:k]", {"y = x[1:k]", "y = x[:k - 1]"}),
        ("y = x.mean(1)", {"y = x.sum(1)", "y = x.mean(0)", "y = x.mean()", "y = x"}),
        ("y = x.amax(dim=0)", {"y = x.amin(dim=0)", "y = x.amax()"}),
        ("y = max(x, 0)", {"y = min(x, 0)", "y = x", "y = max(x)", "y = max(0, x)"}),
        ("y = x.clamp(min=0)", {"y = x", "y = x.clamp()", "y = x.clamp(min=1)"}),
        ("y = F.normalize(x)", {"y = x"}),
        ("y = sorted(x)", {"y = x", "y = sorted(x, reverse=True)"}),
        ("y = a if c else b", {"y = a", "y = b"}),
        ("y = [a for a in b if a > 0]", {"y = [a for a in b]"}),
        ("y += 1", {"y -= 1", "y = 1", "pass"}),
        ("a, b = (c, d)", {"a, b = (d, c)"}),
        ("if c:\n    y = 1", {"if True:\n    y = 1", "if False:\n    y = 1"}),
        (
            "for x in y:\n    break",
            {"for x in y:\n    continue", "for x in y:\n    pass"},
        ),
        ("y = q.pids", {"y = q.camids"}),
        ("y = r'\\d+'", {r"y = '\\d'", r"y = '\\d*'", "y = '.+'", r"y = '\\d{1,2}'"}),
        (r"y = '(?P<a>-?\\d)'", {r"y = '(?P<a>-\\d)'", r"y = '(?P<a>_?\\d)'"}),
    ],
)
def test_makes_the_expected_mutants(code: str, expected: set[str]) -> None:
    assert expected <= made(code), f"missing: {expected - made(code)}"


def test_one_change_at_a_time_and_none_twice() -> None:
    code = "def f(x, k):\n    y = x - k\n    return y.sum(1) / 2"
    found = mutants(code)
    texts = [m.code for m in found]
    assert len(texts) == len(set(texts)) and ast.unparse(ast.parse(code)) not in texts
    lines = [
        sum(a != b for a, b in zip(t.splitlines(), code.splitlines(), strict=True))
        for t in texts
    ]
    assert set(lines) == {1}
    assert "line 2: x - k → k - x" in [m.what for m in found]


def test_arguments_are_exchanged() -> None:
    code = "def f(x, y):\n    z = x\n    return z - y"
    expected = {code.replace("z = x", "z = y"), code.replace("- y", "- x")}
    assert expected <= made(code)


def test_all_mutants_can_be_parsed() -> None:
    code = (
        "def f(xs, n=2):\n    '''Text.'''\n    import math\n"
        "    found = {}\n    for i, x in enumerate(xs):\n        if i % n == 0:\n"
        "            found[i] = math.sqrt(x) ** 2\n    return found, -n\n"
    )
    for mutant in mutants(code):
        compile(mutant.code, "mutant", "exec")


def test_what_does_nothing_stays() -> None:
    """Imports, annotations, docstrings, and errors with their texts."""
    code = (
        "import a\n\ndef f(x: int=1) -> g(2):\n"
        '    """Two."""\n    raise E(f\'{x + 1}\')'
    )
    assert made(code) == {code.replace("=1)", f"={n})") for n in (2, 0, -1)}


def test_endless_loops_end() -> None:
    steps = Steps()
    space = {"__step__": steps}
    code = "def f(n):\n    while n != 0:\n        n -= 1\n    return 'done'"
    exec(limited(code), space)
    assert space["f"](STEPS - 1) == "done"
    with pytest.raises(TimeoutError):
        space["f"](-1)
    steps.reset()
    assert space["f"](5) == "done"
