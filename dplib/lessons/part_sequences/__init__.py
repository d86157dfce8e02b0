"""Lesson 2: the rows of fb as a sequence of parts."""
