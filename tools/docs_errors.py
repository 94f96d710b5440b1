"""The page of error codes, read from where the code raises them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from docs_table import build_code, build_table

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "infernet"
KINDS = {
    "RetryLater": "the same may succeed later",
    "JobRejected": "this job cannot succeed",
    "NodeMisconfigured": "the operator must change something",
    "InvalidInput": "the caller must change something",
    "InfernetError": "see the message",
}
INTRODUCTION = """# Error codes

Generated from the source by `make docs`. A code is stable: it stands in the line on standard error, in `--json` output,
in logs, in the journal and in the node's HTTP answers. The class says what to do about it. `…` stands for what the
message names: a path, an address, a number.

| class | what it means |
| --- | --- |
""" + "\n".join(f"| `{name}` | {meaning} |" for name, meaning in KINDS.items())
AFTER = """
Further codes have the form `revert.<ErrorName>`: a contract reverted with that error. Those of the Coordinator are
listed in the [reference](reference/Coordinator.md#errors).
"""


@cache
def list_calls() -> tuple[tuple[str, ast.Call], ...]:
    """Every call in the package, with the room that it stands in; a message in a variable is put in its place."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        messages = [n for n in nodes if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "message"]
        messages.sort(key=lambda assign: assign.lineno)
        for call in (node for node in nodes if isinstance(node, ast.Call)):
            if len(call.args) > 1 and isinstance(call.args[1], ast.Name) and call.args[1].id == "message":
                before = [m.value for m in messages if m.lineno <= call.lineno]
                call.args[1] = before[-1] if before else call.args[1]
            found.append((room, call))
    return tuple(found)


def list_codes() -> dict[tuple[str, str], list[str]]:
    """(code, class) → messages, of every error that is raised with both written out."""
    codes: dict[tuple[str, str], list[str]] = {}
    for _, call in list_calls():
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in KINDS and len(call.args) > 1 and (code := _read_text(call.args[0])) and "…" not in code:
            messages = codes.setdefault((code, name), [])
            message = re.sub("…+", "…", _read_text(call.args[1]))
            if message != "…" and message not in messages:
                messages.append(message)
    return codes


def render_codes() -> str:
    """The whole page."""
    found = sorted(list_codes().items())
    rows = ([build_code(code), build_code(kind), "<br>".join(messages) or "…"] for (code, kind), messages in found)
    return f"{INTRODUCTION}\n\n{build_table(['code', 'class', 'message'], rows)}\n{AFTER}"


def render_outcomes() -> str:
    """Why a node lets a subscription or a job go, as its log and its journal say it."""
    rows = sorted({row for room, call in list_calls() if room in ("node", "protocol") for row in _outcomes(call)})
    return build_table(["code", "meaning"], ([build_code(code), meaning] for code, meaning in rows))


def _outcomes(call: ast.Call) -> Iterator[tuple[str, str]]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name == "Drop" and len(call.args) > 1:
        yield _read_text(call.args[0]), _read_text(call.args[1])
    if name == "replace":
        words = {keyword.arg: _read_text(keyword.value) for keyword in call.keywords}
        if words.get("state") == "dropped" and words.get("code") and words.get("note"):
            yield words["code"], words["note"]


def _read_text(node: ast.expr) -> str:
    """A string as the reader sees it, what is filled in left open."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_read_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"
