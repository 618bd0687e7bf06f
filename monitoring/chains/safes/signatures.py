"""Whose a signature of a Safe transaction is, asked of the chain: one multicall for all signatures of a run.

Four kinds, by the last byte of the first 65: of an account, of an account by `eth_sign`, of a contract, and a hash that
an owner approved on the chain. An account is recovered by the chain's own precompile, so that this host needs no
library for its curve: who could lie about it could lie about the owners too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitoring.chains.abi.addresses import ZERO, address_in, checksum, keccak256
from monitoring.chains.abi.function import parse_function
from monitoring.chains.abi.types import WORD
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.rpc.multicall import Call
from monitoring.chains.rpc.multicall import call as view_call
from monitoring.chains.rpc.views import ChainView

_STATIC = 65
_CONTRACT, _APPROVED, _ETH_SIGN = 0, 1, 30  # eth_sign: above 30
_ECRECOVER = "0x" + "1".rjust(40, "0")
_RECOVERED = parse_function("ecrecover(bytes32,uint8,bytes32,bytes32)(address)")
_APPROVED_HASHES = "approvedHashes(address,bytes32)(uint256)"
# Since 1.5.0 a contract is asked by ERC-1271 about the hash, before it about all that is hashed.
_BY_HASH, _BY_DATA = "isValidSignature(bytes32,bytes)(bytes4)", "isValidSignature(bytes,bytes)(bytes4)"
_MAGIC = {_BY_HASH: bytes.fromhex("1626ba7e"), _BY_DATA: bytes.fromhex("20c13b0b")}


@dataclass(frozen=True, slots=True)
class SignerOf:
    """The question whose a signature is. `signed` is what its hash is of (SafeHashes.signed)."""

    chain: int
    safe: str
    signed: bytes
    signature: bytes

    @property
    def digest(self) -> bytes:
        return keccak256(self.signed)

    @property
    def kind(self) -> int:
        return self.signature[_STATIC - 1] if len(self.signature) >= _STATIC else -1

    @property
    def named(self) -> str:
        """The owner that a signature without a curve names."""
        return checksum(address_in(self.signature[:WORD]))

    def asks(self) -> Mapping[str, Call]:
        """Return the calls that answer it; none for bytes that are no signature."""
        if self.kind < 0:
            return {}
        if self.kind == _APPROVED:
            return {_APPROVED_HASHES: view_call(self.safe, _APPROVED_HASHES, self.named, self.digest)}
        if self.kind == _CONTRACT:
            inner = self._appended()
            if inner is None or self.named == ZERO:
                return {}
            return {
                _BY_HASH: view_call(self.named, _BY_HASH, self.digest, inner),
                _BY_DATA: view_call(self.named, _BY_DATA, self.signed, inner),
            }
        return {"ecrecover": self._recovery()}

    def _recovery(self) -> Call:
        v, digest = self.kind, self.digest
        if v > _ETH_SIGN:
            v, digest = v - 4, keccak256(b"\x19Ethereum Signed Message:\n32" + digest)
        return Call(_ECRECOVER, _RECOVERED, digest + v.to_bytes(WORD) + self.signature[: _STATIC - 1])

    def _appended(self) -> bytes | None:
        """Return the bytes a contract is asked about: they follow at the offset in the second word."""
        at = int.from_bytes(self.signature[WORD : 2 * WORD])
        if not _STATIC <= at <= len(self.signature) - WORD:
            return None
        length = int.from_bytes(self.signature[at : at + WORD])
        found = self.signature[at + WORD : at + WORD + length]
        return found if len(found) == length else None


def signers(asked: Sequence[SignerOf], view: ChainView) -> dict[SignerOf, str | Unknown]:
    """Return whose each signature is: an address, or nothing for one that is nobody's."""
    calls = {(one, name): call for one in asked for name, call in one.asks().items()}
    found = view.read(calls)
    return {one: _signer(one, {name: found[one, name] for name in one.asks()}) for one in asked}


def _signer(one: SignerOf, answers: Mapping[str, AbiValue | Unknown]) -> str | Unknown:
    """Judge the answers; a contract that answers nothing signs nothing, a chain that does not is unknown."""
    lost = next((answer for answer in answers.values() if isinstance(answer, Unknown) and not _refusal(answer)), None)
    if lost is not None:
        return lost
    if "ecrecover" in answers:
        found = answers["ecrecover"]
        return found if isinstance(found, str) and found != ZERO else ""
    if _APPROVED_HASHES in answers:
        approved = answers[_APPROVED_HASHES]
        return one.named if isinstance(approved, int) and approved else ""
    return one.named if any(answers.get(name) == magic for name, magic in _MAGIC.items()) else ""


def _refusal(answer: Unknown) -> bool:
    """Return whether a contract refused, or has no such function, and not the chain."""
    return ": " in answer.source
