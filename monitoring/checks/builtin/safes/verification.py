"""Holds what the service shows of a queued transaction against its hash, and each signature against the owners.

The service is a stranger: what it shows is only what owners sign if it hashes to what they sign, and a confirmation
counts only if its signature is an owner's. Pure; the answers come from the chain (monitoring/chains/safes/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import networks
from monitoring.chains.safes.hashing import GasTerms, SafeHashes, SafeIdentity, generation, safe_hashes
from monitoring.chains.safes.signatures import SignerOf
from monitoring.chains.services.safe_rows import Confirmation, SafeTransaction
from monitoring.checks.builtin.safes.rules import as_transaction
from monitoring.checks.expression.values import Value

_NEAR = 100  # nonces around, among which the hash of a row that was moved is looked for


@dataclass(frozen=True, slots=True)
class SafeState:
    """What a Safe is by its chain. Without a version nothing can be hashed."""

    identity: SafeIdentity | Unknown
    nonce: int
    threshold: int
    owners: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a transaction is by the chain's account and not by the service's.

    `contradiction` says how it is shown falsely, `suspects` name signatures that no owner made, `unchecked` says why
    hash or signatures could not be held against anything. `signed` owners count, of `listed` by the service.
    """

    hashes: SafeHashes | None
    signed: frozenset[str]
    listed: int
    contradiction: str = ""
    suspects: tuple[str, ...] = ()
    unchecked: str = ""

    @property
    def is_sound(self) -> bool:
        return not self.contradiction and not self.suspects

    def facts(self, state: SafeState) -> dict[str, Value]:
        """Return what a message needs of it, in values that can be kept."""
        found: dict[str, Value] = {
            "signed": len(self.signed), "listed": self.listed, "contradiction": self.contradiction,
            "suspects": self.suspects, "unchecked": self.unchecked, "safe_nonce": state.nonce,
            "owners": tuple(sorted(state.owners)),
        }  # fmt: skip
        if self.hashes is not None and isinstance(state.identity, SafeIdentity):
            found |= {"version": state.identity.version, "domain": self.hashes.domain, "message": self.hashes.message}
        return found


def hashes_of(row: SafeTransaction, state: SafeState) -> SafeHashes | str:
    """Return what the row hashes to, or why that cannot be known."""
    if isinstance(state.identity, Unknown):
        return f"the version of the Safe could not be read ({state.identity.reason})"
    if generation(state.identity.version) is None:
        return "the Safe names no version whose hash is known"
    if row.gas is None:
        return "the service does not give its gas terms"
    return safe_hashes(state.identity, as_transaction(row), row.nonce, row.gas)


def questions(row: SafeTransaction, state: SafeState) -> tuple[SignerOf, ...]:
    """Return what the chain is asked about the signatures of a row: nothing where its hash is not what it shows."""
    hashes = hashes_of(row, state)
    if isinstance(hashes, str) or hashes.safe_tx_hash != row.safe_tx_hash:
        return ()
    return tuple(_question(row, one, hashes) for one in row.confirmations if one.signature)


def _question(row: SafeTransaction, one: Confirmation, hashes: SafeHashes) -> SignerOf:
    return SignerOf(row.chain_id, row.safe, hashes.signed, one.signature)


def verify(row: SafeTransaction, state: SafeState, answers: Mapping[SignerOf, str | Unknown]) -> Verification:
    """Judge one row; `answers` has one for each of its questions."""
    hashes = hashes_of(row, state)
    suspects = tuple(_impossible(row, state))
    if isinstance(hashes, str):
        return Verification(None, frozenset(), len(row.confirmations), suspects=suspects, unchecked=hashes)
    if hashes.safe_tx_hash != row.safe_tx_hash:
        return Verification(hashes, frozenset(), len(row.confirmations), _contradiction(row, state), suspects)
    signed: set[str] = set()
    unchecked = ""
    for one in row.confirmations:
        answer = answers[_question(row, one, hashes)] if one.signature else Unknown("the service gives no signature")
        if isinstance(answer, Unknown):
            unchecked = answer.reason
        elif problem := _signature_problem(one, answer, state):
            suspects += (problem,)
        else:
            signed.add(answer)
    return Verification(hashes, frozenset(signed), len(row.confirmations), suspects=suspects, unchecked=unchecked)


def _impossible(row: SafeTransaction, state: SafeState) -> Iterator[str]:
    """Yield what no honest service can list, whatever the signatures are."""
    listed = [one.owner for one in row.confirmations]
    twice = sorted({one for one in listed if listed.count(one) > 1})
    if twice:
        yield f"the service lists {' and '.join(twice)} more than once"
    if len(set(listed)) > len(state.owners):
        owners = counted(len(state.owners), "owner")
        yield f"the service lists {len(set(listed))} signers of a Safe with {owners}"
    unsigned = [one.owner for one in row.confirmations if not one.signature and one.owner.lower() not in state.owners]
    yield from (f"the service lists {owner} as a signer, who is no owner" for owner in dict.fromkeys(unsigned))


def _signature_problem(one: Confirmation, signer: str, state: SafeState) -> str:
    if not signer:
        return f"the signature listed for {one.owner} is not valid for this hash"
    if checksum(signer) != one.owner:
        return f"the signature listed for {one.owner} was not made by it for this hash"
    if one.owner.lower() not in state.owners:
        return f"{one.owner} signed and is no owner"
    return ""


def _contradiction(row: SafeTransaction, state: SafeState) -> str:
    """Say what the hash is of, where a simple change of the row explains it."""
    found = next((words for words, other in _others(row) if _hash(other, state) == row.safe_tx_hash), "")
    what = f"it is that of the same transaction {found}" if found else "owners sign something else than what is shown"
    return f"do not sign: the service's hash is not the hash of what it shows: {what}"


def _others(row: SafeTransaction) -> Iterator[tuple[str, SafeTransaction]]:
    yield "with an operation of the other kind", replace(row, operation=1 - row.operation)
    yield "without a gas refund", replace(row, gas=GasTerms())
    yield "without its value", replace(row, value=0)
    yield "without its calldata", replace(row, data=b"")
    for chain in networks():
        yield f"on {networks()[chain].slug}", replace(row, chain_id=chain)
    for nonce in range(max(0, row.nonce - _NEAR), row.nonce + _NEAR):
        yield f"at nonce {nonce}", replace(row, nonce=nonce)


def _hash(row: SafeTransaction, state: SafeState) -> str:
    if isinstance(state.identity, Unknown) or row.gas is None:
        return ""
    identity = replace(state.identity, chain_id=row.chain_id)
    return safe_hashes(identity, as_transaction(row), row.nonce, row.gas).safe_tx_hash
