from __future__ import annotations

import io

import pytest
from rich.console import Console

from infernet.app.demo_events import Line, Picture, Pictures, Quote, Section, Summary
from infernet.cli import timeline
from infernet.cli.timeline import draw_pictures, show_event, show_summary

ONE = Picture(tuple(16 if x in (3, 4) else 0 for _ in range(8) for x in range(8)), 1, 1)
WRONG = Picture(ONE.pixels, 8, 9)


@pytest.fixture(params=[100, 80])
def shown(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    console = Console(file=text, width=request.param, no_color=True, highlight=False)
    monkeypatch.setattr(timeline, "console", lambda: console)
    return text


def read_lines(shown: io.StringIO, width: int) -> list[str]:
    lines = shown.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    return lines


def test_no_line_is_wider_than_the_terminal(shown: io.StringIO) -> None:
    show_event(Section("A model, a chain, a node"))
    show_event(Line(1.25, "x" * 300, block=12, gas=110_362))
    show_event(Line(100.0, "x" * 300))
    show_event(Line(1.0, "short", gas=5))
    show_event(Pictures((ONE,) * 20))
    show_summary(Summary(took_s=1))
    width = timeline.console().width
    lines = read_lines(shown, width)
    assert lines[2].endswith("…  110,362 gas")
    assert len(lines[2]) == len(lines[4]) == width


def test_words_of_another_command_are_shown_whole(shown: io.StringIO) -> None:
    said = ("subscription 7", f"    by acme/wine:1, manifest {'5e' * 32}, MLflow run {'a' * 32}")
    show_event(Quote("infernet explain 7", said))
    command, first, *rest = read_lines(shown, timeline.console().width)
    assert command == " " * 10 + "$ infernet explain 7"
    assert first == " " * 10 + said[0]
    assert all(line.startswith(" " * 14) for line in rest)
    assert " ".join(line.strip() for line in rest) == said[1].strip()


def test_a_digit_is_drawn_without_colours_as_ink() -> None:
    lines = [line.plain.strip() for line in draw_pictures((ONE,), in_colour=False)]
    assert lines == ["██"] * 4 + ["1"]


def test_a_digit_is_drawn_in_colours_as_shades() -> None:
    lines = draw_pictures((ONE,), in_colour=True)
    assert all(line.plain.strip() == "▀" * 8 for line in lines[:-1])
    assert "#ffffff on #ffffff" in {str(span.style) for line in lines for span in line.spans}


def test_a_wrong_digit_is_shown_with_the_truth() -> None:
    assert draw_pictures((WRONG,), in_colour=False)[-1].plain.strip() == "8 not 9"
