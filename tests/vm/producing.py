"""A chain on disk that takes one transaction after the other, and says of each when it is acknowledged. A program."""

from __future__ import annotations

import sys
from pathlib import Path

from evm import COUNTER, sign

from infernet.vm.chain import Chain
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride

CONTRACT = b"\xc0" * 20
GENESIS = Genesis(accounts=build_dev_accounts() | {CONTRACT: AccountOverride(nonce=1, code=COUNTER)})


def main(path: Path) -> None:
    chain = Chain(GENESIS, path=path)
    while True:
        tx_hash = chain.submit(sign(chain, CONTRACT).raw)
        print(tx_hash.hex(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
