#!/usr/bin/python3
"""Machines as they are: full, read-only, broken by somebody else, cut off, busy."""

import subprocess
import time

from harness import MachineCase, main, visitor
from harness.everseal import STATE, check_live, live
from harness.nginx import CONFIGURATION, PID_FILE
from harness.sites import NAMES, fingerprint


class Faults(MachineCase):
    def setUp(self):
        super().setUp()
        self.before = fingerprint()

    def assert_failed_clean(self, *words, arguments=("secure", "--all", "--yes"), orders=0):
        """The command fails, says why in `words`, and has changed nothing; then all goes on."""
        result = self.run_everseal(*arguments, status=1)
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual(fingerprint(), self.before)
        self.assertLessEqual(self.authority.order_count(), orders)
        return result

    def assert_secures_all(self):
        self.run_everseal("secure", "--all", "--yes")
        self.assert_https(*NAMES)
        check_live()

    def mount_state(self, options):
        STATE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(STATE)], check=True)
        self.addCleanup(self.unmount_state)

    def unmount_state(self):
        if STATE.is_mount():
            subprocess.run(["umount", "-l", str(STATE)], check=True)

    def remount_state(self, options):
        subprocess.run(["mount", "-o", "remount," + options, str(STATE)], check=True)

    def test_the_state_directory_is_full_from_the_start(self):
        self.mount_state("size=16k,mode=700")
        self.assert_failed_clean(str(STATE))
        self.remount_state("size=16m")
        self.assert_secures_all()

    def test_the_disk_fills_while_certificates_arrive(self):
        for kilobytes in (128, 160, 192, 256, 320):
            with self.subTest(kilobytes=kilobytes):
                self.mount_state(f"size={kilobytes}k,mode=700")
                result = self.everseal.run("secure", "--all", "--yes")
                self.assertIn(result.status, (0, 1, 3), result)
                self.assertEqual(self.nginx.test(), "")
                self.nginx.cold_start()
                check_live()
                self.remount_state("size=16m")
                self.assert_secures_all()
                self.run_everseal("undo", "--yes")
                self.assertEqual(fingerprint(), self.before)
                self.unmount_state()

    def test_there_are_no_inodes_left(self):
        self.mount_state("nr_inodes=8,mode=700")
        result = self.everseal.run("secure", "--all", "--yes")
        self.assertEqual(result.status, 1, result)
        self.assertEqual(self.nginx.test(), "")
        self.remount_state("nr_inodes=10k")
        self.assert_secures_all()

    def test_the_state_directory_is_read_only(self):
        self.mount_state("mode=700")
        self.remount_state("ro")
        self.assert_failed_clean(str(STATE), "ead-only")
        self.remount_state("rw")
        self.assert_secures_all()

    def test_the_configuration_is_read_only(self):
        subprocess.run(["mount", "--bind", str(CONFIGURATION), str(CONFIGURATION)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(CONFIGURATION)], check=True)
        try:
            self.assert_failed_clean("ead-only")
        finally:
            subprocess.run(["umount", "-l", str(CONFIGURATION)], check=True)
        self.assert_secures_all()

    def test_a_configuration_file_cannot_be_read(self):
        # root reads whatever its mode; a directory in place of a file stops root, too.
        (CONFIGURATION / "sites-enabled/unreadable").mkdir()
        self.before = fingerprint()
        result = self.everseal.run("secure", "--all", "--yes")
        self.assertEqual(result.status, 1, result)
        self.assertIn("sites-enabled/unreadable", result.err)
        self.assertEqual(fingerprint(), self.before)

    def test_L5_nginx_does_not_run(self):
        self.nginx.stop()
        self.assert_failed_clean("nginx")
        self.assertIsNone(self.nginx.pid(), "nobody asked to start it")

    def test_L5_the_pid_file_names_another_process(self):
        self.nginx.stop()
        with subprocess.Popen(["sleep", "60"]) as other:
            PID_FILE.write_text(f"{other.pid}\n")
            self.assert_failed_clean("nginx")
            self.assertIsNone(other.poll(), "a foreign process must get no signal")
            other.kill()
        PID_FILE.unlink()

    def test_L1_somebody_elses_file_is_broken(self):
        broken = CONFIGURATION / "conf.d/theirs.conf"
        broken.write_text("server { listen 80; server_name x.example; nonsense on; }\n")
        self.before = fingerprint()
        self.assert_failed_clean(str(broken))
        self.assertEqual(visitor.http_get("static.example").status, 200)
        broken.unlink()
        self.assert_secures_all()
        broken.write_text("nonsense")
        serial = self.serial("static.example")
        result = self.run_everseal("renew", "--force", status=1)
        self.assertIn(str(broken), result.err)
        self.assertEqual(self.serial("static.example"), serial)
        check_live()
        issued = sum(self.authority.issued().values())
        broken.unlink()
        self.run_everseal("renew")
        self.assertNotEqual(self.serial("static.example"), serial)
        self.assertEqual(sum(self.authority.issued().values()), issued, "what was got is used")

    def test_L2_a_port_is_taken_so_that_nginx_keeps_its_old_configuration(self):
        """`nginx -t` and the reload both report success here (faults.md, L2)."""
        with subprocess.Popen(["/usr/bin/python3", "-m", "http.server", "443", "--bind",
                               "127.0.0.4"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            time.sleep(0.5)
            result = self.everseal.run("secure", "four.example", "--yes")
            subprocess.run(["pkill", "-f", "http.server 443"], check=True)
        self.assertEqual(result.status, 1, result)
        self.assertIn("four.example", result.err)
        self.assertEqual(fingerprint(), self.before)
        self.nginx.cold_start()
        self.run_everseal("secure", "four.example", "--yes")
        self.assert_https("four.example")

    def test_T2_a_second_copy_at_once(self):
        self.new_authority(sleep_seconds=4)
        first = self.everseal.start("secure", "--all", "--yes")
        while self.authority.order_count() == 0:
            self.assertIsNone(first.poll(), "ended before it ordered")
            time.sleep(0.05)
        result = self.run_everseal("secure", "--all", "--yes", status=1)
        self.assertIn(str(first.pid), result.err)
        self.run_everseal("status")
        out, err = first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0, out + err)
        self.assert_https(*NAMES)
        self.assertEqual(set(self.authority.issued().values()), {1})

    def test_the_ca_cannot_be_reached(self):
        self.authority.stop_ca()
        result = self.run_everseal("secure", "--all", "--yes", status=1)
        self.assertIn("localhost:14000", result.err)
        self.assertEqual(fingerprint(), self.before)
        self.authority.start_ca()
        self.assert_secures_all()
        self.authority.stop_ca()
        serial = live()
        result = self.run_everseal("renew", "--force", status=1)
        self.assertIn("localhost:14000", result.err)
        self.assertEqual(live(), serial)
        check_live()

    def test_the_cas_own_certificate_is_not_trusted(self):
        self.authority.bundle.rename(self.authority.bundle.with_suffix(".kept"))
        self.addCleanup(self.authority.bundle.with_suffix(".kept").rename, self.authority.bundle)
        self.authority.bundle.write_text(self.authority_of_nobody())
        result = self.run_everseal("secure", "--all", "--yes", status=1)
        self.assertRegex(result.err, r"(?i)certificate")
        self.assertEqual(self.authority.requests(), [])

    def authority_of_nobody(self):
        return subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                               "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null",
                               "-subj", "/CN=nobody"], check=True, capture_output=True,
                              text=True).stdout


if __name__ == "__main__":
    main()
