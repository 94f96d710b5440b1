"""The page of commands, from the Typer application's own declarations: no terminal, no width."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs_table import build_code, build_table
from typer.models import ArgumentInfo, OptionInfo, TyperInfo

from infernet.cli.main import app

INTRODUCTION = """# The command line

Generated from the program by `make docs`. The same text, for one command: `infernet COMMAND --help`.

Every command takes `--json`: it then prints JSON for programs on standard output, and an error as
`{"error": {"code", "message"}}`. Without it an error is one line on standard error. The codes are stable and listed in
[errors.md](errors.md).

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | an expected error, explained in one line |
| 2 | wrong usage |
| 130 | stopped by Ctrl-C |

| variable | meaning |
| --- | --- |
| `INFERNET_KEY_PASSWORD` | password of the key file |
| `INFERNET_PRIVATE_KEY` | key of who asks, for `infernet request` on test networks; of a layer's producer or witness |
"""
WORDS = {int: "INTEGER", float: "NUMBER", Path: "PATH", str: "TEXT"}


@dataclass(frozen=True, slots=True)
class Command:
    """One command, with the names of the groups before it."""

    name: str
    callback: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument or option."""

    name: str
    kind: Any
    info: ArgumentInfo | OptionInfo
    default: Any

    @property
    def is_argument(self) -> bool:
        """True for what stands without a dashed name."""
        return isinstance(self.info, ArgumentInfo)

    @property
    def base(self) -> type:
        """The type of one value."""
        kinds = [self.kind]
        while isinstance(kinds[0], types.UnionType) or typing.get_origin(kinds[0]) is list:
            kinds = [kind for kind in typing.get_args(kinds[0]) if kind is not type(None)]
        return typing.cast(type, kinds[0])

    @property
    def word(self) -> str:
        """How the parameter is written."""
        if self.is_argument:
            return self.name.upper()
        first = () if self.info.default is ... else (self.info.default,)  # in `Annotated` a name stands where it does
        declared = sorted({*first, *(self.info.param_decls or ())}, key=len, reverse=True)
        names = ", ".join(declared or ["--" + self.name.replace("_", "-")])
        if self.base is bool:
            return names if declared else f"{names}, --no-{names[2:]}"
        return f"{names} {WORDS[self.base]}"

    @property
    def meaning(self) -> str:
        """The help text, and the variable that stands in for the option."""
        variable = f" Else the variable `{self.info.envvar}`." if self.info.envvar else ""
        return (self.info.help or "") + variable

    @property
    def shown_default(self) -> str:
        """What holds where it is left out."""
        if self.default is inspect.Parameter.empty:
            return "required"
        if self.default is None or self.default is False or self.default == "":
            return ""
        return build_code(str(self.default))


def list_commands(group: Any = app, prefix: str = "") -> Iterator[Command]:
    """Every command, groups after the commands beside them."""
    for info in group.registered_commands:
        callback = info.callback
        yield Command(prefix + (info.name or callback.__name__.replace("_", "-")), callback)
    for inner in typing.cast(list[TyperInfo], group.registered_groups):
        yield from list_commands(inner.typer_instance, f"{prefix}{inner.name} ")


def list_parameters(command: Command) -> list[Parameter]:
    """A command's parameters in the order of its signature."""
    hints = typing.get_type_hints(command.callback, include_extras=True)
    found = []
    for name, parameter in inspect.signature(command.callback).parameters.items():
        kind, info = typing.get_args(hints[name])
        found.append(Parameter(name, kind, info, parameter.default))
    return found


def render_commands() -> str:
    """The whole page."""
    commands = list(list_commands())
    overview = build_table(
        ["command", "what it does"],
        ([f"[`infernet {c.name}`](#infernet-{c.name.replace(' ', '-')})", _read_help(c)] for c in commands),
    )
    return "\n".join([INTRODUCTION, overview, "", *(_render(command) for command in commands)])


def _read_help(command: Command) -> str:
    return " ".join((inspect.getdoc(command.callback) or "").split())


def _render(command: Command) -> str:
    parameters = list_parameters(command)
    arguments = [p for p in parameters if p.is_argument]
    written = [p.word if p.default is inspect.Parameter.empty else f"[{p.word}]" for p in arguments]
    usage = " ".join(["infernet", command.name, "[OPTIONS]", *written])
    rows = ([build_code(p.word), p.shown_default, p.meaning] for p in parameters)
    table = build_table(["argument or option", "default", "meaning"], rows)
    return f"## infernet {command.name}\n\n{_read_help(command)}\n\n```\n{usage}\n```\n\n{table}\n"
