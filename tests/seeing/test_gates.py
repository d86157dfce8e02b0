"""The gates give nn.LSTM's own outputs; the context map is the Jacobian's norm."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dplib import DplibError
from dplib.contexts import BLSTM, AuthorsBLSTM, RowFC, Stripes
from dplib.seeing import gates


def sequence(n: int = 3, rows: int = 5, channels: int = 6) -> Tensor:
    return torch.randn(n, rows, channels, generator=torch.Generator().manual_seed(1))


def seeded(module: type[nn.Module], *args: object, **kwargs: object) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return module(*args, **kwargs)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_outputs_are_those_of_the_lstm(
    layers: int, bidirectional: bool, bias: bool
) -> None:
    lstm = seeded(
        nn.LSTM,
        6,
        4,
        num_layers=layers,
        bidirectional=bidirectional,
        bias=bias,
        batch_first=True,
    )
    assert isinstance(lstm, nn.LSTM)
    s = sequence()
    want, (h, c) = lstm(s)
    found = gates.trace(lstm, s)
    directions = 1 + bidirectional
    assert found.i.shape == (layers, directions, 3, 5, 4)
    torch.testing.assert_close(torch.cat(list(found.h[-1]), 2), want)
    # the last state of each direction: at the foot, and back at the head
    for mine, theirs in ((found.h, h), (found.c, c)):
        ends = [mine[k, 0, :, -1] for k in range(layers)]
        if bidirectional:
            starts = [mine[k, 1, :, 0] for k in range(layers)]
            ends = [x for pair in zip(ends, starts, strict=True) for x in pair]
        torch.testing.assert_close(torch.stack(ends), theirs)


def test_cell_and_hidden_state_follow_from_the_gates() -> None:
    lstm = seeded(nn.LSTM, 6, 4, bidirectional=True, batch_first=True)
    assert isinstance(lstm, nn.LSTM)
    t = gates.trace(lstm, sequence())
    torch.testing.assert_close(t.h, t.o * t.c.tanh())
    forward, backward = t.c[0, 0], t.c[0, 1]
    new = t.i * t.g
    torch.testing.assert_close(
        forward[:, 1:], t.f[0, 0][:, 1:] * forward[:, :-1] + new[0, 0][:, 1:]
    )
    torch.testing.assert_close(  # the other direction comes from the row below
        backward[:, :-1], t.f[0, 1][:, :-1] * backward[:, 1:] + new[0, 1][:, :-1]
    )


def test_a_gate_equals_its_equation() -> None:
    cell = seeded(nn.LSTM, 6, 4, batch_first=True)
    assert isinstance(cell, nn.LSTM)
    s = sequence(rows=1)
    z = s[:, 0] @ cell.weight_ih_l0.T + cell.bias_ih_l0 + cell.bias_hh_l0
    found = gates.trace(cell, s)
    for name, part in (("i", 0), ("f", 1), ("o", 3)):
        want = z[:, 4 * part : 4 * part + 4].sigmoid()
        torch.testing.assert_close(getattr(found, name)[0, 0, :, 0], want)
    torch.testing.assert_close(found.g[0, 0, :, 0], z[:, 8:12].tanh())


def test_refuses_what_it_cannot_trace() -> None:
    with pytest.raises(DplibError, match="batch_first"):
        gates.trace(nn.LSTM(6, 4), sequence())
    with pytest.raises(DplibError, match="proj_size"):
        gates.trace(nn.LSTM(6, 4, proj_size=2, batch_first=True), sequence())
    with pytest.raises(DplibError, match=r"expected \[N, H, 7\]"):
        gates.trace(nn.LSTM(7, 4, batch_first=True), sequence())


@pytest.mark.parametrize(
    "context",
    [
        seeded(BLSTM, 6, 3),
        seeded(BLSTM, 6, 3, isolated=True),
        seeded(AuthorsBLSTM, 6, 3),
        seeded(RowFC, 5, 6, 3),
        seeded(Stripes, 6, 3),
    ],
    ids=["blstm", "isolated", "authors", "fc", "stripes"],
)
def test_context_map_is_the_norm_of_the_jacobian(context: nn.Module) -> None:
    s = sequence()
    found = gates.context_map(context, s)
    assert context.training, "back in the mode it was in"
    context.eval()
    want = torch.zeros(5, 5)
    for x in s:
        jacobian = torch.autograd.functional.jacobian(
            lambda row: context(row[None])[0], x
        )  # [H, U, H, C]
        want += jacobian.square().sum((1, 3)).sqrt() / len(s)
    context.train()
    torch.testing.assert_close(found, want)


def test_rows_reach_other_outputs_through_the_lstm_only() -> None:
    s = sequence()
    off = ~torch.eye(5, dtype=torch.bool)
    assert (gates.context_map(seeded(BLSTM, 6, 3), s) > 0).all()
    for alone in (seeded(BLSTM, 6, 3, isolated=True), seeded(RowFC, 5, 6, 3)):
        assert (gates.context_map(alone, s)[off] == 0).all()
    with pytest.raises(DplibError, match=r"\[N, H, C\]"):
        gates.context_map(seeded(BLSTM, 6, 3), s[0])


def test_moved_counts_in_distances_between_images() -> None:
    class Same(nn.Module):
        def forward(self, s: Tensor) -> Tensor:
            return s

    s = torch.tensor([[[0.0], [5.0]], [[2.0], [5.5]]])  # two images, two rows
    got = gates.moved(Same(), s, 0)
    # covered by 1, each image moves by 1; the images lie 2 apart, root mean square
    # over pairs with repetition √2
    torch.testing.assert_close(got, torch.tensor([[2**-0.5, 0.0], [2**-0.5, 0.0]]))
    assert s[0, 0, 0] == 0, "the sequence is left as it was"


def test_moved_refuses() -> None:
    context = seeded(BLSTM, 6, 3)
    with pytest.raises(DplibError, match="rows 0 to 4"):
        gates.moved(context, sequence(), 5)
    with pytest.raises(DplibError, match="at least two"):
        gates.moved(context, sequence(1), 0)
