"""What a signer compares before signing: the hashes a wallet shows, how to compute them again, and the gas refund."""

from __future__ import annotations

from monitoring.alerts.message.text import Block, addr, bold, code, kv, line
from monitoring.chains.abi.addresses import ZERO, checksum, keccak256
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import Network, network
from monitoring.chains.rpc.tokens import Token, native_token
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.safes.hashing import GasTerms, SafeHashes
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.conditions.outcome import Entry

_LONGEST_DATA = 260  # bytes of calldata in the command that computes a hash again; else their hash


def hash_of(entry: Entry) -> str:
    """Return the service's hash of a transaction, which is the first word of its identity."""
    return str(entry.id).split(" ")[0]


def gas_of(entry: Entry) -> GasTerms:
    kept = entry.facts.get("gas")
    return GasTerms(*kept) if isinstance(kept, tuple) else GasTerms()  # type: ignore[arg-type]  # as facts_of kept it


def refund_line(gas: GasTerms, known: Network, at: EvaluationPoint) -> Block:
    """Say what the Safe pays for gas: a fixed part, which nobody has to spend, and a price for what is used."""
    token = _token(gas.token, known, at)
    fixed, price = gas.base_gas * gas.gas_price, gas.gas_price
    shown = (token.amount(fixed), token.amount(price)) if token else (f"{fixed} units", f"{price} units")
    of = "" if token else f" of the token {gas.token}"
    to: object = (
        "the account that executes it"
        if gas.receiver == ZERO
        else addr(gas.receiver, _name(gas.receiver, known, at), known)
    )
    text = f" gas refund: pays {shown[0]}{of} whatever is used, and {shown[1]} for each unit of gas, to "
    return line(bold("HIGH"), text, to, "; at most all that the Safe has of it")


def _token(address: str, known: Network, at: EvaluationPoint) -> Token | None:
    if address == ZERO:
        return native_token(known)
    view = at.chains.view(known)
    found = view.tokens([address])[address] if isinstance(view, ChainView) else Unknown("")
    return found if isinstance(found, Token) else None


def _name(address: str, known: Network, at: EvaluationPoint) -> str:
    return at.labels.name(known.id, address)


def hash_blocks(entry: Entry, place: RowContract) -> list[Block]:
    """Show the hashes as wallets show them, computed here, and the command that computes them without a network."""
    domain, message = entry.facts.get("domain"), entry.facts.get("message")
    if not isinstance(domain, bytes) or not isinstance(message, bytes):
        return []
    rows = {
        "Hash to sign": SafeHashes(domain, message).safe_tx_hash,
        "Domain hash": "0x" + domain.hex(),
        "Message hash": "0x" + message.hex(),
    }
    return [line("Computed from what is shown, to compare with your wallet:"), kv(rows), code(_command(entry, place))]


def _command(entry: Entry, place: RowContract) -> str:
    facts, gas = entry.facts, gas_of(entry)
    data = facts.get("data")
    data = data if isinstance(data, bytes) else b""
    options: dict[str, object] = {
        "--chain": network(place.chain).slug, "--safe": checksum(place.address), "--safe-version": facts.get("version"),
        "--nonce": facts.get("nonce"), "--to": facts.get("to"), "--value": facts.get("value"),
        "--data": "0x" + data.hex() if data and len(data) <= _LONGEST_DATA else "",
        "--data-hash": "0x" + keccak256(data).hex() if len(data) > _LONGEST_DATA else "",
        "--operation": facts.get("operation"), "--safe-tx-gas": gas.safe_tx_gas, "--base-gas": gas.base_gas,
        "--gas-price": gas.gas_price, "--gas-token": "" if gas.token == ZERO else gas.token,
        "--refund-receiver": "" if gas.receiver == ZERO else gas.receiver,
    }  # fmt: skip
    given = (f"{name} {value}" for name, value in options.items() if value or name == "--nonce")
    return f"python -m automation safe-hash {' '.join(given)}"
