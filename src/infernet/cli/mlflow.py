"""`infernet mlflow ui`: MLflow's own page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
import webbrowser
from contextlib import suppress
from typing import Annotated

import typer

from infernet.cli.options import TrackingUri
from infernet.cli.output import console
from infernet.cli.run import raise_interrupted
from infernet.errors import NodeMisconfigured

app = typer.Typer(help="The tracking server's page.", no_args_is_help=True, rich_markup_mode=None)
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 5.0


@app.callback()
def _root() -> None:
    """MLflow, the tracker and registry of workflows."""


@app.command("ui")
def ui(
    port: Annotated[int, typer.Option(help="Where a local page listens.", min=1, max=65535)] = 5000,
    host: Annotated[str, typer.Option(help="The address it listens at.")] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")] = True,
    tracking_uri: TrackingUri = None,
) -> None:
    """Open runs and versions in MLflow's page: of this folder until Ctrl-C, or of the server that is set."""
    from infernet.workflows.tracker import build_ui_command, choose_tracking_uri, open_tracker

    uri = choose_tracking_uri(tracking_uri)
    if uri.startswith(("http://", "https://")):
        open_tracker(uri)
        _open(uri, browser)
        return
    page = f"http://{host}:{port}"
    signal.signal(signal.SIGTERM, raise_interrupted)
    server = subprocess.Popen(
        [sys.executable, *build_ui_command(uri, host, port)],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # else eight processes beside the page
        start_new_session=True,  # its workers end with it, and Ctrl-C in the terminal is for us
    )
    try:
        _wait(server, page)
        _open(page, browser)
        server.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_STOP_TIMEOUT_S)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def _wait(server: subprocess.Popen[bytes], page: str) -> None:
    end_s = time.monotonic() + _START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < end_s:
        with suppress(OSError), urllib.request.urlopen(page + "/health", timeout=2):  # noqa: S310  (http only)
            return
        time.sleep(0.2)
    raise NodeMisconfigured("mlflow.not_started", f"MLflow's page did not start at {page}: its messages are above")


def _open(page: str, browser: bool) -> None:
    console().print(f"runs and models: [bold]{page}[/]")
    if browser and sys.stdout.isatty():
        webbrowser.open(page)
