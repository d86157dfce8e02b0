"""Inside the part branch: the gates of its LSTM, and which row reaches which output.

§3.2, figure 4. At step t, from the row S_t and the state before it:

    i = σ(W_i S_t + R_i h + b_i)     input gate: how much of the new is let in
    f = σ(W_f S_t + R_f h + b_f)     forget gate: how much of the old is kept
    o = σ(W_o S_t + R_o h + b_o)     output gate: how much of the cell is shown
    g = tanh(W_g S_t + R_g h + b_g)  what is new
    c = f · c + i · g                the cell
    h = o · tanh(c)                  the hidden state

The paper's figure names i, f, o and c; g has no name there. ``nn.LSTM`` gives back h
alone: ``trace`` computes the rest, with the LSTM's own weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dplib import DplibError


class Trace(NamedTuple):
    """Every gate at every step: each tensor is [layers, directions, N, H, U].

    Direction 0 reads head → foot, direction 1 foot → head; position t always belongs
    to row t, whichever direction has read it.
    """

    i: Tensor  # input gate, in (0, 1)
    f: Tensor  # forget gate, in (0, 1)
    o: Tensor  # output gate, in (0, 1)
    g: Tensor  # candidate, in (-1, 1)
    c: Tensor  # cell
    h: Tensor  # hidden state, in (-1, 1)


@torch.no_grad()
def trace(lstm: nn.LSTM, sequence: Tensor) -> Trace:
    """The gates of ``lstm`` along ``sequence`` [N, H, C], from zero states.

    ``trace(...).h[-1]`` holds the outputs of ``lstm(sequence)``: its directions one
    after the other along the last axis. Dropout between layers is left out, as in eval
    mode.
    Raises DplibError for an LSTM with projections or without batch_first, and for a
    sequence of another shape.
    """
    if lstm.proj_size or not lstm.batch_first:
        raise DplibError(
            f"gates of {lstm}: expected an nn.LSTM with batch_first=True and without "
            "proj_size"
        )
    if sequence.ndim != 3 or sequence.shape[2] != lstm.input_size:
        raise DplibError(
            f"a sequence of shape {tuple(sequence.shape)}: expected [N, H, "
            f"{lstm.input_size}], as DeepPerson.part_sequence gives"
        )
    layers = []
    x = sequence
    for layer in range(lstm.num_layers):
        found = [_direction(lstm, x, layer, "")]
        if lstm.bidirectional:
            found.append(_direction(lstm, x, layer, "_reverse"))
        layers.append(torch.stack(found, 1))  # [6, D, N, H, U]
        x = torch.cat([steps[5] for steps in found], 2)  # [N, H, D·U]
    return Trace(*torch.stack(layers, 1))


def _direction(lstm: nn.LSTM, x: Tensor, layer: int, suffix: str) -> Tensor:
    """i, f, o, g, c, h of one layer and direction: [6, N, H, U], in row order."""

    def weight(name: str) -> Tensor:
        found: Tensor = getattr(lstm, f"{name}_l{layer}{suffix}")
        return found

    z = x @ weight("weight_ih").T  # [N, H, 4U]
    if lstm.bias:
        z = z + weight("bias_ih") + weight("bias_hh")
    rows = z.unbind(1)
    h = c = x.new_zeros(len(x), lstm.hidden_size)
    steps = []
    for row in reversed(rows) if suffix else rows:
        # PyTorch stacks the four in the order i, f, g, o
        i, f, g, o = (row + h @ weight("weight_hh").T).chunk(4, 1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * c.tanh()
        steps.append(torch.stack([i, f, o, g, c, h]))
    return torch.stack(steps[::-1] if suffix else steps, 2)


def context_map(context: nn.Module, sequence: Tensor) -> Tensor:
    """|∂O_t/∂S_k|, a map [H, H] with outputs t down and rows k across.

    context: what turns S [N, H, C] into O [N, H, U] (``DeepPerson.part_context``); it
    is put into eval mode for the while, so that no BatchNorm mixes images. Each entry
    is the Frobenius norm of the U x C Jacobian, averaged over the images.
    Raises DplibError for a sequence that is not [N, H, C].
    """
    if sequence.ndim != 3:
        raise DplibError(
            f"a sequence of shape {tuple(sequence.shape)}: expected [N, H, C]"
        )
    n, rows, _ = sequence.shape
    before = context.training
    context.eval()
    try:
        # cuDNN's LSTM has no backward pass in eval mode
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            s = sequence.detach().clone().requires_grad_()
            o = context(s)  # [N, H, U]
            square = s.new_zeros(rows, n, rows)  # [t, N, k]
            for t in range(rows):
                for u in range(o.shape[2]):
                    (slope,) = torch.autograd.grad(
                        o[:, t, u].sum(), s, retain_graph=True
                    )
                    square[t] += slope.square().sum(2)
    finally:
        context.train(before)
    return square.sqrt().mean(1)


@torch.no_grad()
def moved(context: nn.Module, sequence: Tensor, row: int) -> Tensor:
    """How far each output moves when row ``row`` (from 0) is covered: [N, H].

    The row is replaced by its mean over the images. |O_t' - O_t|, in units of how far
    O_t of two images lies apart on average (the root of twice the mean squared
    distance from the mean): 1 means as far as from one image to another.
    Raises DplibError for a row that is not there, or a single image.
    """
    n, rows, _ = sequence.shape
    if not 0 <= row < rows:
        raise DplibError(f"row {row}: the sequence has rows 0 to {rows - 1}")
    if n < 2:
        raise DplibError("moved: one image alone has no spread; give at least two")
    covered = sequence.clone()
    covered[:, row] = sequence[:, row].mean(0)
    before = context.training
    context.eval()
    o, after = context(sequence), context(covered)
    context.train(before)
    apart = (2 * (o - o.mean(0)).square().sum(2).mean(0)).sqrt()  # [H]
    distance: Tensor = (after - o).norm(dim=2) / apart
    return distance
