"""Tables of the contracts: names and types from the compiled ABI, meanings from the comments of the interfaces."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from docs_table import build_code, build_table
from eth_utils.crypto import keccak

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "contracts" / "src"
CONTRACT = "EIP712Coordinator"
INHERITED = {
    "EIP712DomainChanged": "Of EIP-5267. Never emitted: the domain is fixed.",
    "InvalidShortString": "Of the EIP-712 library; cannot happen.",
    "SafeCastOverflowedUintDowncast": "A time or an interval does not fit its type.",
    "StringTooLong": "Of the EIP-712 library; cannot happen.",
    "eip712Domain": "The EIP-712 domain, as EIP-5267 wants it.",
}
"""What comes from OpenZeppelin's contracts, whose comments are not ours."""


@cache
def read_abi(name: str) -> tuple[dict[str, Any], ...]:
    """The committed ABI of a contract."""
    path = ROOT / "src" / "infernet" / "artifacts" / f"{name}.json"
    return tuple(json.loads(path.read_text(encoding="utf-8"))["abi"])


@cache
def read_comments() -> dict[str, str]:
    """The notice of every error, event and function of the interfaces, by name; the first of overloads."""
    notices: dict[str, str] = {}
    pattern = re.compile(r"((?:^ *///[^\n]*\n)*)^ *(?:error|event|function) (\w+)\(", re.MULTILINE)
    for path in sorted((SOURCES / "interfaces").glob("*.sol")):
        for comment, name in pattern.findall(path.read_text(encoding="utf-8")):
            notices.setdefault(name, _read_notice(comment))
    return notices


def render_errors() -> str:
    """Every error that the Coordinator can revert with."""
    entries = sorted((e for e in read_abi(CONTRACT) if e["type"] == "error"), key=lambda e: e["name"])
    rows = ([build_code(_show(e)), build_code("0x" + _hash(e)[:4].hex()), _explain(e["name"])] for e in entries)
    return build_table(["error", "selector", "when"], rows)


def render_events() -> str:
    """Every event of the Coordinator."""
    entries = sorted((e for e in read_abi(CONTRACT) if e["type"] == "event"), key=lambda e: e["name"])
    return build_table(["event", "when"], ([build_code(_show(e)), _explain(e["name"])] for e in entries))


def render_functions() -> str:
    """Every function of the Coordinator."""
    entries = sorted((e for e in read_abi(CONTRACT) if e["type"] == "function"), key=lambda e: e["name"])
    rows = ([build_code(_show(e) + _show_results(e)), _explain(e["name"])] for e in entries)
    return build_table(["function", "what it does"], rows)


def render_consumer_functions() -> str:
    """What a consumer inherits or overrides."""
    rows = []
    for path in sorted((SOURCES / "consumer").glob("*.sol")):
        text = path.read_text(encoding="utf-8")
        pattern = r"((?:^ *///[^\n]*\n)+)^ *function (\w+)\(([^)]*)\)([^;{]*)"
        for comment, name, inputs, rest in re.findall(pattern, text, re.MULTILINE):
            results = re.search(r"returns \(([^)]*)\)", rest)
            signature = f"{name}({' '.join(inputs.split())})" + (f" → {results[1]}" if results else "")
            meaning = _read_notice(comment) or _read_notice(comment, "dev") or _explain(name)
            rows.append([build_code(path.stem), build_code(signature), meaning])
    return build_table(["contract", "member", "meaning"], rows)


def render_terms() -> str:
    """The fields of a subscription."""
    text = (SOURCES / "Subscription.sol").read_text(encoding="utf-8")
    body = text.split("struct Subscription {")[1].split("}")[0]
    rows = []
    for comment, kind, name in re.findall(r"((?:^ *///[^\n]*\n)+) *(\w+) (\w+);", body, re.MULTILINE):
        meaning = " ".join(line.strip().removeprefix("///").strip() for line in comment.strip().splitlines())
        rows.append([build_code(name), build_code(kind), meaning])
    return build_table(["field", "type", "meaning"], rows)


def _read_notice(comment: str, tag: str = "notice") -> str:
    words = " ".join(line.strip().removeprefix("///").strip() for line in comment.strip().splitlines())
    found = re.search(rf"@{tag} (.*?)(?= @(?:dev|param|return|notice|inheritdoc)\b|$)", words)
    return found[1] if found else ""


def _explain(name: str) -> str:
    if notice := INHERITED.get(name) or read_comments().get(name):
        return notice
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return words[0].upper() + words[1:] + "."


def _show(entry: dict[str, Any]) -> str:
    inputs = (f"{_type(i)}{' indexed' if i.get('indexed') else ''} {i['name']}".strip() for i in entry["inputs"])
    return f"{entry['name']}({', '.join(inputs)})"


def _show_results(entry: dict[str, Any]) -> str:
    results = ", ".join(f"{_type(o)} {o['name']}".strip() for o in entry["outputs"])
    return f" → {results}" if results else ""


def _type(field: dict[str, Any]) -> str:
    return str(field["internalType"].removeprefix("struct ")) if field["type"] == "tuple" else str(field["type"])


def _hash(entry: dict[str, Any]) -> bytes:
    return bytes(keccak(text=f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})"))
