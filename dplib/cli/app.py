"""The commands put together, and what happens when one of them fails."""

import sys

import typer

from dplib import DplibError
from dplib.cli import (
    data,
    doctor,
    evaluation,
    experiments,
    lessons,
    streams,
    training,
    words,
)

app = typer.Typer(
    help="Deep-Person in notebooks: learn, train and use person re-identification.",
    cls=words.Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (lessons, doctor, training, evaluation, experiments):
    app.add_typer(group.app)
app.add_typer(data.app, name="data", rich_help_panel="Data and set-up")


def main() -> None:
    """Run the command line; a DplibError is one clear message and exit code 1."""
    streams.make_safe()
    try:
        app()
    except DplibError as e:
        print(f"Error: {e}", file=sys.stderr)
        sys.exit(1)
