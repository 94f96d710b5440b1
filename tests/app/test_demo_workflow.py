"""What goes on beside the rest of the demonstration. All of it together is in tests/e2e/test_demo.py."""

from __future__ import annotations

import pytest

from infernet.app.demo_events import Event, Line
from infernet.app.demo_workflow import Aside, check_installed
from infernet.errors import NodeMisconfigured


def test_what_happens_aside_is_told_when_its_turn_comes_and_at_once_from_then_on() -> None:
    told: list[Event] = []
    aside, events = Aside(told.append), [Line(at, str(at)) for at in (1.0, 2.0, 3.0, 4.0)]
    aside(events[0])
    aside(events[1])
    assert told == []
    aside.tell()
    assert told == events[:2]
    aside(events[2])
    assert told == events[:3]
    aside.tell()
    aside(events[3])
    assert told == events


def test_without_mlflow_the_way_out_is_said_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infernet.app.demo_workflow.find_spec", lambda name: None)
    with pytest.raises(NodeMisconfigured, match=r"needs mlflow: pip install 'infernet\[demo\]'") as caught:
        check_installed()
    assert caught.value.code == "demo.not_installed"
