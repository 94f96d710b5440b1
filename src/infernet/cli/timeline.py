"""The demonstration on a terminal: a line for each event, the digits as pictures, the summary as a table."""

from __future__ import annotations

import textwrap

from rich.table import Table
from rich.text import Text

from infernet.app.demo_events import Event, Line, Picture, Pictures, Quote, Section, Summary
from infernet.cli.output import can_show, console

_WIDTH = 100
_INDENT = 22
_PICTURE_INDENT = 10
_QUOTE_INDENT = 10
_SIDE = 8
_BRIGHTEST = 16
_INK = 6


def show_event(event: Event) -> None:
    """Print one event below the ones before."""
    match event:
        case Section(title=title):
            console().print(Text(f"\n{title}", style="bold cyan"))
        case Line():
            _print_line(_build_line(event))
        case Pictures(pictures=pictures):
            in_a_line = max(1, (_measure_width() - _PICTURE_INDENT + 1) // (_SIDE + 1))
            for start in range(0, len(pictures), in_a_line):
                for line in draw_pictures(pictures[start : start + in_a_line], in_colour=_has_colour()):
                    _print_line(line)
        case Quote(command=command, lines=said):
            _print_line(Text(f"{' ' * _QUOTE_INDENT}$ {command}", style="bold"))
            for text in said:
                for part in wrap_quoted(text):
                    _print_line(Text(part))


def _build_line(line: Line) -> Text:
    """When, where, what, and at the right what it cost; what is too long is shortened."""
    gas = f"{line.gas:,} gas" if line.gas is not None else ""
    text = Text(f"{line.at_s:6.1f} s  ", style="dim")
    text.append(f"{f'block {line.block}' if line.block is not None else '':<11} ", style="blue")
    room = _measure_width() - _INDENT - (len(gas) + 2 if gas else 0)
    what = Text(line.text)
    what.truncate(max(20, room), overflow="ellipsis", pad=bool(gas))
    text.append_text(what)
    return text.append(f"  {gas}", style="yellow") if gas else text


def wrap_quoted(text: str) -> list[str]:
    """A line of another command, in as many as it needs here."""
    indent = " " * (_QUOTE_INDENT + len(text) - len(text.lstrip()))
    return textwrap.wrap(
        text.lstrip(), _measure_width(), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def draw_pictures(pictures: tuple[Picture, ...], *, in_colour: bool) -> list[Text]:
    """Digits side by side, each 4 lines of 8 half blocks, below it what the model says; wrong ones with the truth."""
    lines = [Text(" " * _PICTURE_INDENT) for _ in range(_SIDE // 2 + 1)]
    if not can_show("▀▄█"):
        lines = lines[-1:]
    for picture in pictures:
        for y, line in enumerate(lines[:-1]):
            for x in range(_SIDE):
                upper, lower = (picture.pixels[_SIDE * row + x] for row in (2 * y, 2 * y + 1))
                line.append_text(_draw_shades(upper, lower) if in_colour else _draw_ink(upper, lower))
            line.append(" ")
        right = picture.label == picture.truth
        word = str(picture.label) if right else f"{picture.label} not {picture.truth}"
        lines[-1].append(f"{word:^{_SIDE}} ", style="green" if right else "bold red")
    for line in lines:
        line.rstrip()
    return lines


def _draw_shades(upper: int, lower: int) -> Text:
    above, below = (f"#{level:02x}{level:02x}{level:02x}" for level in (_grey(upper), _grey(lower)))
    return Text("▀", style=f"{above} on {below}")


def _grey(pixel: int) -> int:
    return round(255 * pixel / _BRIGHTEST)


def _draw_ink(upper: int, lower: int) -> Text:
    return Text(" ▄▀█"[2 * (upper > _INK) + (lower > _INK)])


def _has_colour() -> bool:
    return console().color_system is not None and not console().no_color


def _measure_width() -> int:
    return min(console().width, _WIDTH)


def _print_line(line: Text) -> None:
    console().print(line, soft_wrap=True)


def show_summary(summary: Summary) -> None:
    """Print the table at the end."""
    table = Table(box=None, pad_edge=False)
    for name in ("flow", "answers", "right", "gas: request", "gas: delivery", "blocks to answer"):
        table.add_column(name, justify="left" if name == "flow" else "right")
    for row in summary.rows:
        request = f"{row.request_gas:,}" if row.request_gas else "off chain"
        delivery = f"{row.delivery_gas:,}" if row.delivery_gas else "none"
        table.add_row(row.flow, str(row.answers), str(row.right), request, delivery, f"{row.blocks:.1f}")
    console().print("\n[bold]Summary[/]")
    console().print(table)
    console().print(f"\n[bold green]done[/] in {summary.took_s:.1f} s; the network is gone, nothing is left behind")
