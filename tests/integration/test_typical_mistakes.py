"""What a newcomer writes wrong, in YAML and in Python: one sentence at its place, and exit code 2 before anything runs.

The files are tried as their author does: `validate` of one monitor, `validate` of jobs.yaml, the script by hand.
"""
# ruff: noqa: E501 - each sentence stands whole in its table

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.base.errors import ConfigError
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from tests.support.checks_host import ChecksHost
from tests.support.child import CHECKOUT
from utils.mistakes import mistakes_in

VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
FILE = f"""\
monitor: acme
chain: mainnet
contracts:
  vault: "{VAULT}"
checks:
  - {{id: size, require: vault.totalAssets() / 1e18 >= 1000, severity: high, unit: usd}}
  - id: price
    never_falls: vault.convertToAssets(1e18)
    severity: critical
"""
SCRIPT = f"""\
from utils.monitor import HIGH, call, monitor

VAULT = "{VAULT}"


@monitor("acme")
def main(m):
    read = m.chain("mainnet").read(assets=call(VAULT, "totalAssets()(uint256)"))
    m.limit("size", read.assets, below=1000, severity=HIGH)


if __name__ == "__main__":
    main()
"""

# right, wrong, what is said of monitor.yaml
YAML = {
    "a tab": ("  vault:", "\tvault:", "4:1 yaml: a tab cannot indent: use spaces"),
    "an indentation": ("    severity: critical", "   severity: critical",
        "9:4 yaml: the indentation does not fit the list above: align its dashes, and the keys of each entry"),
    "no space after a colon": ("id: price", "id:price",
        "7:7 yaml: a space is missing after this colon: write key: value"),
    "no quotes around a text with a colon": ("severity: critical", "severity: critical\n    text: fell: look",
        "10:15 yaml: a colon is not possible here: put the value in quotes, or correct the indentation"),
    "an address that became a number": (f'"{VAULT}"', "752936872653421",
        "4:10 contracts.vault: '752936872653421' is not an address: write 0x and 40 hex digits"),
    "an address with a digit less": (VAULT, VAULT[:-1],
        f"4:10 contracts.vault: {VAULT[:-1]} has 39 digits after 0x, an address has 40"),
    "a checksum": (VAULT, VAULT.replace("83F2", "83f2"),
        (f"4:10 contracts.vault: the checksum of {VAULT.replace('83F2', '83f2')} is wrong: check the address, then "
        f"write {VAULT}")),
    "a function": ("totalAssets", "totalAsets",
        "6:31 checks.size.require: totalAsets is no known view, did you mean totalAssets?: declare it under functions"),
    "a signature": ("checks:", 'functions: ["function owner() view returns (address)"]\nchecks:',
        "5:14 functions[0]: function is Solidity: write only name(types)(types), as in totalSupply()(uint256)"),
    "no parentheses": ("totalAssets()", "totalAssets",
        "6:31 checks.size.require: .totalAssets is not part of the language here: to call it write totalAssets(…)"),
    "a unit that is not the token's": (" / 1e18 >=", " >=",
        ("6:76 checks.size.unit: warning: totalAssets returns the token's smallest unit, not usd: divide it by the "
        "token's decimals, as in … / 1e18, or / 1e6 for USDC")),
    "a severity": ("severity: high", "severity: hihg",
        "6:71 checks.size.severity: 'hihg' is none of low, medium, high, critical, did you mean high?"),
    "no severity": ("    severity: critical\n", "", "7:5 checks.price: severity is missing: low, medium, high or critical"),
    "a duration without a unit": ("severity: high", "severity: high, for: 3",
        "6:82 checks.size.for: warning: 3 without a unit is 3 seconds: write 3 runs, or 3m"),
    "a duration in words": ("severity: high", "severity: high, remind: 1 day",
        "6:85 checks.size.remind: '1 day' is not a duration: write seconds, or a number with s, m, h or d, as in 90s or 24h"),
    "a percentage without %": ("never_falls: vault.convertToAssets(1e18)",
        "diverge: [vault.totalAssets(), vault.totalSupply()]\n    max: 0.5",
        "9:10 checks.price.max: a percentage is needed here, as in 0.5%"),
    "a comma in a number": (">= 1000", ">= 1,000",
        "6:57 checks.size.000: a comma ends the value here: write _000, as in 1_000"),
    "a million": (">= 1000", ">= 1M", "6:55 checks.size.require: a number is written out: 1_000_000, or 1e6"),
    "and": (">= 1000", ">= 1000 && 1 > 0", "6:60 checks.size.require: && is not part of the language: write and"),
    "a comparison": (">= 1000", "= 1000", "6:52 checks.size.require: = compares nothing: write =="),
    "a sign with a space in it": (">= 1000", "> = 1000", "6:52 checks.size.require: this compares nothing: write >="),
    "a sign the other way round": (">= 1000", "=> 1000", "6:52 checks.size.require: this compares nothing: write >="),
    "not equal with a space in it": (">= 1000", "! = 1000", "6:52 checks.size.require: this compares nothing: write !="),
    "another name of a chain": ("chain: mainnet", "chain: ethereum", "2:8 chain: ethereum is no known chain: did you mean mainnet?"),
    "an id twice, of a check with a mistake": ("severity: critical", "severity: critical\n  - {id: price, flag: vault.isShutdwn(), severity: low}",
        "10:10 checks.price: the id price stands here twice: state is kept by it"),
    "a power": ("1e18 >=", "10**18 >=",
        "6:49 checks.size.require: powers are not part of the language: write 1e18 for 10**18"),
    "a key twice": ("checks:", "chain: base\nchecks:", "5:1 chain: this key is here twice, first in line 2: remove one of them"),
    "an unknown key": ("checks:", "contract: {}\nchecks:", "5:1 contract: contract is not known here, did you mean contracts?"),
    "for_each without a name": ("checks:", "for_each: {from: markets.yaml}\nchecks:",
        "5:11 for_each: the rows need a name: write for_each: {m: {from: markets.yaml}}"),
    "for_each with a file": ("checks:", "for_each: markets.yaml\nchecks:",
        "5:11 for_each: a name and its rows, as in for_each: {m: {from: markets.yaml}}, are needed here"),
}  # fmt: skip

# right, wrong, what is said of main.py
PYTHON = {
    "a verb": ("m.limit", "m.limt", "9:7 m.limt is not known, did you mean limit?"),
    "a keyword": ("below=", "bellow=", "9:34 m.limit(…, bellow=…): unknown keyword, did you mean below?"),
    "no severity": (", severity=HIGH", "", "9:5 m.limit(…): severity is missing: LOW, MEDIUM, HIGH or CRITICAL"),
    "a severity": ("severity=HIGH", 'severity="hihg"', "9:55 'hihg' is not a severity, did you mean HIGH?"),
    "an alert without a severity": ("m.limit(", 'm.alert("low", key="x")\n    m.limit(',
        '9:5 m.alert takes a severity and a title: write m.alert(HIGH, "what happened", …)'),
    "a keyword of an alert": ("m.limit(", 'm.alert(HIGH, "low", kye="x")\n    m.limit(',
        "9:26 m.alert(…, kye=…): unknown keyword, did you mean key?"),
    "a signature": ('"totalAssets()(uint256)"', '"totalAssets()"',
        "8:68 it does not say what comes back: write it as in totalSupply()(uint256)"),
    "an argument": ('"totalAssets()(uint256)"', '"balanceOf(address)(uint256)"',
        "8:43 balanceOf takes 1 arguments, not 0"),
    "a checksum": (VAULT, VAULT.replace("83F2", "83f2"),
        f"3:9 {VAULT.replace('83F2', '83f2')} has a wrong checksum: check the digits, the right form of them is {VAULT}"),
    "an address without quotes": (f'"{VAULT}"', VAULT, "3:9 an address is a text: put it in quotes"),
    "a name that is not there": ("import HIGH", "import HIHG, HIGH", "1:27 utils.monitor has no HIHG, did you mean HIGH?"),
    "a module": ("from utils.monitor import", "from util.monitor import helper\nfrom utils.monitor import",
        "1:1 there is no module util.monitor, did you mean utils.monitor?"),
    "no decorator": ('@monitor("acme")\n', "", '6:1 the function is no monitor: write @monitor("name") above def main(m)'),
    "a decorator without a name": ('@monitor("acme")', "@monitor",
        '6:2 the monitor needs a name: write @monitor("name") above def main(m)'),
    "nothing that starts it": ('if __name__ == "__main__":\n    main()\n', "",
        '7:1 nothing calls main(), so the script does nothing: write at the end: if __name__ == "__main__": main()'),
    "a function without context": ("def main(m)", "def main()", "7:1 the function is given the context: write def main(m)"),
    "an async function": ("def main", "async def main", "7:1 a monitor is a plain function: write def, not async def"),
    "a print": (SCRIPT[SCRIPT.index("    read"):SCRIPT.index("\n\nif")], '    print("too low")\n',
        "8:5 print reports nothing: judge with a verb as m.limit, or write m.alert"),
    "a key with two rules": ("severity=HIGH)", 'severity=HIGH)\n    m.resolve("size")',
        "10:5 the key 'size' is judged by m.limit in line 9: give m.resolve another key"),
    "a keyword of a view": ('(uint256)")', '(uint256)", decimal=6)',
        "8:81 call(…, decimal=…): unknown keyword, did you mean decimals?"),
    "a keyword of a chain's price": ("m.limit(", "m.price(VAULT, chian=1)\n    m.limit(",
        "9:20 m.price(…, chian=…): unknown keyword, did you mean chain?"),
    "a name that nothing gives": ("severity=HIGH", "severity=HIHG", "9:55 HIHG is not defined, did you mean HIGH?"),
    "a name that is not imported": ("severity=HIGH", "severity=LOW",
        "9:55 LOW is not defined: write from utils.monitor import LOW"),
    "a reading that was not read": ("read.assets", "read.asset", "9:26 asset was not read here; this has assets"),
    "another name of a chain": ('"mainnet"', '"ethereum"', "8:20 chain 'ethereum' is not known: did you mean mainnet?"),
    "a bound that is no percentage": ("below=1000", 'unit="%", below=90',
        '9:50 the unit is %, so 90 means 9,000%: write the bound with %, as in "90%"'),
    "levels in a wrong order": ("below=1000, severity=HIGH", 'below=[("95%", HIGH), (1, HIGH)]',
        "9:40 the levels of a limit must go from the mildest bound to the worst, at least one"),
    "no Python": ("below=1000,", "below=,", "9:40 not Python: invalid syntax; correct the script"),
}  # fmt: skip


def wrong(text: str, right: str, instead: str) -> str:
    assert right in text
    return text.replace(right, instead, 1)


def said_of(path: Path) -> list[str]:
    try:
        return list(load_monitor(path, TYPES).warnings)
    except ConfigError as error:
        return error.mistakes


@pytest.mark.parametrize(("right", "instead", "said"), YAML.values(), ids=YAML)
def test_a_mistake_in_yaml_is_one_sentence_at_its_place(right: str, instead: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(wrong(FILE, right, instead))

    assert f"{path}:{said}" in said_of(path)


def test_a_value_with_a_mistake_is_reported_once_and_not_at_its_uses(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    text = wrong(FILE, "checks:", "for_each: {m: [{symbol: A}]}\nchecks:").replace("id: size", 'id: "size/{m.symbol}"')
    text = wrong(text, "checks:", "values: {worth: vault.totalAsets() / 1e18, twice: worth * 2}\nchecks:")
    path.write_text(wrong(text, "vault.totalAssets() / 1e18 >=", "worth + twice >="))

    assert [line.partition(": ")[0].rpartition(" ")[2] for line in said_of(path)] == ["values.worth"]


@pytest.mark.parametrize(("right", "instead", "said"), PYTHON.values(), ids=PYTHON)
def test_a_mistake_in_python_is_one_sentence_at_its_place(right: str, instead: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "main.py"
    path.write_text(wrong(SCRIPT, right, instead))

    assert mistakes_in(path) == [f"{path}:{said}"]


def test_files_without_mistakes_have_none(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text(FILE)
    (tmp_path / "main.py").write_text(SCRIPT)
    assert (said_of(tmp_path / "monitor.yaml"), mistakes_in(tmp_path / "main.py")) == ([], [])
    assert [line for script in CHECKOUT.glob("protocols/*/main.py") for line in mistakes_in(script)] == []


def test_what_is_not_certain_is_not_said(tmp_path: Path) -> None:
    """Bounds of 1 and less, and texts with %, are percentages; a name that changes, or an annotation, is left alone."""
    body = """\
    read = m.chain("mainnet").read(assets=call(VAULT, "totalAssets()(uint256)"))
    for read in [read]:
        print(read.other)
    more: Later = [one for one in range(3) if (two := one)]
    m.limit("size", two, below=[(1, HIGH), ("95%", HIGH)], unit="%")
    m.limit("used", len(more), above="90%", clear=0.8, unit="%", severity=HIGH)
    m.limit("open", len(more), **{"above": 90, "unit": "%", "severity": HIGH})
"""
    script = tmp_path / "main.py"
    script.write_text(SCRIPT[: SCRIPT.index("    read")] + body + SCRIPT[SCRIPT.index("\n\nif") :])

    assert mistakes_in(script) == []


def test_validate_says_the_mistakes_of_both_and_exits_2(tmp_path: Path) -> None:
    host = ChecksHost(tmp_path)
    file = host.file(wrong(FILE, *YAML["a severity"][:2]))
    script = host.file(wrong(SCRIPT, *PYTHON["a verb"][:2]), "main.py")
    done = host.do("validate", file, script)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"{file}:{YAML['a severity'][2]}", f"{script}:{PYTHON['a verb'][2]}"]


RUNNING = {
    "a verb": ("m.limit", "m.limt", "9 m.limt is not known, did you mean limit?"),
    "a keyword": ("below=", "bellow=", "9 m.limit(…, bellow=…): unknown keyword, did you mean below?"),
    "an alert without a severity": ("m.limit(", 'm.alert("low", key="x")\n    m.limit(',
        '9 m.alert takes a severity and a title: write m.alert(HIGH, "what happened", …)'),
    "a keyword of an alert": ("m.limit(", 'm.alert(HIGH, "low", kye="x")\n    m.limit(',
        "9 m.alert(…, kye=…): unknown keyword, did you mean key?"),
    "a number in quotes": ("severity=HIGH", 'severity=HIGH, for_runs="3"',
        "9 m.limit(…, for_runs='3'): write a whole number, as in for_runs=3"),
    "a duration": ("severity=HIGH", 'severity=HIGH, remind="1 day"',
        "9 '1 day' is not a duration: write seconds, or a number with s, m, h or d, as in 90s or 24h"),
    "levels in a wrong order": ("below=1000, severity=HIGH", 'below=[("95%", HIGH), (1, HIGH)]',
        "9 the levels of a limit must go from the mildest bound to the worst, at least one"),
    "an exception": ("m.limit(", "1 / 0\n    m.limit(", "9 ZeroDivisionError: division by zero"),
    "a name that is not there": ("read.assets", "reed.assets", "9 NameError: name 'reed' is not defined"),
}  # fmt: skip


@pytest.mark.parametrize(("right", "instead", "said"), RUNNING.values(), ids=RUNNING)
def test_a_script_that_runs_into_a_mistake_ends_with_one_sentence(
    right: str, instead: str, said: str, tmp_path: Path
) -> None:
    """From another directory, too: the place is the author's line and no traceback hides what to write."""
    host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": "http://127.0.0.1:9"})
    script = host.file(wrong(SCRIPT, right, instead), "main.py")
    done = host.python(script)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"{script}:{said}"
    assert ("Traceback" in done.stderr) is ("Error: " in said)
