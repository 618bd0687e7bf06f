"""`safe-hash`: the hash that owners of a Safe sign, computed here and without a network."""

from __future__ import annotations

import argparse
import re

from automation.cli.console import write_exactly, write_json
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings

HELP = "compute the hash that owners of a Safe sign, without a network"
EXAMPLES = """\
python -m automation safe-hash --chain mainnet --safe 0x1c694Fc3006D81ff4a56F97E1b99529066a23725 --safe-version 1.3.0 \\
  --nonce 63 --to 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48 --data 0xa9059cbb…
python -m automation safe-hash … --data-hash 0x…     # the keccak256 of long calldata, as an alert shows it"""
_ZERO = "0x" + "0" * 40
_HASH_BYTES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--chain", default="mainnet", metavar="CHAIN", help="where the Safe is (default mainnet)")
    parser.add_argument("--safe", required=True, metavar="ADDRESS", help="the Safe")
    parser.add_argument(
        "--safe-version", required=True, metavar="VERSION", help="what its VERSION() answers, such as 1.4.1"
    )
    parser.add_argument("--nonce", required=True, type=_amount, help="nonce of the transaction")
    parser.add_argument("--to", required=True, metavar="ADDRESS", help="what is called")
    parser.add_argument("--value", default=0, type=_amount, metavar="WEI", help="what is sent with it (default 0)")
    parser.add_argument("--data", default="", metavar="HEX", help="calldata (default none)")
    parser.add_argument("--data-hash", metavar="HEX", help="its keccak256, in place of --data")
    parser.add_argument("--operation", default=0, type=int, choices=(0, 1), help="1 is a delegate call (default 0)")
    parser.add_argument("--safe-tx-gas", default=0, type=_amount, metavar="GAS", help="default 0")
    parser.add_argument("--base-gas", default=0, type=_amount, metavar="GAS", help="default 0")
    parser.add_argument("--gas-price", default=0, type=_amount, metavar="UNITS", help="default 0: nothing is paid back")
    parser.add_argument("--gas-token", default=_ZERO, metavar="ADDRESS", help="default the native token")
    parser.add_argument("--refund-receiver", default=_ZERO, metavar="ADDRESS", help="default who executes it")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, _settings: Settings) -> int:
    # Only here: the codec takes half a second to load, and no other command needs it.
    from monitoring.chains.abi.addresses import check_address, keccak256
    from monitoring.chains.decode.calldata import Transaction
    from monitoring.chains.networks import network
    from monitoring.chains.safes.hashing import GasTerms, SafeIdentity, hashes_by_data

    data_hash = _bytes("--data-hash", args.data_hash) if args.data_hash else keccak256(_bytes("--data", args.data))
    if len(data_hash) != _HASH_BYTES or (args.data_hash and args.data):
        raise UsageError("--data-hash is 32 bytes of hex, and given without --data")
    safe, to, token, receiver = map(check_address, (args.safe, args.to, args.gas_token, args.refund_receiver))
    chain = network(args.chain).id
    gas = GasTerms(args.safe_tx_gas, args.base_gas, args.gas_price, token, receiver)
    call = Transaction(chain, to, b"", args.value, args.operation)
    try:
        found = hashes_by_data(SafeIdentity(safe, chain, args.safe_version), call, data_hash, args.nonce, gas)
    except ValueError as error:
        raise UsageError(f"--safe-version: {error}") from None
    rows = {
        "hash to sign": found.safe_tx_hash,
        "domain hash": "0x" + found.domain.hex(),
        "message hash": "0x" + found.message.hex(),
    }
    if args.json:
        write_json({name.replace(" ", "_"): value for name, value in rows.items()})
    else:
        # To be compared digit by digit: no hash is folded or shortened.
        write_exactly("".join(f"{name + ':':<14}{value}\n" for name, value in rows.items()))
    return 0


def _bytes(name: str, text: str) -> bytes:
    digits = text.removeprefix("0x")
    if len(digits) % 2 or not re.fullmatch("[0-9a-fA-F]*", digits):
        raise UsageError(f"{name} is no hex: write 0x and an even number of digits")
    return bytes.fromhex(digits)


def _amount(text: str) -> int:
    found = int(text, 0)
    if not 0 <= found < 2**256:
        raise argparse.ArgumentTypeError("from 0 to 2^256 - 1")
    return found
