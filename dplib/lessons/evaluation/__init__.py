"""Lesson 6: CMC, mAP and the protocols."""
