// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Answers `aggregate3` at the interface of Multicall3, so that tests can put it where a real chain has that contract.
contract Aggregate3 {
    struct Call {
        address target;
        bool allowFailure;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    function aggregate3(Call[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) {
            (bool success, bytes memory returned) = calls[i].target.call(calls[i].callData);
            require(success || calls[i].allowFailure, "a call failed");
            results[i] = Result(success, returned);
        }
    }
}
