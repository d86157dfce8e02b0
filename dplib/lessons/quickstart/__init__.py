"""Lesson 0: from nothing to a ranked list of people."""
