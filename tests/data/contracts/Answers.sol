// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Answers any call with what a test stored for exactly its bytes, and reverts where nothing was. At the storage slot
/// keccak256(call data) stands the length of the answer in bytes, in the slots after it the answer's words.
contract Answers {
    fallback() external payable {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let slot := keccak256(0, calldatasize())
            let length := sload(slot)
            if iszero(length) { revert(0, 0) }
            for { let at := 0 } lt(at, length) { at := add(at, 32) } {
                slot := add(slot, 1)
                mstore(at, sload(slot))
            }
            return(0, length)
        }
    }
}
