// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// A token that says by events that anything arrives, has no symbol, and holds nothing for anybody.
contract FakeToken {
    event Transfer(address indexed from, address indexed to, uint256 amount);

    function symbol() external pure returns (string memory) {
        revert("no");
    }

    function decimals() external pure returns (uint8) {
        return 6;
    }

    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    function airdrop(address to, uint256 times) external {
        for (uint256 i = 0; i < times; i++) {
            emit Transfer(address(this), to, 10 ** 12);
        }
    }
}
