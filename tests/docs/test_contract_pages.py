"""The reference pages."""

from __future__ import annotations

import re

import docs_reference
import pytest
from docs_solidity import parse_natspec, read_definitions
from documents import read_page
from eth_utils.abi import function_abi_to_4byte_selector

COMMENT = """\
    /// @notice Does it.
    /// And more.
    /// @param a The one.
    /// @dev Assumptions:
    /// - first,
    ///   long
    /// - second
"""


def test_a_comment_is_read_by_its_tags() -> None:
    natspec = parse_natspec(COMMENT)
    assert natspec.notice == "Does it. And more."
    assert natspec.params == (("a", "The one."),)
    assert natspec.dev == "Assumptions:\n- first, long\n- second"


@pytest.mark.parametrize("name", docs_reference.CORE + docs_reference.VERIFIERS)
def test_every_function_of_a_deployed_contract_is_there_with_its_selector(name: str) -> None:
    page = read_page(f"docs/reference/{name}.md")
    if name in docs_reference.REST:
        page += read_page(f"docs/reference/{docs_reference.REST[name]}.md")
    functions = [entry for entry in docs_reference.read_abi(name) if entry["type"] == "function"]
    assert len(functions) > 5
    for entry in functions:
        assert f"### {entry['name']}\n" in page
        if name not in docs_reference.VERIFIERS:
            assert f"`0x{function_abi_to_4byte_selector(entry).hex()}`" in page


def test_every_contract_that_is_deployed_or_inherited_has_a_page() -> None:
    named = {name for names in docs_reference.INDEX.values() for name in names}
    consumers = {d.name for d in read_definitions().values() if d.path.parent.name == "consumer"}
    verifiers = {d.name for d in read_definitions().values() if d.name.endswith("Verifier") and d.kind == "contract"}
    assert consumers <= named
    assert verifiers - {"Verifier"} <= named


def test_an_error_that_nothing_explains_is_not_documented_as_if_it_were(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"type": "error", "name": "Unheard", "inputs": []}
    monkeypatch.setattr(docs_reference, "read_abi", lambda name: (entry,))
    with pytest.raises(SystemExit, match="error Unheard has no notice"):
        docs_reference.render_deployed("ModelRegistry")


def test_each_verifier_says_what_its_parameters_and_its_proof_are() -> None:
    for name in docs_reference.VERIFIERS:
        encodings = re.search(
            r"## Parameters and proof\n\n(.*?)\n\n", read_page(f"docs/reference/{name}.md"), re.DOTALL
        )
        assert encodings is not None, name
        assert "Parameters: `abi.encode(" in encodings[1]
        assert "Proof" in encodings[1]
