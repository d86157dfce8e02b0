"""Pictures to draw with, and the words of a figure."""

import numpy as np
from matplotlib.figure import Figure


def picture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (32, 16, 3), dtype=np.uint8)


def texts(fig: Figure) -> str:
    """All that is written in `fig`."""
    found = [t.get_text() for t in fig.texts]
    for attribute in ("_suptitle", "_supxlabel"):
        if label := getattr(fig, attribute, None):
            found.append(label.get_text())
    for ax in fig.axes:
        found += [ax.get_title(), ax.get_xlabel(), ax.get_ylabel()]
        found += [t.get_text() for t in ax.texts]
        if legend := ax.get_legend():
            found += [t.get_text() for t in legend.get_texts()]
    return "\n".join(found)
