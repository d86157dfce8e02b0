"""The command line: python -m dplib."""
