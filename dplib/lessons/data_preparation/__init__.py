"""Lesson 1: data sets, the random crop, PK batches."""
