"""Runs of ablations, as small as a test needs them.

As a program it is ``python -m dplib`` with such a preset "toy", for the tests that kill
processes: those that it starts read this file again and have the same preset.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dplib import presets
from dplib.evidence.runs import Places, Run, plan
from dplib.evidence.variants import VARIANTS, Job
from dplib.presets import Preset


def tiny(preset: Preset) -> Preset:
    """The preset with the smallest nets, pictures and batches."""
    return replace(
        preset, backbone_width=0.125, image_size=(64, 32), part_units=8, p=4, k=2
    )


def places(root: Path, out: Path, epochs: int = 2) -> Places:
    return Places(root, out / "runs", out / "results", epochs=epochs, device="cpu")


def job(name: str, seed: int = 0) -> Job:
    (variant,) = (v for v in VARIANTS if v.name == name and v.cues == "layout")
    return Job("toymarket", variant, seed)


def planned(where: Places, *jobs: Job) -> list[Run]:
    """The plans of jobs, those from random weights at tiny size."""
    queue = []
    for run in (plan(job, where) for job in jobs):
        if run.preset.name == "toy":
            preset = tiny(run.preset)
            asked = run.asked | {"preset": presets.as_record(preset)}
            run = replace(run, preset=preset, asked=asked)
        queue.append(run)
    return queue


if __name__ in ("__main__", "__mp_main__"):
    presets.PRESETS["toy"] = tiny(presets.PRESETS["toy"])

if __name__ == "__main__":
    from dplib.__main__ import main

    main()
