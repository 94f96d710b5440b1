"""`infernet demo`: the whole network on this machine, in a minute."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from infernet.cli.options import AsJson
from infernet.cli.output import console, print_json
from infernet.cli.run import run

if TYPE_CHECKING:
    from infernet.app.demo import Event, Line, Picture, Summary

_INDENT = 10
_SIDE = 8
_BRIGHTEST = 16


def demo(as_json: AsJson = False) -> None:
    """A contract asks, a node answers: a real model, a chain, contracts, two nodes, four ways to ask."""
    from infernet.app.demo import run_demo

    if as_json:
        print_json(asdict(run(run_demo(lambda _: None))))
        return
    with console.status("training") as status:

        def show(event: Event) -> None:
            status.update("working")
            _show(event)

        summary = run(run_demo(show))
    _show_summary(summary)


def _show(event: Event) -> None:
    from infernet.app.demo import Line, Pictures, Section

    match event:
        case Section(title=title):
            console.print(f"\n[bold cyan]{title}[/]")
        case Line():
            console.print(_build_line(event), soft_wrap=True)
        case Pictures(pictures=pictures):
            a_line = max(1, (console.width - _INDENT) // (_SIDE + 1))
            for start in range(0, len(pictures), a_line):
                _draw(pictures[start : start + a_line])


def _build_line(line: Line) -> Text:
    text = Text(f"{line.at_s:6.1f} s  ", style="dim")
    text.append(f"block {line.block:<4}" if line.block is not None else " " * 10, style="blue")
    text.append(f" {line.text}", style="default")
    if line.gas is not None:
        text.append(f"  {line.gas:,} gas", style="yellow")
    return text


def _draw(pictures: tuple[Picture, ...]) -> None:
    """Each digit as 4 lines of 8 half blocks, below it what the model says; wrong ones with the truth, in red."""
    lines = [Text(" " * _INDENT) for _ in range(_SIDE // 2 + 1)] if console.is_terminal else [Text(" " * _INDENT)]
    for picture in pictures:
        for y, line in enumerate(lines[:-1]):
            for x in range(_SIDE):
                upper, lower = (_grey(picture.pixels[_SIDE * row + x]) for row in (2 * y, 2 * y + 1))
                line.append("▀", style=f"{upper} on {lower}")
            line.append(" ")
        right = picture.label == picture.truth
        word = str(picture.label) if right else f"{picture.label} not {picture.truth}"
        lines[-1].append(f"{word:^{_SIDE}} ", style="green" if right else "bold red")
    for line in lines:
        line.rstrip()
        console.print(line)


def _grey(pixel: int) -> str:
    level = round(255 * pixel / _BRIGHTEST)
    return f"#{level:02x}{level:02x}{level:02x}"


def _show_summary(summary: Summary) -> None:
    table = Table(title="\nSummary", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("flow", "answers", "right", "gas: request", "gas: delivery", "blocks to answer"):
        table.add_column(name, justify="left" if name == "flow" else "right")
    for row in summary.rows:
        request = f"{row.request_gas:,}" if row.request_gas else "off chain"
        table.add_row(row.flow, str(row.answers), str(row.right), request, f"{row.delivery_gas:,}", f"{row.blocks:.1f}")
    console.print(table)
    console.print(f"\n[bold green]done[/] in {summary.took_s:.1f} s; the network is gone, nothing is left behind")
