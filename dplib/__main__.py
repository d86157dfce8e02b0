"""python -m dplib: every part of the project from a terminal, on every system."""

from dplib.cli.app import main

if __name__ == "__main__":
    main()
