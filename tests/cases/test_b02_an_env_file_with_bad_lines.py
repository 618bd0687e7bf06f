"""B.2: the env file of a running service gets a byte that is not UTF-8, a byte order mark, `export NAME=`,
`NAME: value`, a quote left open.

systemd leaves such a line out and reads on; so do runs and commands. `doctor` and `status` name file and line, a run
logs them; a value is never quoted.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from monitoring.base.env_file import parse_env_file
from tests.support import parts
from tests.support.host import Host

pytestmark = pytest.mark.case("B.2")

SECRET = b"hunter2hunter2"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"X_PASS=" + SECRET + b"\xe9", "X_PASS is not set: its value is not UTF-8"),
        (b"X\xe9=" + SECRET, "the text before = is not the name of a variable"),
        (b"export X_PASS=" + SECRET, "X_PASS is not set: write X_PASS=value, without `export`"),
        (b"X_PASS: " + SECRET, "this line sets nothing: write X_PASS=value"),
        (SECRET, "this line sets nothing: write NAME=value"),
        (b"X-PASS=" + SECRET, "the text before = is not the name of a variable"),
        (b"=" + SECRET, "this line sets nothing"),
        (b"1X=" + SECRET, "the text before = is not the name of a variable"),
        ("ÄX=".encode() + SECRET, "the text before = is not the name of a variable"),
        (b"X_PASS=" + SECRET + b"\x00", "X_PASS is not set: a control character is in its value"),
        (b'X_PASS="' + SECRET + b'\r\n"', "X_PASS is not set: a control character is in its value"),
        (b"\xef\xbb\xbfX_PASS=" + SECRET, "the file begins with a byte order mark"),
    ],
)
def test_a_bad_line_is_left_out_and_named(line: bytes, words: str) -> None:
    found = parse_env_file(b"A=1\n# comment \xe9\n\n" + line + b"\nB=2\n")
    assert found.values == {"A": "1", "B": "2"}
    ((number, reported),) = found.mistakes
    assert (number, words in reported) == (4, True)
    assert SECRET.decode() not in reported


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            b'A=1\nX_PASS="hunter2\n\nTOKEN_B=abc\nC=3\n',
            "X_PASS goes on over the lines that follow, so TOKEN_B not set",
        ),
        (b"A=1\nX_PASS='hunter2\nTOKEN_B='abc'\n", "X_PASS goes on over the lines that follow, so TOKEN_B not set"),
        (b'A=1\nX_PASS="hunter2\n', "X_PASS: its quote is not closed"),
    ],
)
def test_a_quote_left_open_is_named_where_it_was_opened(text: bytes, words: str) -> None:
    """systemd takes what follows for the value, and so do we: the two must not read different things."""
    found = parse_env_file(text)
    assert set(found.values) == {"A", "X_PASS"}
    ((number, reported),) = found.mistakes
    assert number == 2
    assert words in reported
    assert "hunter2" not in reported


@pytest.mark.parametrize(
    ("line", "value"),
    [(b"X=-100123 # ops", "-100123 # ops"), (b"X='a b'  #ops", "a b#ops"), (b'X="" # none yet', "# none yet")],
)
def test_a_comment_behind_a_value_is_taken_as_systemd_takes_it_and_named(line: bytes, value: str) -> None:
    found = parse_env_file(b"A=1\n" + line + b"\nB=2\n")
    assert found.values == {"A": "1", "X": value, "B": "2"}
    ((number, reported),) = found.mistakes
    assert (number, "put the comment on a line of its own" in reported) == (2, True)


@pytest.mark.parametrize(
    "text",
    [
        b"A='x # y'\nB=x#y\nC=\"# z\"\nD=https://x.example/#/y\n",
        b'KEY="-----BEGIN KEY-----\nMIIEabcd==\nAB=\n-----END KEY-----\n"\nB=2\n',
        b"LONG=a \\\n  b\n",
        b"# caf\xe9\n; t\xe9\nA=1\r\nB='x' \"y\" z\n",
        b"",
    ],
)
def test_what_systemd_takes_is_no_mistake(text: bytes) -> None:
    assert parse_env_file(text).mistakes == ()


GENERATOR = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example('A=\'x\' " y\\q\\"\\\n z"w\\\\ \\\n B=1 \n C = a\\ \n')
@given(st.text(st.sampled_from("AABC==='\"\\ \t\n\nxy#;:"), max_size=40))
def test_it_reads_what_the_systemd_of_this_machine_reads(tmp_path: Path, text: str) -> None:
    if not GENERATOR.exists():
        parts.missing(f"{GENERATOR} is not installed")
    # Since systemd 254 a comment that ends in a backslash ends there.
    assume(not re.search(r"[#;].*\\\n", text))
    ours = parse_env_file(text.encode()).values
    assume("" not in ours.values())  # this reader of theirs leaves empty ones out, the units' does not
    (tmp_path / "environment.d").mkdir(exist_ok=True)
    (tmp_path / "environment.d" / "x.conf").write_text(text)
    done = subprocess.run(
        [GENERATOR], env={"XDG_CONFIG_HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    read = dict(line.split("=", 1) for line in done.stdout.splitlines())
    theirs = {name: _unquoted(value) for name, value in read.items() if set(name) <= set("ABCxy")}
    assert ours == theirs


def _unquoted(value: str) -> str:
    if value.startswith('"'):
        return re.sub(r"\\(.)", lambda found: _UNESCAPED.get(found[1], found[1]), value[1:-1])
    return value


def test_the_service_runs_on_and_everybody_says_which_line(tmp_path: Path) -> None:
    host = Host(tmp_path)
    env_file = tmp_path / "env"
    env_file.write_bytes(
        b"# Schl\xfcssel\nLOG_LEVEL=INFO\nexport TELEGRAM_BOT_TOKEN_DEFAULT=123456:"
        + SECRET
        + b"\nX_PASS=\xff\nGREETING=hello\n"
    )
    env_file.chmod(0o640)
    host.environ["MONITORING_ENV_FILE"] = str(env_file)
    host.profile({"greet": "import os\nprint(os.environ['GREETING'])\n"})
    done = host.automation("run", "hourly")
    assert "greet | hello" in done.stderr
    assert host.rows("SELECT status FROM runs") == [("ok",)]
    reported = [
        f"{env_file}:3: TELEGRAM_BOT_TOKEN_DEFAULT is not set: write TELEGRAM_BOT_TOKEN_DEFAULT=value, without",
        f"{env_file}:4: X_PASS is not set: its value is not UTF-8: save the file as UTF-8",
    ]
    for shown in (done.stderr, host.automation("status").stdout, host.automation("doctor").stdout):
        assert [line for line in reported if line not in shown] == []
        assert SECRET.decode() not in shown
