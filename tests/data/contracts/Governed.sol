// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Governor} from "oz5/governance/Governor.sol";
import {GovernorSettings} from "oz5/governance/extensions/GovernorSettings.sol";
import {GovernorCountingSimple} from "oz5/governance/extensions/GovernorCountingSimple.sol";
import {GovernorTimelockControl} from "oz5/governance/extensions/GovernorTimelockControl.sol";
import {TimelockController} from "oz5/governance/TimelockController.sol";

/// OpenZeppelin's own governor over its own timelock, made concrete: everybody has one vote, and one vote is a quorum.
contract Governed is Governor, GovernorSettings, GovernorCountingSimple, GovernorTimelockControl {
    constructor(TimelockController timelock)
        Governor("Governed")
        GovernorSettings(1, 50, 0)
        GovernorTimelockControl(timelock)
    {}

    function _getVotes(address, uint256, bytes memory) internal pure override returns (uint256) {
        return 1;
    }

    function quorum(uint256) public pure override returns (uint256) {
        return 1;
    }

    function clock() public view override returns (uint48) {
        return uint48(block.number);
    }

    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=blocknumber&from=default";
    }

    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    function state(uint256 id) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(id);
    }

    function proposalNeedsQueuing(uint256 id)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(id);
    }

    function _queueOperations(uint256 id, address[] memory to, uint256[] memory values, bytes[] memory data, bytes32 hash)
        internal
        override(Governor, GovernorTimelockControl)
        returns (uint48)
    {
        return super._queueOperations(id, to, values, data, hash);
    }

    function _executeOperations(
        uint256 id,
        address[] memory to,
        uint256[] memory values,
        bytes[] memory data,
        bytes32 hash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(id, to, values, data, hash);
    }

    function _cancel(address[] memory to, uint256[] memory values, bytes[] memory data, bytes32 hash)
        internal
        override(Governor, GovernorTimelockControl)
        returns (uint256)
    {
        return super._cancel(to, values, data, hash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
