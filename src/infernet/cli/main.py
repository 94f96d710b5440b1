"""The commands put together: an expected error is one line and an exit code, and a user never sees a traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

import infernet
from infernet.cli import chain, mlflow, models
from infernet.cli.check import check
from infernet.cli.demo import demo
from infernet.cli.deploy import deploy
from infernet.cli.dev import dev
from infernet.cli.explain import explain
from infernet.cli.infer import infer
from infernet.cli.init import init
from infernet.cli.money import balance, deposit
from infernet.cli.node import node
from infernet.cli.output import print_error, set_up_streams
from infernet.cli.request import request
from infernet.cli.run import Interrupted
from infernet.cli.train import train
from infernet.errors import InfernetError

BROKEN_PIPE = 128 + signal.SIGPIPE if hasattr(signal, "SIGPIPE") else 1

app = typer.Typer(
    name="infernet",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
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
    """The AI coprocessor for smart contracts: contracts ask for a model's output, nodes deliver it on chain.

    Begin with `infernet demo`. Every command takes --json. Exit codes: 0 done, 1 an error that the one line on
    standard error explains, 2 wrong usage, 130 stopped by Ctrl-C.
    """


app.command("demo")(demo)
app.command("dev")(dev)
app.command("request")(request)
app.command("deposit")(deposit)
app.command("balance")(balance)
app.command("deploy")(deploy)
app.command("init")(init)
app.command("check")(check)
app.command("node")(node)
app.command("explain")(explain)
app.command("train")(train)
app.command("infer")(infer)
app.add_typer(mlflow.app, name="mlflow")
app.add_typer(models.app, name="models")
app.add_typer(chain.app, name="chain")


def run_command_line(arguments: list[str]) -> int:
    """The exit code of one command."""
    set_up_streams()
    as_json = "--json" in arguments
    try:
        code = _run(arguments, as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    return code


def _run(arguments: list[str], as_json: bool) -> int:
    try:
        with _translated():
            code = app(args=arguments, prog_name="infernet", standalone_mode=False)
            return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        if as_json:
            print_error(InfernetError("usage", error.format_message()), as_json)
        else:
            _show_usage(error)
        return 2
    except Interrupted as stopped:
        print_error(InfernetError("interrupted", f"stopped by {stopped.name}"), as_json, quietly=True)
        return 128 + stopped.number
    except InfernetError as error:
        print_error(error, as_json)
        return 1


def _show_usage(error: typer.TyperException) -> None:
    show = getattr(
        error, "show", None
    )  # with the usage line before it; the class that has it is not typer's public face
    if show is None:
        print(error.format_message(), file=sys.stderr)
    else:
        show()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The few errors that are expected and not ours, as ours."""
    try:
        yield
    except (KeyboardInterrupt, typer.Abort):
        raise Interrupted(signal.SIGINT) from None
    except BaseExceptionGroup as group:
        raise _find_first(group) from None
    except BrokenPipeError:
        raise
    except UnicodeError as error:
        raise InfernetError("system.encoding", "an argument or a file holds bytes that are no UTF-8 text") from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        raise InfernetError("system.error", f"{where}{error.strerror or error}") from error


def _find_first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first, out of the tasks that failed together; anything unexpected goes first."""
    expected, unexpected = group.split((InfernetError, OSError))
    error: BaseException | None = unexpected or expected
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error or group


def _discard_output() -> None:
    """Whoever read our output has gone: what is still buffered must not become a second error at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
