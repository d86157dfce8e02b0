"""How true matches are ranked exactly, without sorting: the engine of evaluation."""
