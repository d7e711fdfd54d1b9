#!/usr/bin/python3
"""Fails where docs/faults.md names a test that does not exist, or a row no test that carries its id.

A reference is `x/Y`: tests in tests/e2e/test_x.py whose names begin with test_Y; `crash/x`: the script
tests/crash/x.py; `Suite.Y`: unit tests TEST(Suite, Y…), or `x_fuzz`, a fuzz target. A row that says
"open" may name none.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs/faults.md"
ROWS = {"A": 30, "N": 8, "C": 15, "L": 13, "S": 13, "T": 5}


def rows(text):
    """(id, references end to end, references of units, result) of each line of a table."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 5 and re.fullmatch(r"[A-Z]\d+", cells[0]):
            yield cells[0], references(cells[2]), references(cells[3]), cells[4]


def references(cell):
    return [each.strip() for each in cell.split(",") if each.strip()]


def end_to_end_tests():
    """{"x/Y": the ids that it carries} of every test and script."""
    found = {}
    for path in (ROOT / "tests/e2e").glob("test_*.py"):
        for name in re.findall(r"(?:def |\")test_(?:Fault)?(\w+)", path.read_text()):
            found[f"{path.stem.removeprefix('test_')}/{name}"] = re.findall(r"(?:^|(?<=_))[ANCLST]\d+(?=_|$)",
                                                                           name)
    for path in (ROOT / "tests/crash").glob("*.py"):
        said = re.search(r"Acceptance rows? (.*?)\.", path.read_text(), re.S)
        found[f"crash/{path.stem}"] = re.findall(r"[ANCLST]\d+", said[1]) if said else []
    return found


def unit_tests():
    sources = [path.read_text() for pattern in ("src/**/*_test.cc", "tests/**/*_test.cc")
               for path in ROOT.glob(pattern)]
    found = {f"{suite}.{name}" for text in sources
             for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", text, re.M)}
    return found | {path.stem for path in ROOT.glob("src/**/*_fuzz.cc")}


def meets(test, reference):
    """Whether its name begins with the reference; A1 is no beginning of A12."""
    rest = test.removeprefix(reference)
    return test.startswith(reference) and not (reference[-1].isdigit() and rest[:1].isdigit())


def complaints(text):
    end_to_end, units = end_to_end_tests(), unit_tests()
    seen = []
    for row, e2e, unit, result in rows(text):
        seen.append(row)
        for each in e2e:
            if not any(meets(test, each) for test in end_to_end):
                yield f"{row}: there is no test {each}"
        for each in unit:
            if not any(meets(test, each) for test in units):
                yield f"{row}: there is no unit test {each}"
        carries = any(row in ids for test, ids in end_to_end.items()
                      if any(meets(test, each) for each in e2e))
        if not carries and not result.startswith("open"):
            yield f"{row}: no test end to end that it names carries its id"
    wanted = [f"{kind}{number}" for kind, count in ROWS.items() for number in range(1, count + 1)]
    for row in wanted:
        if seen.count(row) != 1:
            yield f"{row}: {seen.count(row)} rows"


def main():
    text = TABLE.read_text()
    found = list(complaints(text))
    for each in found:
        print(f"{TABLE.relative_to(ROOT)}: {each}")
    all_rows = list(rows(text))
    still_open = [row for row, _, _, result in all_rows if result.startswith("open")]
    print(f"{len(all_rows)} rows, {len(still_open)} open {' '.join(still_open)}".rstrip())
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
