"""What surrounds the training loop: its log, its checkpoint, how it is watched."""
