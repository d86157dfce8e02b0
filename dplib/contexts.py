"""What turns the rows S_1 … S_H into the outputs O_1 … O_H: BpI's contexts (§3.2).

Each takes S [N, H, C] and gives O [N, H, U]. Only LSTMs let one row hear of another.
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
    "blstm_fixed_order",  # the rows in an order that is no body's, always the same
    "blstm_random_order",  # the rows in another order in each training batch
)
ORDERS = ("natural", "fixed", "random")


class BLSTM(nn.Module):
    """Two-layer bidirectional LSTM, then a fully connected layer after h_t (§3.2).

    sequence S [N, H, C] → outputs O [N, H, U]. With ``isolated`` each row is a
    sequence of its own: the same parameters see no other row. ``both_ways=False`` runs
    from head to foot only.
    order: "natural" is head → foot; "fixed" reads the rows in one shuffled order,
    "random" in another one in each training batch (natural in eval mode). The outputs
    are always given back head → foot. Raises DplibError for an unknown order.
    """

    batches: Tensor  # training batches seen: what the random order follows from

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
        if order == "random":  # saved with the weights: a resumed run goes on with it
            self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def forward(self, s: Tensor) -> Tensor:
        n, rows, _ = s.shape
        if self.isolated:
            s = s.reshape(n * rows, 1, -1)  # [N·H, 1, C]
        places = self._places(rows)
        h, _ = self.lstm(s if places is None else s[:, places])  # [N, H, 2U]
        o = self.fc(h).reshape(n, rows, -1)  # [N, H, U]
        return o if places is None else o[:, places.argsort()]

    def _places(self, rows: int) -> Tensor | None:
        """Which row is read first, second, …; None for head → foot."""
        if self.order == "natural" or (self.order == "random" and not self.training):
            return None
        draw = 0
        if self.order == "random":
            self.batches += 1
            draw = int(self.batches)
        return torch.randperm(rows, generator=torch.Generator().manual_seed(draw))


class AuthorsBLSTM(nn.Module):
    """The authors' program: per layer and direction an LSTM and an FC, summed; twice.

    sequence S [N, H, C] → outputs O [N, H, U].
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
        for lstm, fwd, bwd in zip(
            self.lstms, self.forward_fcs, self.backward_fcs, strict=True
        ):
            h, _ = lstm(s)  # [N, H, 2U]
            left, right = h.chunk(2, dim=-1)
            s = fwd(left) + bwd(right)  # [N, H, U]
        return s


class RowFC(nn.Module):
    """One layer C → U per row, not shared: S [N, H, C] → O [N, H, U] (table 4)."""

    def __init__(self, rows: int, channels: int, units: int) -> None:
        super().__init__()
        self.fcs = nn.ModuleList(nn.Linear(channels, units) for _ in range(rows))

    def forward(self, s: Tensor) -> Tensor:
        return torch.stack(
            [fc(x) for fc, x in zip(self.fcs, s.unbind(1), strict=True)], 1
        )


class Stripes(nn.Module):
    """PCB's rows: a shared 1 x 1 convolution with BatchNorm and ReLU, C → U."""

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, units, bias=False)
        self.bn = nn.BatchNorm1d(units)

    def forward(self, s: Tensor) -> Tensor:
        n, rows, _ = s.shape
        x = self.fc(s).flatten(0, 1)  # [N·H, U]
        return self.bn(x).relu().reshape(n, rows, -1)  # [N, H, U]


def build(name: str, rows: int, channels: int, units: int) -> nn.Module:
    """The context of that name, one of ``PART_CONTEXTS``, for H rows of C channels."""
    if name == "fc":
        return RowFC(rows, channels, units)
    if name == "fc_shared":
        return nn.Linear(channels, units)
    if name == "stripes":
        return Stripes(channels, units)
    if name == "blstm_authors":
        return AuthorsBLSTM(channels, units)
    return BLSTM(
        channels,
        units,
        isolated=name == "blstm_isolated",
        both_ways=name != "lstm",
        order={"blstm_fixed_order": "fixed", "blstm_random_order": "random"}.get(
            name, "natural"
        ),
    )
