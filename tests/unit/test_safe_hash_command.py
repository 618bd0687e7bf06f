"""`safe-hash` prints what the alert says and a wallet shows, offline, and the alert's own command line gives it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from automation.cli.main import main

ROW = json.loads((Path(__file__).parents[1] / "golden/safe_tx.json").read_text())["rows"][0]
NAMES = {"--safe": "safe", "--safe-version": "safe_version", "--nonce": "nonce", "--to": "to"}
GIVEN = ["safe-hash", *(text for option, name in NAMES.items() for text in (option, str(ROW[name])))]


def test_the_hashes_of_a_transaction_of_the_public_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*GIVEN, "--data", ROW["data"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "hash_to_sign": ROW["safeTxHash"],
        "domain_hash": ROW["domain_hash"],
        "message_hash": ROW["message_hash"],
    }


@pytest.mark.parametrize(
    "wrong",
    [
        ["--data", "zz"],
        ["--data", "0x1"],
        ["--data-hash", "0x12"],
        ["--data", "0x12", "--data-hash", "0x" + "0" * 64],
        ["--safe", "0x12"],
        ["--safe-version", "none"],
        ["--nonce", "-1"],
        ["--gas-price", str(2**256)],
        ["--operation", "2"],
        ["--chain", "nowhere"],
    ],
)
def test_what_is_no_transaction_is_refused_with_exit_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main([*GIVEN, *wrong])
    except SystemExit as ended:
        status = int(str(ended.code))
    assert status == 2
    said = capsys.readouterr().err
    assert wrong[0] in said or wrong[1] in said
