"""docs/troubleshooting.md: its table is what `doctor` declares; `REWRITE_GOLDEN=1` writes it again."""

from __future__ import annotations

import os
import re
from pathlib import Path

from automation.status.doctor import FindingLevel, Problem, problems

PAGE = Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md"
TABLE = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end of table -->)", re.DOTALL)


def row(problem: Problem) -> str:
    cells = problem.symptom, f"{problem.cause}: {problem.why}", problem.remedy, f"`{problem.kind}`"
    warns = " (a warning)" if problem.level is FindingLevel.WARN else ""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + f"{warns} |"


def table() -> str:
    head = "| what you see | cause | what to type | kind |\n|---|---|---|---|\n"
    return head + "".join(f"{row(problem)}\n" for problem in problems())


def test_the_page_lists_every_problem_that_doctor_knows() -> None:
    text = PAGE.read_text()
    if os.environ.get("REWRITE_GOLDEN"):
        PAGE.write_text(TABLE.sub(lambda _: table(), text))
    assert TABLE.search(PAGE.read_text()) is not None
    assert TABLE.findall(PAGE.read_text()) == [table()], "REWRITE_GOLDEN=1 writes it"
