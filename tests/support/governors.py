"""OpenZeppelin's governor over its own timelock on a local chain: everybody has one vote, which is a quorum."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode
from eth_hash.auto import keccak

from tests.support import own_contracts, parts
from tests.support.anvil import Anvil
from tests.support.contracts import Contract

DELAY_S = 3600
NOBODY = "0x" + "0" * 40
_VOTE = 52  # blocks until a vote is over: longer than a block takes to be certain


@dataclass(frozen=True)
class Ballot:
    """A proposal: what it calls and its text, of which both the governor makes its number."""

    to: tuple[str, ...]
    data: tuple[bytes, ...]
    text: str

    @property
    def hashed(self) -> tuple[list[str], list[int], list[bytes], bytes]:
        return [*self.to], [0] * len(self.to), [*self.data], keccak(self.text.encode())


@dataclass(frozen=True)
class Governance:
    """A governor and its timelock."""

    node: Anvil
    governor: Contract
    timelock: Contract

    def ballot(self, text: str, seconds: int = 7200) -> Ballot:
        """A proposal that changes the delay of the timelock."""
        call = bytes.fromhex(self.timelock.artifact.calldata("updateDelay", seconds)[2:])
        return Ballot((self.timelock.address,), (call,), text)

    def propose(self, ballot: Ballot) -> int:
        to, values, data, _ = ballot.hashed
        self.governor.send("propose", to, values, data, ballot.text)
        return self.number(ballot)

    def number(self, ballot: Ballot) -> int:
        return int(self.governor.call("hashProposal", *ballot.hashed))

    def pass_vote(self, ballot: Ballot) -> None:
        self.node.mine(2)
        self.governor.send("castVote", self.number(ballot), 1)
        self.node.mine(_VOTE)

    def queue(self, ballot: Ballot) -> None:
        self.governor.send("queue", *ballot.hashed)

    def execute(self, ballot: Ballot) -> None:
        self.node.increase_time(3 * DELAY_S)  # a ballot that was executed before may have made the delay longer
        self.governor.send("execute", *ballot.hashed)


def governance_on(node: Anvil) -> Governance:
    account = node.accounts[0]
    timelock = parts.package("oz5", "TimelockController").deploy(node, DELAY_S, [account], [NOBODY], account)
    code = own_contracts.creation_code("Governed") + encode(["address"], [timelock.address]).hex()
    governor = parts.package("oz5", "IGovernor").at(node, node.deploy(code))
    for role in ("PROPOSER_ROLE", "CANCELLER_ROLE"):
        timelock.send("grantRole", keccak(role.encode()), governor.address)
    return Governance(node, governor, timelock)
