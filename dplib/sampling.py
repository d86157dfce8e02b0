"""PK sampling: batches of P pids with K images each (§3.4, §3.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dplib import DplibError, seeds


class PKSampler:
    """Batches of indices: P pids, K images of each; an epoch is ⌊Nc / P⌋ batches.

    Every epoch goes through a fresh permutation of the pids, so that it "covers
    approximately all the identities" (§3.5); the Nc mod P left over differ from epoch
    to epoch. A pid with fewer than K images gives each of them as evenly as K allows.
    The batches depend on (labels, p, k, seed, epoch) and on nothing else: batch ``b``
    of epoch ``e`` is the same whatever was drawn before.

    Args:
        labels: One class in [0, Nc), or one pid, per image.
        p: P, the number of people in a batch.
        k: K, the number of images of each.
        seed: Decides, with the epoch, all that is drawn.

    Raises:
        DplibError: P is below 1 or larger than the number of pids, or K is below 2,
            which would leave an anchor without a positive; or the seed is none.

    Example:
        >>> labels = [0, 0, 0, 1, 1, 2, 2, 2]
        >>> (batch,) = PKSampler(labels, p=2, k=3)  # one batch: ⌊3 / 2⌋
        >>> len(batch), sorted({labels[i] for i in batch})
        (6, [1, 2])
    """

    def __init__(self, labels: Sequence[int], p: int, k: int, seed: int = 0) -> None:
        if p < 1 or k < 2:
            raise DplibError(
                f"PK sampling with P={p}, K={k}: expected P ≥ 1 and K ≥ 2 (with K = 1 "
                "no image has a positive in its batch)"
            )
        classes, inverse = np.unique(np.asarray(labels), return_inverse=True)
        if p > len(classes):
            raise DplibError(
                f"PK sampling with P={p}: the training set has {len(classes)} people; "
                + (
                    f"take p={len(classes)} or less"
                    if len(classes) > 1
                    else "training needs at least two"
                )
            )
        self.p, self.k, self.seed, self.epoch = p, k, seeds.check(seed), 0
        # the images of each pid: sorted by pid, then cut where the next pid begins
        order = np.argsort(inverse, kind="stable")
        bounds = np.cumsum(np.bincount(inverse))[:-1]
        self._images = np.split(order, bounds)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches the next iteration gives.

        Args:
            epoch: Counted from 0.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._images) // self.p

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch, 0x504B])
        pids = rng.permutation(len(self._images))
        for b in range(len(self)):
            batch: list[int] = []
            for pid in pids[b * self.p : (b + 1) * self.p]:
                images = self._images[pid]
                # a pid with few images gives all of them again, in another order
                rounds = -(-self.k // len(images))  # K / images, rounded up
                drawn = [rng.permutation(images) for _ in range(rounds)]
                batch.extend(np.concatenate(drawn)[: self.k].tolist())
            yield batch
