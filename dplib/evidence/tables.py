"""The paper's tables 1 to 7 as data, with which of our runs stands beside which row.

Values are percentages as printed; None where the paper prints a dash. Slips of the
paper are kept as they are and named in a table's ``note``.
"""

from __future__ import annotations

from dataclasses import dataclass

from dplib import DplibError

Values = tuple[float | None, ...]
OURS = "Deep-Person (Ours)"


@dataclass(frozen=True)
class Table:
    """One table: its rows in the paper's order, a value per column (%)."""

    number: int
    title: str
    data: str
    columns: tuple[str, ...]
    rows: dict[str, Values]
    runs: dict[str, tuple[str, str]]  # row → (variant, descriptor) of evidence.variants
    note: str = ""

    def value(self, row: str, column: str) -> float | None:
        """Raises DplibError for a row or column that the table has not."""
        if row not in self.rows:
            raise DplibError(
                f"table {self.number} has no row {row!r}: {', '.join(self.rows)}"
            )
        if column not in self.columns:
            raise DplibError(
                f"table {self.number} has no column {column!r}: "
                f"{', '.join(self.columns)}"
            )
        return self.rows[row][self.columns.index(column)]

    def best_rival(self, column: str, but: str = OURS) -> tuple[str, float]:
        """The best other row by ``column``, and its value."""
        at = self.columns.index(column)
        others = {k: v[at] for k, v in self.rows.items() if k != but}
        known = {k: x for k, x in others.items() if x is not None}
        name = max(known, key=lambda k: known[k])
        return name, known[name]


_SINGLE = ("rank1", "map")
_CUHK = tuple(f"{b} {r}" for b in ("labeled", "detected") for r in ("r1", "r5", "r10"))
DASH = None

TABLES: dict[int, Table] = {
    t.number: t
    for t in (
        Table(
            1,
            "State of the art",
            "DukeMTMC-reID",
            _SINGLE,
            {
                "BoW+KISSME": (25.13, 12.17),
                "LOMO+XQDA": (30.75, 17.04),
                "LSRO": (67.68, 47.13),
                "AttIDNet": (70.69, 51.88),
                "PAN": (71.59, 51.51),
                "ACRN": (72.58, 51.96),
                "SVDNet": (76.70, 56.80),
                "DPFL": (79.20, 60.60),
                OURS: (80.90, 64.80),
            },
            {OURS: ("full", "fm")},
        ),
        Table(
            2,
            "State of the art",
            "Market-1501",
            (*_SINGLE, "multi rank1", "multi map"),
            {
                "OL-MANS": (60.67, DASH, 66.80, DASH),
                "DNS": (61.02, 35.68, 71.56, 46.03),
                "Gated S-CNN": (65.88, 39.55, 76.04, 48.45),
                "CRAFT-MFA": (68.70, 42.30, 77.70, 50.30),
                "P2S": (70.72, 44.27, 85.78, 55.73),
                "CADL": (73.84, 47.11, 80.85, 55.58),
                "Spindle": (76.90, DASH, DASH, DASH),
                "MSCAN": (80.31, 57.53, 86.79, 66.70),
                "SVDNet": (82.30, 62.10, DASH, DASH),
                "Part-Aligned": (81.00, 63.40, DASH, DASH),
                "PDC": (84.14, 63.41, DASH, DASH),
                "JLML": (85.10, 65.50, 89.70, 74.50),
                "LSRO": (83.97, 66.07, 88.42, 76.10),
                "SSM": (82.21, 68.80, 88.18, 76.18),
                "TriNet": (84.92, 69.14, 90.53, 76.42),
                "DPFL": (88.60, 72.60, 92.20, 80.40),
                OURS: (92.31, 79.58, 94.48, 85.09),
            },
            {OURS: ("full", "fm")},
            "With k-reciprocal re-ranking the text gives 90.84 mAP (single query).",
        ),
        Table(
            3,
            "State of the art",
            "CUHK03, old protocol",
            _CUHK,
            {
                "EDM": (61.3, 88.9, 96.4, 52.1, 82.9, 91.8),
                "OL-MANS": (61.7, 88.4, 95.2, 62.7, 87.6, 93.8),
                "DNS": (62.5, 90.0, 94.8, 54.7, 84.7, 94.8),
                "Gated S-CNN": (DASH, DASH, DASH, 68.1, 88.1, 94.6),
                "GOG": (67.3, 91.0, 96.0, 65.5, 88.4, 93.7),
                "DictRW": (71.1, 91.7, 94.7, DASH, DASH, DASH),
                "MSCAN": (74.2, 94.3, 97.5, 68.0, 91.0, 95.4),
                "MTDnet": (74.7, 96.0, 97.5, DASH, DASH, DASH),
                "Quadruplet": (75.5, 95.2, 99.2, DASH, DASH, DASH),
                "SSM": (76.6, 94.6, 98.0, 72.7, 92.4, 96.1),
                "MuDeep": (76.9, 96.1, 98.4, 75.6, 94.4, 97.5),
                "SVDNet": (DASH, DASH, DASH, 81.8, 95.2, 97.2),
                "CRAFT-MFA": (DASH, DASH, DASH, 84.3, 97.1, 98.3),
                "LSRO": (DASH, DASH, DASH, 84.6, 97.6, 98.9),
                "JLML": (83.2, 98.0, 99.4, 80.6, 96.9, 98.7),
                "Part-Aligned": (85.4, 97.6, 99.4, 81.6, 97.3, 98.4),
                "Spindle": (88.5, 97.8, 98.6, DASH, DASH, DASH),
                "PDC": (88.7, 98.6, 99.2, 78.3, 94.8, 97.2),
                OURS: (91.5, 99.0, 99.5, 89.4, 98.2, 99.1),
            },
            {OURS: ("full", "fm")},
            "The paper prints the row of Gated S-CNN without its name, which stands "
            "after the table.",
        ),
        Table(
            4,
            "Global and part branches, no triplet loss",
            "Market-1501",
            _SINGLE,
            {
                "BgI": (85.33, 64.71),
                "BpI w/o LSTM": (82.39, 60.75),
                "BgI + BpI w/o LSTM": (86.49, 66.74),
                "BgI + BpI": (87.74, 69.82),
            },
            {
                "BgI": ("bgi", "fm"),
                "BpI w/o LSTM": ("bpi_fc", "fm"),
                "BgI + BpI w/o LSTM": ("bgi_bpi_fc", "fm"),
                "BgI + BpI": ("bgi_bpi", "fm"),
            },
            "BpI with its LSTM and without BgI is not in the table.",
        ),
        Table(
            5,
            "Part-based models",
            "Market-1501",
            _SINGLE,
            {
                "SCSP": (51.90, 26.35),
                "LSTM-Siamese": (61.60, 35.31),
                "MR B-CNN": (66.36, 41.17),
                "JLML": (85.10, 65.50),
                "Spindle": (76.90, DASH),
                "MSCAN": (80.31, 57.53),
                "Part-Aligned": (81.00, 63.40),
                "PDC": (84.14, 63.41),
                "BgI + BpI": (87.74, 69.82),
            },
            {"BgI + BpI": ("bgi_bpi", "fm")},
            "The gain over the best part-based method (3.6 and 6.41 points) is taken "
            "against PDC; JLML in the same table is better. PCB, discussed in section "
            "2 of the paper, is missing.",
        ),
        Table(
            6,
            "Identification and triplet loss, no part branch",
            "Market-1501",
            _SINGLE,
            {
                "Identification loss": (85.33, 64.71),
                "Triplet loss": (81.29, 63.51),
                "Identification + Triplet loss": (88.45, 72.96),
            },
            {
                "Identification loss": ("bgi", "fm"),
                "Triplet loss": ("btr", "fm"),
                "Identification + Triplet loss": ("bgi_btr", "fm"),
            },
        ),
        Table(
            7,
            "Descriptors of BgI + BpI",
            "Market-1501",
            _SINGLE,
            {"fc": (84.65, 67.00), "fm": (87.74, 69.82)},
            {"fc": ("bgi_bpi", "fc"), "fm": ("bgi_bpi", "fm")},
            "Whether fc is normalised is not said; ours is.",
        ),
    )
}

# Table 5's categories: how a person is cut into parts
PARTITION = {
    "rigid": ("SCSP", "LSTM-Siamese", "MR B-CNN", "JLML", "BgI + BpI"),
    "flexible": ("Spindle", "MSCAN", "Part-Aligned", "PDC"),
}


def table(number: int) -> Table:
    """Table 1 to 7; DplibError for another number."""
    if number not in TABLES:
        raise DplibError(f"table {number!r}: the paper has tables 1 to 7")
    return TABLES[number]
