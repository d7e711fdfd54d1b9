"""A catalog of as many certificates as are wanted, without a CA."""

import time

_DAY = 86400


def fill(catalog, count, *, server="https://acme-v02.api.letsencrypt.org/directory", webroot=None,
         due=False):
    """Certificates as they are in the middle of their lives, looked at four times a day; or, `due`, all
    at their ends and for other names than before, which a CA counts as new: number 1 is the first to
    expire, its successor a second later."""
    now = int(time.time())
    columns = [row[1] for row in catalog.execute("PRAGMA table_info(certificates)")]
    names = """'["n' || i || '.example"{}]'""".format("" if webroot else ""","www.n' || i || '.example\"""")
    values = {"id": "i", "name": "'n' || i || '.example'", "names": names, "covered": names,
              "server": f"'{server}'", "key_type": "'ecdsa-p256'", "method": "'webroot'",
              "webroots": f"""'["{webroot}"]'""" if webroot else "'[]'", "preferred_chain": "''",
              "version": "1", "fingerprint": "hex(i) || hex(randomblob(28))",
              "not_before": f"{now} - 86400 * 30 + i % 86400",
              "not_after": f"{now} + 86400 * 60 + i % 86400",
              "renew_at": f"{now} + 86400 * 30 + i % 86400", "ask_at": f"{now} + 600 + i % 21600",
              "next_look": f"{now} + 600 + i % 21600",
              "renewal_id": "'aYhba4dGQEHhs3uEe6CuLN4ByNQ.' || i",
              "draw": "abs(random()) % 4294967296", "last_error": "''"}
    if due:
        values |= {"not_before": f"{now} - {80 * _DAY}", "not_after": f"{now} + {10 * _DAY} + i",
                   "renew_at": f"{now} - 100", "next_look": f"{now} - 100", "ask_at": f"{now} + {_DAY}",
                   "renewal_id": "''", "covered": """'["old' || i || '.example"]'"""}
    texts = ("beside", "in_haproxy", "window_explanation", "request")
    row = ", ".join(values.get(column, "''" if column in texts else "'[]'" if column == "failing" else "0")
                    for column in columns)
    catalog.execute(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
                    f"INSERT INTO certificates ({', '.join(columns)}) SELECT {row} FROM n")
    catalog.execute("INSERT INTO versions (certificate_id, number, state, order_url, not_before, not_after, "
                    "fingerprint) SELECT id, 1, 'live', '', not_before, not_after, fingerprint "
                    "FROM certificates")
