"""Lesson 4: the batch-hard triplet loss."""
