"""Transactions that nobody signed: of accounts that are impersonated, imagined, or described to be compared."""

from __future__ import annotations

from infernet.vm.transaction import FEE_MARKET, SET_CODE, Access, Authorization, Transaction, seal


def build_impersonated(
    sender: bytes,
    *,
    chain_id: int,
    nonce: int,
    gas: int,
    max_fee: int,
    to: bytes | None,
    data: bytes,
    value: int = 0,
    max_priority_fee: int = 0,
    access_list: tuple[Access, ...] = (),
    authorizations: tuple[Authorization, ...] = (),
) -> Transaction:
    """Of type 2, or 4 where it delegates. The sender stands where a signature would: two senders have two hashes.

    Args:
        max_fee, max_priority_fee: wei per gas.
    """
    unsigned = Transaction(
        type=SET_CODE if authorizations else FEE_MARKET,
        chain_id=chain_id,
        nonce=nonce,
        max_priority_fee=max_priority_fee,
        max_fee=max_fee,
        gas=gas,
        to=to,
        value=value,
        data=data,
        access_list=access_list,
        authorizations=authorizations,
        v=0,
        r=int.from_bytes(sender, "big"),
        s=0,
        hash=b"",
        sender=b"",
        raw=b"",
    )
    return seal(unsigned, sender)
