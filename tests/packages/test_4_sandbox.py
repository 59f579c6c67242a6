"""What the process cannot do: a program under the unit's own sandbox tries it."""

import json
import os
import unittest

import support
from support import run, systemctl

PROBE = r'''
import json, mmap, os, resource, signal, socket, subprocess
found = {}
def tries(name, action):
    try:
        action()
        found[name] = "done"
    except Exception as error:
        found[name] = type(error).__name__
def write(path):
    return lambda: open(path, "w").close()
def opens(family, kind=socket.SOCK_STREAM):
    return lambda: socket.socket(family, kind).close()
def command(*words):
    return lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
for path in ("/etc/probe", "/usr/probe", "/var/probe", "/var/lib/probe", "/opt/probe", "/boot/probe", "/etc/memoird/probe"):
    tries("write " + path, write(path))
tries("write /run/memoird", write("/run/memoird/probe"))
tries("list /home", lambda: os.listdir("/home/resident"))
tries("read credentials", lambda: os.listdir("/etc/memoird/credentials"))
tries("read shadow", lambda: open("/etc/shadow").read())
tries("read configuration", lambda: open("/etc/memoird/memoird.toml").read())
tries("unix socket", opens(socket.AF_UNIX))
tries("inet socket", opens(socket.AF_INET))
tries("netlink socket", opens(socket.AF_NETLINK, socket.SOCK_RAW))
tries("packet socket", opens(socket.AF_PACKET, socket.SOCK_RAW))
tries("raw socket", opens(socket.AF_INET, socket.SOCK_RAW))
tries("vsock", opens(40))
tries("writable and executable memory", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
tries("kill others", lambda: os.kill(1, 0))
tries("become root", lambda: os.setuid(0))
tries("real-time scheduling", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
tries("pin threads", lambda: os.sched_setaffinity(0, {0}))
tries("new namespace", command("unshare", "--user", "true"))
tries("mount", command("mount", "-t", "tmpfs", "none", "/tmp"))
tries("set-user-id file", lambda: (open("/tmp/s", "w").close(), os.chmod("/tmp/s", 0o4755)))
tries("host name", lambda: socket.sethostname("probe"))
tries("raise limits", lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)))
tries("device", lambda: open("/dev/kmsg").close())
found["core limit"] = list(resource.getrlimit(resource.RLIMIT_CORE))
found["processes seen"] = len([p for p in os.listdir("/proc") if p.isdigit() and os.stat("/proc/" + p).st_uid != os.getuid()])
found["user"] = os.getuid() != 0
print("PROBE " + json.dumps(found), flush=True)
'''
# These need no probe to run as a service of type notify.
DROPPED = ("Type=", "ExecStart=", "ExecReload=", "Restart", "WatchdogSec=", "NotifyAccess=", "After=", "Wants=", "WantedBy=")


class Sandbox(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(cls.clean)
        os.makedirs("/home/resident", exist_ok=True)
        with open("/usr/local/bin/memoird-probe", "w", encoding="utf-8") as file:
            file.write(PROBE)
        text = run("systemctl", "cat", "memoird.service").stdout
        lines = [line for line in text.splitlines() if not line.startswith(DROPPED)]
        at = lines.index("[Service]") + 1
        lines[at:at] = ["Type=oneshot", "ExecStart=/usr/bin/python3 /usr/local/bin/memoird-probe"]
        with open("/run/systemd/system/memoird-probe.service", "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        systemctl("daemon-reload")
        since = support.now()
        systemctl("start", "memoird-probe", check=False)
        said = [str(e.get("MESSAGE")) for e in support.entries(since, "-u", "memoird-probe")]
        probes = [line for line in said if line.startswith("PROBE ")]
        status = run("systemctl", "status", "--no-pager", "memoird-probe", check=False).stdout
        assert probes, "\n".join(said) + status
        cls.found = json.loads(probes[0][len("PROBE "):])

    @staticmethod
    def clean():
        os.remove("/run/systemd/system/memoird-probe.service")
        os.remove("/usr/local/bin/memoird-probe")
        os.rmdir("/home/resident")
        systemctl("daemon-reload")

    def refused(self, *names):
        for name in names:
            with self.subTest(name):
                self.assertNotEqual(self.found[name], "done")

    def allowed(self, *names):
        for name in names:
            with self.subTest(name):
                self.assertEqual(self.found[name], "done")

    def test_reads_its_configuration_and_talks_to_sockets(self):
        self.allowed("read configuration", "unix socket", "inet socket", "write /run/memoird")

    def test_writes_nowhere_else(self):
        self.refused(*(name for name in self.found if name.startswith("write ") and name != "write /run/memoird"))

    def test_reads_neither_homes_nor_secrets_of_others(self):
        self.refused("list /home", "read credentials", "read shadow", "device")

    def test_opens_no_other_kinds_of_sockets(self):
        self.refused("netlink socket", "packet socket", "raw socket", "vsock")

    def test_cannot_make_code_of_data(self):
        self.refused("writable and executable memory", "set-user-id file")

    def test_reaches_no_other_process_and_gains_no_rights(self):
        self.refused("kill others", "become root", "real-time scheduling", "new namespace", "mount", "host name", "raise limits")
        self.assertTrue(self.found["user"])
        self.assertEqual(self.found["processes seen"], 0)

    def test_is_refused_the_pinning_of_threads_without_being_killed(self):
        self.refused("pin threads")

    def test_leaves_no_core_dump(self):
        self.assertEqual(self.found["core limit"], [0, 0])


if __name__ == "__main__":
    unittest.main()
