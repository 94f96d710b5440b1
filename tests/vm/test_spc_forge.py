"""A trap that its caller catches fails the forge test in which it happens."""

from __future__ import annotations

import json
from pathlib import Path

from needs import need
from stub_project import has_forge, run_forge

from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.hashing import keccak

REQUEST = (keccak(b"get(string)")[:4] + encode_abi(["string"], ["https://texts.example/1"])).hex()


def test_a_swallowed_trap_fails_its_test_and_names_the_request(tmp_path: Path) -> None:
    need(has_forge(), "no forge: run `make setup`")
    (suite,) = json.loads(run_forge(tmp_path, "test", "--json")).values()
    results = {name.partition("(")[0]: result for name, result in suite["test_results"].items()}
    assert {name: result["status"] for name, result in results.items()} == {
        "test_ATrapFailsEvenWhereItIsCaught": "Failure",
        "test_ATrapBehindAnAnswerFailsToo": "Failure",
        "test_AFailureThatWasGivenIsNoTrap": "Success",
    }
    reason = results["test_ATrapFailsEvenWhereItIsCaught"]["reason"]
    assert "expected call to 0x0000000000000000000000000000000000000801" in reason
    assert REQUEST in reason
    assert "0000000000000802" in results["test_ATrapBehindAnAnswerFailsToo"]["reason"]
