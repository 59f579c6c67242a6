"""From an empty machine to a service that works, by the README's steps."""

import grp
import os
import pwd
import stat
import unittest

import support
from support import run, sql, systemctl, unit


def mode_and_owner(path):
    info = os.stat(path)
    return stat.S_IMODE(info.st_mode), pwd.getpwuid(info.st_uid).pw_name, grp.getgrgid(info.st_gid).gr_name


class Installation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(support.FILES_BEFORE, "w", encoding="utf-8") as file:
            file.write("\n".join(support.files()))

    def test_01_installs_with_apt_and_starts_nothing(self):
        run("apt-get", "install", "-qq", "-y", "--no-install-recommends", f"{support.PACKAGES}/memoird.deb")
        self.assertEqual(unit("ActiveState"), "inactive")
        self.assertEqual(systemctl("is-enabled", "memoird").stdout.strip(), "enabled")

        size = os.path.getsize(f"{support.PACKAGES}/memoird.deb") / 2**20
        support.figure("package memoird", f"{size:.2f} MiB", "at most 2")
        self.assertLessEqual(size, 2)

    def test_02_makes_a_user_that_can_log_in_nowhere(self):
        user = pwd.getpwnam("memoird")
        self.assertEqual(user.pw_shell, "/usr/sbin/nologin")
        self.assertLess(user.pw_uid, 1000)

    def test_03_lets_only_root_write_and_only_memoird_read_the_configuration(self):
        self.assertEqual(mode_and_owner("/etc/memoird"), (0o750, "root", "memoird"))
        self.assertEqual(mode_and_owner(support.CONFIG), (0o640, "root", "memoird"))
        self.assertEqual(mode_and_owner("/etc/memoird/credentials"), (0o700, "root", "root"))

    def test_04_brings_programs_man_pages_completions_and_the_catalog(self):
        self.assertIn("memoird", run("memoird", "--version").stdout)
        for file in ("/usr/share/man/man8/memoird.8.gz", "/usr/share/man/man1/memoirctl.1.gz",
                     "/usr/share/man/man5/memoird.toml.5.gz", "/usr/share/bash-completion/completions/memoirctl",
                     "/usr/share/zsh/vendor-completions/_memoirctl", "/usr/share/fish/vendor_completions.d/memoirctl.fish",
                     "/usr/lib/systemd/catalog/memoird.catalog"):
            self.assertTrue(os.path.exists(file), file)

    def test_05_takes_the_packaged_configuration_as_it_is(self):
        run("memoird", "--check-config")

    def test_06_is_given_its_schema_and_its_rights_by_the_owner_of_the_database(self):
        for command in (("createuser", "memoird"), ("createdb", "memoir")):
            run("runuser", "-u", "postgres", "--", *command, cwd="/")
        owner = ("runuser", "-u", "postgres", "--", "memoirctl", "--set", "database.url=postgresql:///memoir")
        run(*owner, "schema", "apply", cwd="/")
        sql(run(*owner, "schema", "grants", "memoird", cwd="/").stdout)

    def test_07_fails_without_a_restart_where_the_models_are_missing_and_names_their_package(self):
        since = support.now()
        systemctl("start", "memoird", check=False)
        support.wait_until("the unit fails", lambda: unit("ActiveState") == "failed")
        self.assertEqual(unit("ExecMainStatus"), "78")
        self.assertEqual(unit("NRestarts"), "0")
        run("journalctl", "--sync")
        said = run("journalctl", "-u", "memoird", since, "-o", "cat").stdout
        self.assertIn("HINT", said)
        self.assertIn("memoird-local-models", said)

    def test_08_installs_the_models_and_embeds_under_the_sandbox(self):
        run("apt-get", "install", "-qq", "-y", f"{support.PACKAGES}/memoird-local-models.deb")
        support.clear()
        support.configure(support.WITH_MODEL)
        systemctl("start", "memoird")
        support.remember(kind="embed")
        support.wait_until("the memory is indexed", lambda: sql("select qdrant_status from memoir.memories") == "indexed")
        support.wait_until("the queue is empty", lambda: support.jobs() == 0)
        support.clear()

    def test_09_is_as_little_exposed_as_it_claims(self):
        exposure = run("systemd-analyze", "security", "--no-pager", "memoird.service").stdout.splitlines()[-1]
        support.figure("exposure", exposure.split(":")[1].split()[0], "at most 1.1")
        run("systemd-analyze", "security", "--no-pager", "--threshold=11", "memoird.service")
        run("systemd-analyze", "security", "--no-pager", "--threshold=11", "memoird@any.service")


if __name__ == "__main__":
    unittest.main()
