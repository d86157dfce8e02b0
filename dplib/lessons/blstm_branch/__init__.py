"""Lesson 3: the recurrent branch over the rows of fb."""
