"""What the lessons need beside the paper: checks, widgets, figures.

Each notebook has a room of its own, named as the notebook is.
"""

# in the order of the notebooks: lesson n is ROOMS[n]
ROOMS = (
    "quickstart",
    "data_preparation",
    "part_sequences",
    "blstm_branch",
    "batch_hard_triplet",
    "training",
    "evaluation",
    "ablations",
)
