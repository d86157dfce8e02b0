"""Lesson 5: the three losses in one training run."""
