"""A reference page: what a contract is, its functions one by one, its structs, events and errors in tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from docs_solidity import ROOT, Definition, Group, Member, Natspec
from docs_table import build_code, build_table

WORDS = ("external", "public", "internal", "immutable", "view", "pure", "payable", "virtual")


@dataclass(frozen=True, slots=True)
class Entry:
    """A member, with the selector (functions, errors) by which callers know it; empty where there is none."""

    member: Member
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on a page."""

    name: str
    natspec: Natspec
    sources: tuple[Definition, ...]
    notes: tuple[str, ...]
    entries: tuple[Entry, ...]
    groups: tuple[Group, ...]


def render_page(page: Page) -> str:
    """The page in Markdown."""
    paths = dict.fromkeys(str(d.path.relative_to(ROOT)) for d in page.sources)
    parts = [f"# {page.name}", page.natspec.notice, "Source: " + ", ".join(map(build_code, paths)) + ".", *page.notes]
    parts += _render_dev(page.natspec.dev)
    parts += _render_groups(page.groups)
    parts += _render_functions([e for e in page.entries if e.member.kind in ("constructor", "function")])
    parts += _render_constants([e.member for e in page.entries if e.member.kind == "constant"])
    for kind, title in (("modifier", "Modifiers"), ("event", "Events"), ("error", "Errors")):
        parts += _render_table(title, kind, [e for e in page.entries if e.member.kind == kind])
    return "\n\n".join(part for part in parts if part)


def render_fields(group: Group) -> str:
    """A struct's fields, or the values of an enum, as a table."""
    if group.kind == "enum":
        rows = [[str(n), build_code(name), text] for n, (name, text) in enumerate(group.fields)]
        return build_table(["value", "name", "meaning"], rows)
    rows = [[build_code(f.split(" ")[-1]), build_code(f.rpartition(" ")[0]), text] for f, text in group.fields]
    return build_table(["field", "type", "meaning"], rows)


def explain(natspec: Natspec) -> str:
    """What a cell of a table says: the notice, and what the parameters mean."""
    return " ".join([natspec.notice, *(f"`{name}`: {text}" for name, text in natspec.params)]).strip()


def _render_dev(dev: str) -> Iterator[str]:
    """Assumptions; what verifiers say of their encodings comes first and apart."""
    lines = dev.replace("Assumptions:", "", 1).strip().splitlines()
    encodings = [line for line in lines if line.startswith(("- Parameters:", "- Proof:"))]
    others = [line for line in lines if line not in encodings]
    if len(others) > 1 and not others[0].startswith("- "):
        others.insert(1, "")
    if encodings:
        yield "## Parameters and proof\n\n" + "\n".join(encodings)
    if others:
        yield ("## Assumptions\n\n" if dev.startswith("Assumptions:") else "") + "\n".join(others)


def _render_functions(entries: list[Entry]) -> Iterator[str]:
    if entries:
        yield "## Functions"
    for entry in entries:
        member = entry.member
        selector = f" · {build_code('0x' + entry.selector)}" if entry.selector else ""
        details = [f"- `{name}`: {text}" for name, text in member.natspec.params]
        details += [f"- returns {_mark(text, member)}" for text in member.natspec.returns]
        yield f"### {member.name}"
        yield build_code(member.signature) + _show_kind(member) + selector
        yield member.natspec.notice or member.natspec.dev
        yield "\n".join(details)
        yield member.natspec.dev if member.natspec.notice else ""


def _show_kind(member: Member) -> str:
    if member.value:
        return f" constant {build_code(member.value)}"
    return "".join(f" {word}" for word in WORDS if re.search(rf"\b{word}\b", member.rest))


def _mark(text: str, member: Member) -> str:
    """The name of a result in code type, where it has one."""
    name, _, rest = text.partition(" ")
    named = any(output.split(" ")[-1] == name for output in member.outputs)
    return f"`{name}`: {rest}" if named else text


def _render_groups(groups: Iterable[Group]) -> Iterator[str]:
    for group in groups:
        yield f"## {group.kind.capitalize()} {group.name}"
        yield group.natspec.notice
        yield render_fields(group)


def _render_constants(members: list[Member]) -> Iterator[str]:
    if members:
        rows = [[build_code(m.name), build_code(m.value), explain(m.natspec)] for m in members]
        yield "## Constants\n\n" + build_table(["name", "value", "meaning"], rows)


def _render_table(title: str, kind: str, entries: list[Entry]) -> Iterator[str]:
    if not entries:
        return
    with_selector = kind == "error" and any(entry.selector for entry in entries)
    rows = []
    for entry in entries:
        cells = [build_code(entry.member.signature), explain(entry.member.natspec)]
        rows.append([cells[0], build_code("0x" + entry.selector), cells[1]] if with_selector else cells)
    yield f"## {title}\n\n" + build_table([kind, "selector", "when"] if with_selector else [kind, "when"], rows)
