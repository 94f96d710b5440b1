"""Deploying, depositing and paying by the installed command."""

from __future__ import annotations

import json

import pytest
from command import Place

from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS

pytestmark = [pytest.mark.chain, pytest.mark.e2e]


def test_a_suite_is_deployed_and_money_put_into_it(place: Place, chain_session: ChildChain) -> None:
    variables = {
        "INFERNET_RPC_URL": chain_session.rpc_url,
        "INFERNET_PRIVATE_KEY": "0x" + DEV_ACCOUNTS[7].private_key.hex(),
    }
    first = place.run("deploy", "--json", **variables).json
    again = place.run("deploy", "--json", **variables).json
    assert again["contracts"] == first["contracts"]
    assert again["created"] == []
    written = json.loads((place.folder / "deployments" / "31337.json").read_text())
    assert written["contracts"] == first["contracts"]
    variables["INFERNET_COORDINATOR"] = first["contracts"]["EIP712Coordinator"]["address"]
    before = int(place.run("balance", "--json", **variables).json["free"])
    after = place.run("deposit", "2 gwei", "--json", **variables).json
    assert int(after["free"]) == before + 2 * 10**9
    done = place.run("request", "nobody:1", "--ints", "1", "--fee", "1 gwei", "--timeout", "0.2", **variables)
    done.check_error("output.not_delivered")
    assert int(place.run("balance", "--json", **variables).json["locked"]) >= 10**9
