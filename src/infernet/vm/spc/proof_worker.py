"""The process that verifies EZKL proofs. A stranger's key or proof may end it; a node goes on.

It reads one request a line and answers `true` or `false`.
"""

from __future__ import annotations

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
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            print(json.dumps(_verify(ezkl, json.loads(line), Path(folder) / "proof.json")), file=answers, flush=True)


def _verify(ezkl: Any, request: dict[str, Any], path: Path) -> bool:
    path.write_text(json.dumps(request["proof"]))
    files = request["files"]
    try:
        return ezkl.verify(str(path), files["settings"], files["key"], files["srs"], True) is True
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        return False  # it raises on a proof that is not good, and panics on some


if __name__ == "__main__":
    main()
