"""The manifest's published JSON Schema, package data beside this file.

python -m infernet.models.schema      writes it anew from the code
"""

from __future__ import annotations

import json
from pathlib import Path

from infernet.protocol.manifest import build_manifest_schema

SCHEMA_PATH = Path(__file__).with_name("manifest.schema.json")


def build_schema_text() -> str:
    """What the file should hold."""
    return json.dumps(build_manifest_schema(), indent=2, sort_keys=True) + "\n"


def main() -> None:
    SCHEMA_PATH.write_text(build_schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
