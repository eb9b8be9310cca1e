"""The app: its commands, and how errors end it."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Annotated

import typer

from entity_matching.cli.console import complain, show_notes
from entity_matching.cli.demo import demo
from entity_matching.cli.deploy import deploy
from entity_matching.cli.describe import describe
from entity_matching.cli.destroy import destroy, destroy_data
from entity_matching.cli.doctor import doctor
from entity_matching.cli.endpoint import endpoint
from entity_matching.cli.evaluate import evaluate
from entity_matching.cli.explain import explain
from entity_matching.cli.match import match
from entity_matching.cli.registry import models
from entity_matching.cli.run import run as run_job
from entity_matching.cli.schedule import schedule
from entity_matching.cli.sql import sql
from entity_matching.cli.status import status
from entity_matching.cli.train import train
from entity_matching.errors import EntityMatchingError
from entity_matching.signals import ends_orderly
from entity_matching.startup import begin_process
from entity_matching.version import __version__

app = typer.Typer(
    name="entity-matching",
    help="Finds, for each messy record, the record of a master list that it denotes: how sure, and why.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (match, train, evaluate, describe, explain, doctor, demo):
    app.command(command.__name__)(command)
# what it does not know goes to the job
app.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run_job)
app.command("sql")(sql)
app.command("status")(status)
app.command("deploy")(deploy)
app.command("destroy")(destroy)
app.command("destroy-data")(destroy_data)
app.add_typer(models)
app.add_typer(endpoint)
app.add_typer(schedule)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"entity-matching {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more of what is done, on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    context.obj = {"debug": debug}
    show_notes(logging.INFO if verbose or debug else logging.WARNING)


def run(argv: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 failed, 2 wrong use, 130 interrupted.

    :param argv: the arguments; those of the process by default.
    """
    begin_process()
    arguments = sys.argv[1:] if argv is None else argv
    with ends_orderly():
        try:
            app(args=arguments, prog_name="entity-matching")
        except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback for the user
            if "--debug" in arguments:
                traceback.print_exc()
            sys.exit(_explain(error, debug="--debug" in arguments))


def _explain(error: Exception, *, debug: bool) -> int:
    """Print an error in one message and return the exit code."""
    if isinstance(error, EntityMatchingError):
        complain(f"Error: {error}")
        return error.exit_code
    if isinstance(error, MemoryError):
        complain("Error: there is not enough memory for this. Match the source in parts, or use a larger machine.")
        return 1
    hint = "" if debug else " Run it again with 'entity-matching --debug ...' to see where."
    complain(f"Error: something unexpected went wrong ({type(error).__name__}: {error}).{hint}")
    return 1
