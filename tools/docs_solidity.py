"""Reads the Solidity sources: what is declared where, and what its natspec says. No compiler is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "contracts" / "src"

COMMENT = r"(?P<comment>(?:^[ ]*///[^\n]*\n)*)"
DEFINITION = re.compile(
    COMMENT + r"^(?:abstract )?(?P<kind>contract|interface|library) (?P<name>\w+)(?P<head>[^{]*)\{", re.M
)
MEMBER = re.compile(
    COMMENT + r"^[ ]*(?:(?P<kind>error|event|function|modifier) )?(?P<name>(?(kind)\w+|constructor))"
    r"\s*\((?P<inputs>[^)]*)\)(?P<rest>[^;{]*)[;{]",
    re.M,
)
VARIABLE = re.compile(
    COMMENT + r"^[ ]*(?P<type>mapping\([^\n]*\)|\w+) (?P<rest>public[ \w]*?|internal constant) (?P<name>\w+)"
    r"(?:\s*=\s*(?P<value>[^;]*))?;",
    re.M,
)
GROUP = re.compile(COMMENT + r"^[ ]*(?P<kind>struct|enum) (?P<name>\w+) \{\n(?P<body>[^}]*)\}", re.M)
FIELD = re.compile(COMMENT + r"^[ ]*(?P<field>[^/\n]+?)[,;]?\n", re.M)
LOCATION = re.compile(r" (?:calldata|memory|storage|payable)\b")


@dataclass(frozen=True, slots=True)
class Natspec:
    """A comment by its tags. Lists in `dev` keep their lines."""

    notice: str
    dev: str
    params: tuple[tuple[str, str], ...]
    returns: tuple[str, ...]
    inherited: bool


@dataclass(frozen=True, slots=True)
class Member:
    """An error, event, function, modifier, constructor, public variable (a function) or internal constant.

    Attributes:
        rest: what follows the inputs: visibility, mutability.
        value: of a constant, as the source writes it.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    rest: str
    natspec: Natspec
    value: str = ""

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the inputs, as the source writes them."""
        return tuple(i.split(" ")[0] for i in self.inputs)

    @property
    def signature(self) -> str:
        results = ", ".join(self.outputs)
        return f"{self.name}({', '.join(self.inputs)})" + (f" → {results}" if results else "")


@dataclass(frozen=True, slots=True)
class Group:
    """A struct or an enum: fields as they stand, each with its meaning."""

    kind: str
    name: str
    natspec: Natspec
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A contract, interface or library. What stands beside it in its file (structs, enums) belongs to `groups`."""

    kind: str
    name: str
    path: Path
    bases: tuple[str, ...]
    natspec: Natspec
    members: tuple[Member, ...]
    groups: tuple[Group, ...]
    text: str


@cache
def read_definitions() -> dict[str, Definition]:
    """Everything in contracts/src, by name."""
    return {d.name: d for path in sorted(SOURCES.rglob("*.sol")) for d in _read_file(path)}


def list_bases(name: str) -> list[Definition]:
    """The definition and all that it inherits, nearest first."""
    found: list[Definition] = []
    pending = [name]
    while pending:
        definition = read_definitions().get(pending.pop(0))
        if definition and definition not in found:
            found.append(definition)
            pending += definition.bases
    return found


def parse_natspec(comment: str) -> Natspec:
    """The parts of a comment in `///` lines."""
    lines = [line.strip().removeprefix("///").rstrip() for line in comment.splitlines()]
    parts: list[tuple[str, list[str]]] = [("notice", [])]
    for line in lines:
        tag = re.match(r" ?@(\w+) ?(.*)", line)
        if tag:
            parts.append((tag[1], [tag[2]]))
        else:
            parts[-1][1].append(line.removeprefix(" "))
    joined = [(tag, _join(body)) for tag, body in parts]
    texts = {tag: text for tag, text in joined if text}
    params = tuple((text.split(" ")[0], text.partition(" ")[2]) for tag, text in joined if tag == "param")
    returns = tuple(text for tag, text in joined if tag == "return")
    return Natspec(texts.get("notice", ""), texts.get("dev", ""), params, returns, "inheritdoc" in dict(parts))


def _join(lines: list[str]) -> str:
    """One paragraph, but each item of a list on a line of its own."""
    text = ""
    for line in lines:
        text += ("\n" if line.lstrip().startswith("- ") else " ") + line.strip()
    return text.strip()


def _read_file(path: Path) -> Iterator[Definition]:
    text = path.read_text(encoding="utf-8")
    found = list(DEFINITION.finditer(text))
    for number, match in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        outside = text[: match.start()] if number == 0 else ""
        body = text[match.end() : end]
        bases = tuple(base.strip() for base in match["head"].strip().removeprefix("is ").split(",") if base.strip())
        members = (*_read_members(body), *_read_variables(body))
        groups = (*_read_groups(outside), *_read_groups(body))
        natspec = parse_natspec(match["comment"])
        yield Definition(match["kind"], match["name"], path, bases, natspec, members, groups, body)


def _read_members(text: str) -> Iterator[Member]:
    for match in MEMBER.finditer(text):
        results = re.search(r"returns \(([^)]*)\)", match["rest"])
        outputs = _split(results[1]) if results else ()
        rest = " ".join(match["rest"].split("returns (")[0].split())
        kind = match["kind"] or "constructor"
        yield Member(kind, match["name"], _split(match["inputs"]), outputs, rest, parse_natspec(match["comment"]))


def _read_variables(text: str) -> Iterator[Member]:
    for match in VARIABLE.finditer(text):
        kind = match["type"]
        keys = []
        while mapping := re.match(r"mapping\((\w+)(?: (\w+))? => (.*)\)$", kind):
            keys.append(f"{mapping[1]} {mapping[2] or ''}".strip())
            kind = mapping[3].strip()
        declared = "constant" if match["rest"].startswith("internal") else "function"
        natspec = parse_natspec(match["comment"])
        value = re.sub(r'"\s+"', "", match["value"] or "")
        yield Member(declared, match["name"], tuple(keys), (kind,), match["rest"], natspec, value)


def _read_groups(text: str) -> Iterator[Group]:
    for match in GROUP.finditer(text):
        fields = (
            (" ".join(field["field"].split()), _join([line.strip()[3:] for line in field["comment"].splitlines()]))
            for field in FIELD.finditer(match["body"])
        )
        yield Group(match["kind"], match["name"], parse_natspec(match["comment"]), tuple(fields))


def _split(parameters: str) -> tuple[str, ...]:
    return tuple(LOCATION.sub("", " ".join(p.split())) for p in parameters.split(",") if p.strip())
