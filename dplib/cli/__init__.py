"""The command line: python -m dplib. One file for each group of commands."""

# A command imports what loads PyTorch when it is run, not when this package is
# imported: so `--help` answers in a moment. All other imports stand at the top.
