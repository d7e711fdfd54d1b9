#!/usr/bin/python3
"""An nginx of ten thousand servers, where each test and each reload takes long."""

import unittest

from harness import Nginx, OwnCaCase, sandbox, visitor
from harness.everseal import Everseal, check_live
from harness.nginx import CONFIGURATION, ERROR_LOG

_SERVERS = 10_000
_SECURED = 12

_NGINX_CONF = """\
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log notice;
events { worker_connections 768; }
http {
    access_log off;
    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    include /etc/nginx/sites-enabled/*;
}
"""


class ManyServers(OwnCaCase):
    def setUp(self):
        super().setUp()
        (CONFIGURATION / "sites-enabled").mkdir(parents=True)
        (CONFIGURATION / "nginx.conf").write_text(_NGINX_CONF)
        names = [f"n{number}.example" for number in range(_SERVERS)]
        for begin in range(0, _SERVERS, 100):
            (CONFIGURATION / f"sites-enabled/{begin}").write_text("".join(
                f"server {{\n    listen 80;\n    server_name {name};\n    return 200 {name};\n}}\n"
                for name in names[begin:begin + 100]))
        self.names = names[::_SERVERS // _SECURED][:_SECURED]
        for name in self.names:
            self.ca.resolve(name, ipv6=[])
        self.nginx = Nginx().start()
        self.addCleanup(self.nginx.stop)
        self.everseal = Everseal(self.ca)

    def run_everseal(self, *arguments):
        """How often nginx was reloaded meanwhile."""
        before = self.reloads()
        result = self.everseal.run(*arguments, timeout=600)
        self.assertEqual(result.status, 0, result)
        return self.reloads() - before

    @staticmethod
    def reloads():
        return ERROR_LOG.read_text().count("(SIGHUP) received")

    def test_L11_all_at_once_cost_one_reload(self):
        """Two where sites are secured: the answer to the CA, and the certificates."""
        self.assertLessEqual(self.run_everseal("secure", "--yes", *self.names), 2)
        before = self.served()
        self.assertEqual(self.run_everseal("renew", "--force"), 1)
        after = self.served()
        self.assertFalse(set(before) & set(after))
        check_live()
        self.nginx.cold_start()
        self.assertEqual(self.served(), after)

    def served(self):
        return [visitor.certificate(name, self.ca.bundle)["serialNumber"] for name in self.names]


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
