"""Secrets reach the service through systemd's credentials, from files and encrypted, and are seen nowhere."""

import os
import unittest

import support
from support import run, sql, systemctl, unit, wait_until

SECRET = "correct-horse-battery"
FILE = "/etc/memoird/credentials/database-url"
DROP_IN = "/run/systemd/system/memoird.service.d"
URL = f"postgresql://memoird_tcp:{SECRET}@127.0.0.1/memoir"


class Credentials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.clear()
        if not sql("select 1 from pg_roles where rolname = 'memoird_tcp'"):
            sql(f"create role memoird_tcp login password '{SECRET}' in role memoird")
        support.configure(support.WITHOUT_MODEL.replace('url = "postgresql:///memoir"', 'url_credential = "database-url"'))
        os.makedirs(DROP_IN, exist_ok=True)

    @classmethod
    def tearDownClass(cls):
        support.clear()
        for file in (FILE, f"{DROP_IN}/credential.conf"):
            if os.path.exists(file):
                os.remove(file)
        systemctl("daemon-reload")
        sql("drop owned by memoird_tcp; drop role memoird_tcp")

    def load(self, setting):
        systemctl("stop", "memoird")
        with open(f"{DROP_IN}/credential.conf", "w", encoding="utf-8") as file:
            file.write(f"[Service]\n{setting}=database-url:{FILE}\n")
        systemctl("daemon-reload")

    def works(self):
        since = support.now()
        systemctl("start", "memoird")
        sql("delete from memoir.memories")
        support.remember(kind="synthesize")
        wait_until("the queue is empty", lambda: support.jobs() == 0)
        self.assertEqual(unit("ActiveState"), "active")
        for where in (str(support.entries(since)), run("memoird", "--print-config", check=False).stdout,
                      systemctl("show", "memoird").stdout):
            self.assertNotIn(SECRET, where)
        with open(f"/proc/{unit('MainPID')}/environ", encoding="utf-8") as file:
            self.assertNotIn(SECRET, file.read())

    def test_1_from_a_file_that_only_root_reads(self):
        with open(FILE, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(URL)
        self.load("LoadCredential")
        self.works()

    def test_2_encrypted_for_this_machine(self):
        run("sh", "-c", f"printf %s '{URL}' | systemd-creds encrypt --name=database-url - {FILE}.enc && mv {FILE}.enc {FILE}")
        self.load("LoadCredentialEncrypted")
        self.works()

    def test_3_says_which_credential_is_missing(self):
        os.remove(f"{DROP_IN}/credential.conf")
        systemctl("daemon-reload")
        systemctl("stop", "memoird")
        since = support.now()
        systemctl("start", "memoird", check=False)
        wait_until("the unit fails", lambda: unit("ActiveState") == "failed")
        self.assertEqual(unit("ExecMainStatus"), "78")
        said = "\n".join(str(e.get("MESSAGE")) for e in support.entries(since, "-u", "memoird"))
        self.assertIn("database-url", said)
        self.assertIn("HINT", said)


if __name__ == "__main__":
    unittest.main()
