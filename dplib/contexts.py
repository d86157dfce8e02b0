"""Part contexts: from the rows S_1 … S_H of fb to the outputs O_1 … O_H (BpI, §3.2).

Each takes S [N, H, C] and returns O [N, H, U]. Only the LSTM variants pass information
between rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dplib import DplibError

PART_CONTEXTS = (
    "blstm",  # §3.2
    "fc",  # table 4's "without LSTM": H independent layers C → U
    "fc_shared",  # one layer C → U for all rows
    "blstm_isolated",  # the BLSTM on each row alone: same parameters, no context
    "blstm_authors",  # the layers of the authors' program
    "stripes",  # PCB: each row has its own classifier
    "lstm",  # one direction only, head → foot
    "blstm_fixed_order",  # the rows in one shuffled order, always the same
    "blstm_random_order",  # the rows in another order in each training batch
)
ORDERS = ("natural", "fixed", "random")


class BLSTM(nn.Module):
    """Two-layer bidirectional LSTM, then a fully connected layer after h_t (§3.2).

    Args:
        channels: C of the rows S_t.
        units: U, the width of h_t in each direction and of the outputs O_t.
        isolated: Make each row a sequence of its own, so that the same parameters
            see no other row.
        both_ways: False runs from head to foot only.
        order: "natural" reads the rows from head to foot, "fixed" in one shuffled
            order, "random" in another one in each training batch (and from head to
            foot in eval mode). The outputs always come back from head to foot.

    Raises:
        DplibError: There is no such order.
    """

    batches: Tensor  # training batches so far; the random order follows from it

    def __init__(
        self,
        channels: int,
        units: int,
        isolated: bool = False,
        *,
        both_ways: bool = True,
        order: str = "natural",
    ) -> None:
        super().__init__()
        if order not in ORDERS:
            raise DplibError(f"order={order!r}: choose from {', '.join(ORDERS)}")
        self.isolated, self.order = isolated, order
        self.lstm = nn.LSTM(
            channels, units, num_layers=2, bidirectional=both_ways, batch_first=True
        )
        self.fc = nn.Linear((1 + both_ways) * units, units)  # h_t → O_t
        if order == "random":  # saved with the weights, so that a resumed run goes on
            self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def forward(self, s: Tensor) -> Tensor:
        """S [N, H, C] → O [N, H, U]."""
        n, rows, _ = s.shape
        if self.isolated:
            s = s.reshape(n * rows, 1, -1)  # [N·H, 1, C]
        places = self._places(rows)
        h, _ = self.lstm(s if places is None else s[:, places])  # [N, H, 2U]
        o = self.fc(h).reshape(n, rows, -1)  # [N, H, U]
        return o if places is None else o[:, places.argsort()]  # head → foot again

    def _places(self, rows: int) -> Tensor | None:
        """The rows [H] in the order in which they are read; None for head → foot."""
        if self.order == "natural" or (self.order == "random" and not self.training):
            return None
        draw = 0
        if self.order == "random":
            self.batches += 1
            draw = int(self.batches)
        return torch.randperm(rows, generator=torch.Generator().manual_seed(draw))


class AuthorsBLSTM(nn.Module):
    """The authors' program: for each layer and direction an LSTM and an FC, summed.

    Args:
        channels: C of the rows S_t.
        units: U of the outputs O_t.
    """

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.lstms = nn.ModuleList(
            nn.LSTM(c, units, bidirectional=True, batch_first=True)
            for c in (channels, units)
        )
        self.forward_fcs = nn.ModuleList(nn.Linear(units, units) for _ in range(2))
        self.backward_fcs = nn.ModuleList(nn.Linear(units, units) for _ in range(2))

    def forward(self, s: Tensor) -> Tensor:
        """S [N, H, C] → O [N, H, U]."""
        for lstm, forward_fc, backward_fc in zip(
            self.lstms, self.forward_fcs, self.backward_fcs, strict=True
        ):
            h, _ = lstm(s)  # [N, H, 2U]
            h_forward, h_backward = h.chunk(2, dim=-1)  # [N, H, U] each
            s = forward_fc(h_forward) + backward_fc(h_backward)  # [N, H, U]
        return s


class RowFC(nn.Module):
    """One layer C → U for each row, not shared (table 4's "without LSTM")."""

    def __init__(self, rows: int, channels: int, units: int) -> None:
        super().__init__()
        self.fcs = nn.ModuleList(nn.Linear(channels, units) for _ in range(rows))

    def forward(self, s: Tensor) -> Tensor:
        """S [N, H, C] → O [N, H, U]."""
        rows = zip(self.fcs, s.unbind(1), strict=True)
        return torch.stack([fc(row) for fc, row in rows], 1)  # H of [N, U] → [N, H, U]


class Stripes(nn.Module):
    """PCB's rows: a shared 1 x 1 convolution with BatchNorm and ReLU, C → U."""

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, units, bias=False)
        self.bn = nn.BatchNorm1d(units)

    def forward(self, s: Tensor) -> Tensor:
        """S [N, H, C] → O [N, H, U]."""
        n, rows, _ = s.shape
        x = self.fc(s).flatten(0, 1)  # [N·H, U]: one BatchNorm for all rows
        return self.bn(x).relu().reshape(n, rows, -1)  # [N, H, U]


def build(name: str, rows: int, channels: int, units: int) -> nn.Module:
    """The context of that name for H rows.

    Args:
        name: One of ``PART_CONTEXTS``.
        rows: H, which matters to "fc" alone.
        channels: C of the rows S_t.
        units: U of the outputs O_t.

    Returns:
        A module S [N, H, C] → O [N, H, U].

    Example:
        >>> build("blstm", rows=8, channels=128, units=64)(torch.zeros(2, 8, 128)).shape
        torch.Size([2, 8, 64])
    """
    if name == "fc":
        return RowFC(rows, channels, units)
    if name == "fc_shared":
        return nn.Linear(channels, units)
    if name == "stripes":
        return Stripes(channels, units)
    if name == "blstm_authors":
        return AuthorsBLSTM(channels, units)
    # what is left are settings of one LSTM
    orders = {"blstm_fixed_order": "fixed", "blstm_random_order": "random"}
    return BLSTM(
        channels,
        units,
        isolated=name == "blstm_isolated",
        both_ways=name != "lstm",
        order=orders.get(name, "natural"),
    )
