"""The hash that owners of a Safe sign, by EIP-712: of its domain, of the message, and of both together.

The types changed twice: `dataGas` became `baseGas` with 1.0.0, and the chain's id entered the domain with 1.3.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitoring.chains.abi.addresses import ZERO, keccak256
from monitoring.chains.abi.function import encode, parse_function
from monitoring.chains.decode.calldata import Transaction

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?![\d.])", re.ASCII)
_RENAMED, _WITH_CHAIN = (1, 0, 0), (1, 3, 0)


@dataclass(frozen=True, slots=True)
class GasTerms:
    """What a Safe pays back for gas: in which token (zero: the native one), and to whom (zero: who executes it).

    Nothing is paid while `gas_price`, in units of the token for one of gas, is 0. `safe_tx_gas` is what the call itself
    gets at least.
    """

    safe_tx_gas: int = 0
    base_gas: int = 0
    gas_price: int = 0
    token: str = ZERO
    receiver: str = ZERO


@dataclass(frozen=True, slots=True)
class SafeIdentity:
    """A Safe as its signatures are bound to it; `version` as `VERSION()` answers, as in `1.3.0+L2`."""

    address: str
    chain_id: int
    version: str


@dataclass(frozen=True, slots=True)
class SafeHashes:
    """The three hashes a wallet shows; `signed` is what the last one is of."""

    domain: bytes
    message: bytes

    @property
    def signed(self) -> bytes:
        return b"\x19\x01" + self.domain + self.message

    @property
    def safe_tx_hash(self) -> str:
        return "0x" + keccak256(self.signed).hex()


def generation(version: str) -> tuple[int, ...] | None:
    """Return a version's numbers, None where it is none."""
    found = _VERSION.match(version)
    return tuple(int(part) for part in found.groups()) if found else None


def safe_hashes(safe: SafeIdentity, call: Transaction, nonce: int, gas: GasTerms) -> SafeHashes:
    """Return what owners sign for a call of the Safe at a nonce.

    Raises:
        ValueError: the version is none.
    """
    return hashes_by_data(safe, call, keccak256(call.data), nonce, gas)


def hashes_by_data(safe: SafeIdentity, call: Transaction, data_hash: bytes, nonce: int, gas: GasTerms) -> SafeHashes:
    """Return the same where only the keccak256 of the calldata is at hand."""
    found = generation(safe.version)
    if found is None:
        raise ValueError(f"{safe.version!r} is no version of a Safe")
    kind = (
        "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,"
        f"uint256 {'baseGas' if found >= _RENAMED else 'dataGas'},"
        "uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
    )
    message = _hashed(
        "bytes32,address,uint256,bytes32,uint8,uint256,uint256,uint256,address,address,uint256",
        keccak256(kind), call.to, call.value, data_hash, call.operation,
        gas.safe_tx_gas, gas.base_gas, gas.gas_price, gas.token, gas.receiver, nonce,
    )  # fmt: skip
    return SafeHashes(_domain(safe, found), message)


def _domain(safe: SafeIdentity, found: tuple[int, ...]) -> bytes:
    if found >= _WITH_CHAIN:
        kind = keccak256("EIP712Domain(uint256 chainId,address verifyingContract)")
        return _hashed("bytes32,uint256,address", kind, safe.chain_id, safe.address)
    return _hashed("bytes32,address", keccak256("EIP712Domain(address verifyingContract)"), safe.address)


def _hashed(kinds: str, *values: object) -> bytes:
    return keccak256(encode(parse_function(f"struct({kinds})").inputs, values, "SafeTx"))
