"""Fifteen questions on lessons 0 to 5, with the reason for each answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Question(NamedTuple):
    """A question, its choices, the index of the right one, and why it is right."""

    lesson: int
    text: str
    choices: tuple[str, ...]
    right: int
    why: str


QUESTIONS = (
    Question(
        0,
        "A query of pid 7 from camera 1. Which gallery picture is left out of its "
        "ranking?",
        ("pid 7, camera 2", "pid 7, camera 1", "pid 0, camera 1", "pid 9, camera 1"),
        1,
        "Pid and camera must both be the query's. Pid 0 is a distractor and stays.",
    ),
    Question(
        0,
        "The true matches of a query stand at ranks 1 and 4. What is its AP, by steps?",
        ("0.5", "0.625", "0.75", "1.0"),
        2,
        "The precision is 1/1 at rank 1 and 2/4 at rank 4; their mean is 0.75.",
    ),
    Question(
        1,
        "Nc = 751 training pids, P = 16, K = 8. How many batches does an epoch have?",
        ("46", "47", "101", "128"),
        0,
        "⌊751 / 16⌋ = 46: an epoch goes through about all pids, not all pictures.",
    ),
    Question(
        1,
        "Why may no pid be in both the training and the test set?",
        (
            "the batches would grow too large",
            "the files would have the same names",
            "a net that knows the test people proves nothing about unknown ones",
            "the protocol could not tell cameras apart",
        ),
        2,
        "Re-identification is about people who were never seen in training.",
    ),
    Question(
        2,
        "A picture of 128 x 64 pixels gives fb of 8 rows. What does a last stride of 2 "
        "in place of 1 change?",
        (
            "nothing, the classes are the same",
            "fb has 16 rows",
            "fb has 4 rows, each of a larger piece of the picture",
            "fm has half the channels",
        ),
        2,
        "The last stage then steps over every other place: half the rows and columns.",
    ),
    Question(
        2,
        "Row 3 of fb depends on",
        (
            "the third eighth of the picture alone",
            "a field much taller than that eighth, strongest near its middle",
            "the whole picture, everywhere alike",
            "rows 1 and 2 of fb",
        ),
        1,
        "The theoretical field is tall; the effective one is smaller and peaks at the "
        "row's own height. Figure 3's stripe is an idealisation.",
    ),
    Question(
        3,
        "In a BLSTM over the rows, O_1 (the head's row) can depend on S_8 (the feet)",
        (
            "never",
            "through the forward direction",
            "through the backward direction",
            "only through the classifier",
        ),
        2,
        "The backward LSTM reads from the feet up: at S_1 it has seen S_8.",
    ),
    Question(
        3,
        "BpI's loss stays at ln Nc for the whole run, and the other losses fall. Then",
        (
            "BpI has converged",
            "BpI guesses, and the model is in effect BgI + BtR",
            "the learning rate is too low for all branches",
            "Nc is too large",
        ),
        1,
        "ln Nc is the loss of a uniform guess over Nc classes.",
    ),
    Question(
        3,
        "At test time the BLSTM is",
        (
            "run once a picture",
            "run on the flipped picture as well",
            "replaced by FC layers",
            "not run: the descriptor is the mean over fb",
        ),
        3,
        "The branch acts as a loss on fb while training; it costs nothing afterwards.",
    ),
    Question(
        4,
        "An anchor's positives lie at 0.3 and 0.9, its negatives at 0.8 and 1.5; "
        "margin 0.5. What does batch-hard give?",
        ("0", "0.1", "0.6", "1.1"),
        2,
        "0.5 + 0.9 (the farthest positive) - 0.8 (the nearest negative) = 0.6.",
    ),
    Question(
        4,
        "Why is the squared distance clamped before the root?",
        (
            "to keep descriptors on the unit sphere",
            "the root's slope at 0 is infinite, and rounding can give less than 0",
            "to make the loss smaller than the margin",
            "because negatives must be positive numbers",
        ),
        1,
        "Without it one pair of equal pictures turns all gradients into NaN.",
    ),
    Question(
        4,
        "The batch-hard loss stays at exactly the margin, every triplet active. "
        "Most likely",
        (
            "training is finished",
            "all descriptors have become (nearly) equal",
            "the batch has no positives",
            "the margin is too small",
        ),
        1,
        "With all distances at 0 the hinge is the margin: the embedding has collapsed.",
    ),
    Question(
        5,
        "You train again with the same seed and one more branch. What stays the same?",
        (
            "the final weights of the backbone",
            "every loss of the run",
            "the batches and their augmentation",
            "nothing",
        ),
        2,
        "Initialisation, batches and augmentation draw from generators of their own.",
    ),
    Question(
        5,
        "At the end of lesson 5's run BtR's loss is a tenth of the sum of the three. "
        "How long is BtR's gradient at fb?",
        (
            "shorter than each of the other two, but of the same order",
            "a tenth of the three lengths together",
            "next to nothing, because its loss is nearly 0",
            "ten times as long, because a small loss is steep",
        ),
        0,
        "An active triplet pulls with the same force whatever its loss. The value of a "
        "loss does not say how steep it is: add 100, and its gradient is the same.",
    ),
    Question(
        5,
        "The gradient's norm is usually 10 to 30. Which clipping limit belongs there?",
        (
            "5, so that every step is short",
            "20, the middle of the usual norms",
            "none: Adam divides the length out again",
            "50, somewhat above the usual norms",
        ),
        3,
        "The limit is for accidents only: 5 would act at every step, 20 at many. "
        "Without a limit, an accident stays in Adam's m and v for a long time.",
    ),
)


def score(answers: Mapping[int, int]) -> tuple[int, int]:
    """Right answers and questions answered; answers: question → chosen index."""
    right = sum(QUESTIONS[q].right == a for q, a in answers.items())
    return right, len(answers)
