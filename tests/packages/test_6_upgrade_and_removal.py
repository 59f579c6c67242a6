"""An upgrade drains the old one and loses nothing; removal keeps data, purge leaves nothing of the package."""

import os
import pwd
import subprocess
import unittest

import support
from support import run, systemctl, unit, wait_until


class UpgradeAndRemoval(unittest.TestCase):
    def test_1_an_upgrade_restarts_it_and_loses_no_job(self):
        chat = support.ChatDouble()
        self.addCleanup(chat.close)
        support.clear()
        marked = support.WITHOUT_MODEL + "# the operator's own line\n"
        support.configure(marked)
        systemctl("start", "memoird")
        before = unit("MainPID")
        chat.delay = 0.2
        support.remember(100)
        wait_until("it works", lambda: chat.calls > 4)
        since = support.now()
        run("apt-get", "install", "-qq", "-y", "-o", "Dpkg::Options::=--force-confold", f"{support.PACKAGES}/memoird-next.deb",
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, stdin=subprocess.DEVNULL)
        self.assertEqual(unit("ActiveState"), "active")
        self.assertNotEqual(unit("MainPID"), before)
        self.assertEqual(support.events(since, "memoir.worker.shutdown")[0]["MEMOIR_OUTCOME"], "drained")
        wait_until("the queue is empty", lambda: support.jobs("kind = 'extract'") == 0, 60)
        self.assertEqual((support.facts(), chat.calls), (100, 100))
        with open(support.CONFIG, encoding="utf-8") as file:
            self.assertEqual(file.read(), marked)

    def test_2_does_not_start_by_an_upgrade_what_was_stopped(self):
        systemctl("stop", "memoird")
        run("apt-get", "install", "-qq", "-y", "--reinstall", f"{support.PACKAGES}/memoird-next.deb")
        self.assertEqual(unit("ActiveState"), "inactive")

    def test_3_removal_stops_it_and_keeps_configuration_and_data(self):
        systemctl("start", "memoird")
        run("apt-get", "remove", "-y", "memoird")
        self.assertFalse(os.path.exists("/usr/bin/memoird"))
        self.assertNotEqual(run("pgrep", "-x", "memoird", check=False).returncode, 0)
        self.assertTrue(os.path.exists(support.CONFIG))
        self.assertEqual(support.facts(), 100)

    def test_4_purge_leaves_nothing_of_it_but_the_database(self):
        run("apt-get", "purge", "-y", "memoird", "memoird-local-models")
        with open(support.FILES_BEFORE, encoding="utf-8") as file:
            before = set(file.read().splitlines())
        self.assertEqual(sorted(support.files() - before), [])
        with self.assertRaises(KeyError):
            pwd.getpwnam("memoird")
        self.assertEqual(support.facts(), 100)

    def test_5_installs_again_and_works_with_what_is_there(self):
        run("apt-get", "install", "-qq", "-y", "--no-install-recommends", f"{support.PACKAGES}/memoird.deb")
        support.configure(support.WITHOUT_MODEL)
        support.clear()
        systemctl("start", "memoird")
        support.remember(kind="synthesize")
        wait_until("the queue is empty", lambda: support.jobs() == 0)
        support.clear()


if __name__ == "__main__":
    unittest.main()
