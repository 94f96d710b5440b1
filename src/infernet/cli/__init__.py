"""The `infernet` command: one file for each group of commands."""

from infernet.cli.main import main

__all__ = ["main"]
