"""What the lessons need in addition to the paper: checks, widgets and figures.

Each notebook has a room of its own, which has the notebook's name.
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
