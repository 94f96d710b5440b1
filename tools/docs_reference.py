"""The pages in docs/reference: every public contract, from its natspec and, where it is deployed, its ABI."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from typing import Any

from docs_page import Entry, Page, explain, render_fields, render_page
from docs_solidity import ROOT, Definition, Member, Natspec, list_bases, read_definitions
from docs_table import build_table
from eth_utils.crypto import keccak

CORE = ("EIP712Coordinator", "Coordinator", "ModelRegistry", "NodeRegistry")
VERIFIERS = (
    "AttestationVerifier",
    "EzklVerifier",
    "OnchainVerifier",
    "OptimisticVerifier",
    "QuorumSignatureVerifier",
    "SealedQuorumVerifier",
)
MARKETS = ("Leaderboard",)
SYSTEM = ("Scheduler", "Training")
PRECOMPILES = ("ITensorInference", "IVectorDatabase", "IProofVerifier", "IHttp", "ILlm", "IRag")
LIBRARIES = ("Inference", "Vectors", "Embeddings", "Proofs")
CONSUMERS = (
    "BaseConsumer",
    "CallbackConsumer",
    "SubscriptionConsumer",
    "ProvisionalConsumer",
    "QuorumConsumer",
    "MedianConsumer",
    "Delegator",
    "Allowlist",
    "IFeaturesCommitter",
)
INDEX = {
    "Deployed": CORE,
    "To inherit": CONSUMERS,
    "Verifiers": ("IVerifier", *VERIFIERS),
    "Markets": MARKETS,
    "Structs and libraries": ("Subscription", "Tensors", "LazyOutput"),
    "Execution layer": (*SYSTEM, "Scheduled", "TrainingConsumer", *PRECOMPILES, *LIBRARIES),
    "For tests": ("InfernetTest", "SpcTest"),
}

DEFINITIONS = {
    "Subscription": ("SubscriptionLib",),
    "Tensors": ("Tensors", "Dtype"),
    "InfernetTest": ("InfernetTest", "Infernet"),
}
"""What is on a page, where it is not just what the page is named after and its interface."""

REST = {"EIP712Coordinator": "Coordinator", **dict.fromkeys(VERIFIERS, "IVerifier")}
"""The page that has the other half of what a contract has."""

FOREIGN = {
    "EIP712DomainChanged": "Of EIP-5267. Never emitted: the domain is fixed.",
    "InvalidShortString": "Of the EIP-712 library; cannot happen.",
    "SafeCastOverflowedUintDowncast": "A time or an interval does not fit its type.",
    "SafeERC20FailedOperation": "The token did not transfer: it reverted, or answered false.",
    "StringTooLong": "Of the EIP-712 library; cannot happen.",
    "eip712Domain": "The EIP-712 domain, as EIP-5267 wants it.",
}
"""What comes from OpenZeppelin's contracts, whose comments are not ours."""

UNNAMED = ("constructor", "modifier")
"""Kinds of members that are shown only where there is something to say of them."""


def list_pages() -> dict[str, Callable[[], str]]:
    """Every page, by its path."""
    names = [name for names in INDEX.values() for name in names]
    deployed = CORE + VERIFIERS + MARKETS + SYSTEM
    pages = {n: partial(render_deployed if n in deployed else render_written, n) for n in names}
    return {"docs/reference/README.md": render_index, **{f"docs/reference/{n}.md": page for n, page in pages.items()}}


@cache
def read_abi(name: str) -> tuple[dict[str, Any], ...]:
    """The committed ABI of a contract."""
    path = ROOT / "src" / "infernet" / "artifacts" / f"{name}.json"
    return tuple(json.loads(path.read_text(encoding="utf-8"))["abi"])


def render_index() -> str:
    """All pages, a line each."""
    parts = ["# Reference", "Generated from the contracts' sources. The guide is [contracts.md](../contracts.md)."]
    for title, names in INDEX.items():
        rows = [[f"[{name}]({name}.md)", _describe(name).notice] for name in names]
        parts.append(f"## {title}\n\n" + build_table(["contract", "what it is"], rows))
    return "\n\n".join(parts)


def render_terms() -> str:
    """The fields of a subscription, for the guide."""
    return render_fields(next(g for g in read_definitions()["SubscriptionLib"].groups if g.name == "Subscription"))


def render_deployed(name: str) -> str:
    """A contract with an ABI. What another page has is not repeated."""
    bases = list_bases(name)
    own = tuple(d for d in bases if d.name in (name, f"I{name}"))
    rest = REST.get(name, "")
    elsewhere = {_identify(entry) for entry in _list_entries(rest)} if rest else set()
    abi = [entry for entry in _list_entries(name) if _identify(entry) not in elsewhere]
    entries = sorted((_join(entry, bases) for entry in abi), key=partial(_rank, bases))
    notes = [f"It also has all that is in [{rest}]({rest}.md)."] if rest else []
    kinds = [m.value.removeprefix("keccak256(").strip(")") for m in own[0].members if m.name == "proofKind"]
    notes += [f"Proof kind: `{kind}`." for kind in kinds]
    groups = tuple(g for d in own if d.kind == "interface" for g in d.groups)
    return render_page(Page(name, _describe(name), own, tuple(notes), tuple(entries), groups))


def render_written(name: str) -> str:
    """A contract that is inherited, a library, an interface: from the sources alone."""
    definitions = read_definitions()
    sources = tuple(definitions[d] for d in DEFINITIONS.get(name, (name, f"I{name}")) if d in definitions)
    members: dict[tuple[str, tuple[str, ...]], Entry] = {}
    for definition in sources:
        for member in _list_members(definition):
            members.setdefault((member.name, member.types), Entry(member))
    bases = [f"[{base}]({base}.md)" for base in sources[0].bases if base in CONSUMERS]
    notes = (f"Inherits {', '.join(bases)}.",) if bases else ()
    groups = tuple(g for d in sources for g in d.groups)
    return render_page(Page(name, _describe(name), sources, notes, tuple(members.values()), groups))


def _describe(name: str) -> Natspec:
    """What a contract says of itself, or its interface of it."""
    if name == "Subscription":
        notice = "The terms of a subscription, a signed request, an answer; and how they are hashed."
        return Natspec(notice, "", (), (), inherited=False)
    interface = read_definitions().get(f"I{name}")
    return interface.natspec if interface and interface.natspec.dev else read_definitions()[name].natspec


def _list_entries(name: str) -> list[dict[str, Any]]:
    return [entry for entry in read_abi(name) if entry["type"] in ("function", "event", "error")]


def _list_members(definition: Definition) -> list[Member]:
    """What users see of it. Constants are named as users write them."""
    found = []
    for member in definition.members:
        if member.kind == "constant":
            found.append(replace(member, name=f"{definition.name}.{member.name}"))
        elif "private" not in member.rest and (member.kind not in UNNAMED or explain(member.natspec)):
            found.append(_inherit(definition, member))
    return found


def _join(entry: dict[str, Any], bases: Iterable[Definition]) -> Entry:
    """An ABI's entry with its place in the sources: the contract's own first, then what it uses.

    Raises:
        SystemExit: nothing says what it means.
    """
    selector = bytes(keccak(text=_identify(entry)))[:4].hex()
    key = (entry["type"], entry["name"], tuple(_show_type(i) for i in entry["inputs"]))
    for definition in (*bases, *read_definitions().values()):
        for member in definition.members:
            if (member.kind, member.name, member.types) == key:
                found = _inherit(definition, member)
                if found.natspec.notice:
                    return Entry(found, selector)
    if entry["name"] not in FOREIGN:
        raise SystemExit(f"docs: {entry['type']} {entry['name']} has no notice in contracts/src")
    inputs, outputs = (_show_fields(entry.get(side, ())) for side in ("inputs", "outputs"))
    natspec = Natspec(FOREIGN[entry["name"]], "", (), (), inherited=False)
    rest = entry.get("stateMutability", "")
    return Entry(Member(entry["type"], entry["name"], inputs, outputs, rest, natspec), selector)


def _inherit(definition: Definition, member: Member) -> Member:
    """The member with the comment that `@inheritdoc` means."""
    if not member.natspec.inherited:
        return member
    for base in list_bases(definition.name)[1:]:
        for other in base.members:
            if other.name == member.name and other.types == member.types and other.natspec.notice:
                return replace(member, natspec=other.natspec, inputs=other.inputs, outputs=other.outputs)
    return member


def _rank(bases: list[Definition], entry: Entry) -> tuple[str, int]:
    """Functions in the order of the sources, events and errors by name."""
    kind, name = entry.member.kind, entry.member.name
    if kind != "function":
        return f"{kind} {name}", 0
    sources = sorted(bases, key=lambda d: d.kind != "interface")
    keys = [(m.name, m.types) for d in sources for m in d.members if m.kind == kind]
    key = (name, entry.member.types)
    return kind, keys.index(key) if key in keys else len(keys)


def _identify(entry: dict[str, Any]) -> str:
    """What its selector is the hash of."""
    return f"{entry['name']}({','.join(_canonical(i) for i in entry['inputs'])})"


def _canonical(field: dict[str, Any]) -> str:
    kind = str(field["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_canonical(c) for c in field['components'])}){kind.removeprefix('tuple')}"


def _show_fields(fields: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(f"{_show_type(field)} {field['name']}".strip() for field in fields)


def _show_type(field: dict[str, Any]) -> str:
    return str(field["internalType"]).split(" ")[-1].split(".")[-1]
