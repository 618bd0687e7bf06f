// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// A timelock with the functions, events and window of Compound's, written for tests: nobody's money depends on it.
contract Delayed {
    event QueueTransaction(
        bytes32 indexed txHash, address indexed target, uint256 value, string signature, bytes data, uint256 eta
    );
    event CancelTransaction(
        bytes32 indexed txHash, address indexed target, uint256 value, string signature, bytes data, uint256 eta
    );
    event ExecuteTransaction(
        bytes32 indexed txHash, address indexed target, uint256 value, string signature, bytes data, uint256 eta
    );
    event NewDelay(uint256 indexed newDelay);

    uint256 public constant GRACE_PERIOD = 14 days;
    uint256 public delay = 2 days;
    mapping(bytes32 => bool) public queuedTransactions;

    function setDelay(uint256 delay_) external {
        require(msg.sender == address(this), "only itself");
        delay = delay_;
        emit NewDelay(delay_);
    }

    function queueTransaction(address target, uint256 value, string calldata signature, bytes calldata data, uint256 eta)
        external
    {
        require(eta >= block.timestamp + delay, "too early");
        bytes32 txHash = keccak256(abi.encode(target, value, signature, data, eta));
        queuedTransactions[txHash] = true;
        emit QueueTransaction(txHash, target, value, signature, data, eta);
    }

    function cancelTransaction(address target, uint256 value, string calldata signature, bytes calldata data, uint256 eta)
        external
    {
        bytes32 txHash = keccak256(abi.encode(target, value, signature, data, eta));
        queuedTransactions[txHash] = false;
        emit CancelTransaction(txHash, target, value, signature, data, eta);
    }

    function executeTransaction(address target, uint256 value, string calldata signature, bytes calldata data, uint256 eta)
        external
    {
        bytes32 txHash = keccak256(abi.encode(target, value, signature, data, eta));
        require(queuedTransactions[txHash], "not queued");
        require(block.timestamp >= eta && block.timestamp <= eta + GRACE_PERIOD, "not in its window");
        queuedTransactions[txHash] = false;
        (bool ok,) = target.call{value: value}(
            bytes(signature).length == 0 ? data : abi.encodePacked(bytes4(keccak256(bytes(signature))), data)
        );
        require(ok, "the call failed");
        emit ExecuteTransaction(txHash, target, value, signature, data, eta);
    }
}
