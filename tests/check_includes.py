#!/usr/bin/python3
"""Fails on an #include that docs/architecture.md does not allow.

The table there says, for each folder of src/, which other folders it may include. A folder may
always include itself; "–" means no other, "all" or "all above" the folders of the rows above.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEADER = "`src/` folder"


def table_rows(text):
    """The cells of each row under the header that begins with HEADER."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.strip().lstrip("| ").startswith(HEADER):
            break
    else:
        raise SystemExit(f"docs/architecture.md: no table that begins with {HEADER}")
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.strip().startswith("|"):
            return
        if not set(cells[0]) <= set("-: "):
            yield cells


def allowed_edges(text):
    """{folder: the folders that it may include}"""
    allowed = {}
    for cells in table_rows(text):
        folder, may_include = cells[0].strip("`"), re.sub(r"\(.*?\)", "", cells[-1]).strip("` ")
        above = set(allowed)
        if may_include.startswith("all"):
            allowed[folder] = above
        else:
            allowed[folder] = set(re.findall(r"[a-z_]+", may_include))
        unknown = allowed[folder] - above
        if unknown:
            raise SystemExit(f"docs/architecture.md: {folder} may include {sorted(unknown)}, "
                             "which no row above describes")
        allowed[folder] = allowed[folder] | {folder}
    return allowed


def violations(allowed, source):
    for path in sorted(source.rglob("*.[ch]*")):
        folder = path.relative_to(source).parts[0]
        if folder not in allowed:
            yield f"{path.relative_to(ROOT)}: the table has no folder {folder}"
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if include and include[1].split("/")[0] not in allowed[folder]:
                yield (f"{path.relative_to(ROOT)}:{number}: {folder} may not include "
                       f"{include[1]} (allowed: {' '.join(sorted(allowed[folder]))})")


def main():
    allowed = allowed_edges((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    found = list(violations(allowed, ROOT / "src"))
    print("\n".join(found) or "Every include is one that the table allows.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
