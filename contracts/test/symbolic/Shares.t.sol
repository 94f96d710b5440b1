// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Shares, SharesLib} from "../../src/Shares.sol";
import {Subscription} from "../../src/Subscription.sol";
import {Symbolic} from "./Symbolic.sol";

/// @dev How a fee is split, for every fee, royalty, verifier's fee and protocol share, whether accepted or not.
contract SharesSymbolic is Symbolic {
    function split(uint128 fee, uint16 royaltyBps, uint96 verifierFee, uint16 protocolBps)
        external
        pure
        returns (Shares memory)
    {
        Subscription memory s;
        (s.fee, s.royaltyBps, s.verifierFee) = (fee, royaltyBps, verifierFee);
        return SharesLib.split(s, protocolBps);
    }

    function check_ThePartsAreTheFee(uint128 fee, uint16 royaltyBps, uint96 verifierFee, uint16 protocolBps)
        external
        view
    {
        try this.split(fee, royaltyBps, verifierFee, protocolBps) returns (Shares memory shares) {
            assert(shares.node + shares.creator + shares.verifier + shares.protocol == fee);
            assert(shares.verifier == verifierFee);
        } catch {}
    }

    /// @dev Nothing wraps: the unchecked products are those of checked arithmetic.
    function check_TheOthersDoNotOverflow(uint128 fee, uint16 royaltyBps, uint96 verifierFee, uint16 protocolBps)
        external
        pure
    {
        (uint256 creator, uint256 verifier, uint256 protocol) =
            SharesLib.others(fee, royaltyBps, verifierFee, protocolBps);
        assert(creator == uint256(fee) * royaltyBps / 10_000);
        assert(protocol == uint256(fee) * protocolBps / 10_000);
        assert(creator + verifier + protocol < 2 ** 136);
    }

    /// @dev The split fails where `Terms` refuses the fee (`FeeTooLow`), and nowhere else.
    function check_SplitsWhatTermsAccept(uint128 fee, uint16 royaltyBps, uint96 verifierFee, uint16 protocolBps)
        external
        view
    {
        (uint256 creator, uint256 verifier, uint256 protocol) =
            SharesLib.others(fee, royaltyBps, verifierFee, protocolBps);
        bool accepted = creator + verifier + protocol <= fee;
        try this.split(fee, royaltyBps, verifierFee, protocolBps) {
            assert(accepted);
        } catch {
            assert(!accepted);
        }
    }
}
