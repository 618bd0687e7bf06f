// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Something to read: values that can be set, a getter that reverts, an event to emit.
contract Subject {
    event Noted(uint256 indexed number, address who, string text);

    uint256 public value;
    string public symbol = "SUBJ";
    uint8 public decimals = 6;

    function set(uint256 newValue) external {
        value = newValue;
        emit Noted(newValue, msg.sender, "set");
    }

    function broken() external pure returns (uint256) {
        revert("not today");
    }

    function pair() external view returns (uint256, address) {
        return (value, address(this));
    }
}

/// A token as old as the ones whose symbol is a bytes32.
contract OldToken {
    bytes32 public symbol = "OLD";
    uint256 public decimals = 18;
}
