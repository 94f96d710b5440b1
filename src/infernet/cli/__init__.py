"""The `infernet` command: one file for each group of commands.

Heavy parts are imported by the command that needs them, so that `infernet --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 an expected error, 2 wrong usage, 128 + n ended by signal n."""
    try:
        from infernet.cli.main import run_command_line
    except KeyboardInterrupt:
        print("error stopped by Ctrl-C (interrupted)", file=sys.stderr)
        sys.exit(130)
    sys.exit(run_command_line(list(sys.argv[1:] if arguments is None else arguments)))


__all__ = ["main"]
