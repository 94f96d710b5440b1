"""The process that verifies EZKL proofs.

It reads one request a line, files in base64 by their names, and answers `true` or `false`. Where this machine lacks
memory or disk space it ends without an answer.
"""

from __future__ import annotations

import base64
import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

_MEMORY_BYTES = 4 << 30


def main() -> None:
    """Serve until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    import ezkl  # noqa: PLC0415  (under the limit)

    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        print(json.dumps(_verify(ezkl, json.loads(line))), file=answers, flush=True)


def _verify(ezkl: Any, request: dict[str, str]) -> bool:
    """Its files are new each time: what a folder of temporary files keeps is nobody's promise."""
    with tempfile.TemporaryDirectory(prefix="infernet-proof-") as folder:
        paths = {name: Path(folder) / name for name in request}
        for name, path in paths.items():
            path.write_bytes(base64.b64decode(request[name]))
        try:
            verified = ezkl.verify(*(str(paths[name]) for name in ("proof", "settings", "key", "srs")), True)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            for name, path in paths.items():  # it raises on a proof that is not good, and panics on some
                if path.read_bytes() != base64.b64decode(request[name]):
                    raise OSError(f"the file of the {name} has changed") from error
            return False
        return verified is True


if __name__ == "__main__":
    main()
