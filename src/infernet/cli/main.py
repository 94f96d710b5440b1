"""The entry point: commands put together, expected errors turned into one line and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import click
import typer

import infernet
from infernet.cli import models
from infernet.cli.check import check
from infernet.cli.demo import demo
from infernet.cli.dev import dev
from infernet.cli.init import init
from infernet.cli.node import node
from infernet.cli.output import errors, print_error, set_up_logs
from infernet.cli.request import request
from infernet.errors import InfernetError

app = typer.Typer(
    name="infernet",
    help="The AI coprocessor for smart contracts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"infernet {infernet.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The AI coprocessor for smart contracts."""


app.command("demo")(demo)
app.command("dev")(dev)
app.command("init")(init)
app.command("check")(check)
app.command("node")(node)
app.command("request")(request)
app.add_typer(models.app, name="models")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Exit codes: 0 done, 1 an expected error (one line says what to do), 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    set_up_logs("warning")
    try:
        code = app(args=given, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.exceptions.Abort):
        errors.print("interrupted")
        sys.exit(130)
    except InfernetError as error:
        print_error(error, as_json="--json" in given)
        sys.exit(1)
    except BaseExceptionGroup as group:
        print_error(_first(group), as_json="--json" in given)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _first(group: BaseExceptionGroup[BaseException]) -> InfernetError:
    """What went wrong first, out of the tasks that failed together; anything unexpected is raised as it is."""
    expected, rest = group.split(InfernetError)
    if rest is not None or expected is None:
        raise group
    error: BaseException = expected
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, InfernetError):
        raise group
    return error
