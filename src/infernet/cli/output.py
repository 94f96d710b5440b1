"""How commands speak: tables and lines for people, one JSON object on standard output for programs."""

from __future__ import annotations

import contextlib
import json
import sys
from functools import cache
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from infernet.errors import InfernetError

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console() -> Console:
    """Standard output, for people."""
    from rich.console import Console

    return Console(highlight=False)


@cache
def errors() -> Console:
    """Standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def set_up_streams() -> None:
    """A terminal that lacks a letter shows another one instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def can_show(text: str) -> bool:
    """Whether standard output has these letters."""
    terminal = sys.__stdout__  # while a status line is shown, sys.stdout is a stand-in without an encoding
    try:
        text.encode((terminal and terminal.encoding) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def print_json(value: Any) -> None:
    """One JSON value on a line of its own."""
    sys.stdout.write(json.dumps(value, default=_plain) + "\n")
    sys.stdout.flush()


def print_error(error: InfernetError, as_json: bool, *, quietly: bool = False) -> None:
    """An expected error, in one line. `quietly` where it may be that nobody can read it any more."""
    with contextlib.suppress(OSError) if quietly else contextlib.nullcontext():
        if as_json:
            print_json({"error": {"code": error.code, "message": error.message}})
            return
        from rich.text import Text

        line = Text.assemble(("error ", "bold red"), " ".join(error.message.split()), (f" ({error.code})", "dim"))
        errors().print(line, soft_wrap=True)


def set_up_logs(level: str = "warning", form: str = "console") -> None:
    """Structured logs on standard error."""
    import logging

    import structlog

    renderer: Any = (
        structlog.processors.JSONRenderer(default=_plain)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _plain(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
