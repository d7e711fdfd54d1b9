#!/usr/bin/python3
"""Renewals under load: not one request may fail.

EVERSEAL_RENEWALS says how often to renew (10; the acceptance run takes 50).
"""

import os

from harness import MachineCase, main, visitor
from harness.everseal import check_live
from harness.load import Load, Wrk

RENEWALS = int(os.environ.get("EVERSEAL_RENEWALS", "10"))


class ZeroDowntime(MachineCase):
    def setUp(self):
        super().setUp()
        self.run_everseal("secure", "--all", "--yes")
        self.root = self.authority.root_file()

    def test_no_request_fails_while_certificates_are_renewed(self):
        loads = [Load(lambda: visitor.https_get("static.example", self.root)),
                 Load(lambda: visitor.https_get("app.example", self.root, address="::1")),
                 Load(lambda: visitor.http_get("pair.example"))]
        for load in loads:
            load.start()
        tools = [Wrk("https://127.0.0.1/", "static.example"), Wrk("http://[::1]/", "pair.example")]
        serials = {self.serial("static.example")}
        for _ in range(RENEWALS):
            self.run_everseal("renew", "--force")
            serials.add(self.serial("static.example"))
        for load in loads:
            load.stop()
            self.assertEqual(load.failures, [])
            self.assertGreater(load.requests, RENEWALS)
        for tool in tools:
            report = tool.stop()
            self.assertGreater(report.requests, RENEWALS)
            self.assertEqual(report.failed, 0)
        self.assertEqual(len(serials), RENEWALS + 1)
        check_live()


if __name__ == "__main__":
    main()
