"""Lesson 7: the claims of the paper, measured."""
