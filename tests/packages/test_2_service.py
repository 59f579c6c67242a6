"""The unit's life: ready, reload, stop, crash, hang, bad configuration."""

import os
import signal
import socket
import unittest

import support
from support import run, systemctl, unit, wait_until

DROP_IN = "/run/systemd/system/memoird.service.d"


def drop_in(text):
    os.makedirs(DROP_IN, exist_ok=True)
    with open(f"{DROP_IN}/test.conf", "w", encoding="utf-8") as file:
        file.write(text)
    systemctl("daemon-reload")


def main_pid():
    return int(unit("MainPID"))


def postgres(action):
    version = os.listdir("/etc/postgresql")[0]  # the one of this Debian
    systemctl(action, f"postgresql@{version}-main")


def scrape(path="/metrics"):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("/run/memoird/metrics.sock")
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := client.recv(65536):
            answer += part
    return answer.decode()


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.chat = support.ChatDouble()

    @classmethod
    def tearDownClass(cls):
        cls.chat.close()

    def setUp(self):
        support.clear()
        self.chat.delay, self.chat.calls = 0.0, 0
        support.configure(support.WITHOUT_MODEL)
        self.since = support.now()

    def tearDown(self):
        if os.path.exists(f"{DROP_IN}/test.conf"):
            os.remove(f"{DROP_IN}/test.conf")
            systemctl("daemon-reload")
        postgres("start")

    def start_with_a_call_in_flight(self):
        systemctl("start", "memoird")
        support.remember()
        wait_until("the model is asked", lambda: self.chat.calls == 1)

    def test_01_is_ready_only_when_the_database_is_reached(self):
        postgres("stop")
        systemctl("start", "--no-block", "memoird")
        wait_until("it says that it waits", lambda: "database" in unit("StatusText").lower())
        self.assertEqual(unit("ActiveState"), "activating")
        postgres("start")
        wait_until("it is ready", lambda: unit("ActiveState") == "active")

    def test_02_starts_and_stops_within_an_instant(self):
        starts, stops = [], []
        for _ in range(5):
            systemctl("start", "memoird")
            started = int(unit("ActiveEnterTimestampMonotonic")) - int(unit("ExecMainStartTimestampMonotonic"))
            starts.append(started / 1000)
            systemctl("stop", "memoird")
            stops.append((int(unit("InactiveEnterTimestampMonotonic")) - int(unit("ActiveExitTimestampMonotonic"))) / 1000)
        support.figure("start to READY, median of 5", f"{sorted(starts)[2]:.0f} ms", "at most 300 ms")
        support.figure("stop while idle, median of 5", f"{sorted(stops)[2]:.0f} ms", "at most 100 ms")

    def test_03_is_small_while_idle_without_a_model(self):
        systemctl("start", "memoird")
        with open(f"/proc/{main_pid()}/status", encoding="utf-8") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        support.figure("resident while idle without a model", f"{resident / 1024:.1f} MiB", "at most 20 MiB")
        self.assertLessEqual(resident, 20 * 1024)

    def test_04_finishes_what_runs_when_it_is_stopped(self):
        self.chat.delay = 3.0
        self.start_with_a_call_in_flight()
        systemctl("stop", "memoird")
        self.assertEqual(unit("Result"), "success")
        self.assertEqual(support.facts(), 1)
        self.assertEqual(support.jobs("kind = 'extract'"), 0)
        self.assertEqual(support.events(self.since, "memoir.worker.shutdown")[0]["MEMOIR_OUTCOME"], "drained")

    def test_05_hands_back_what_does_not_end_within_the_drain_timeout(self):
        support.configure(support.WITHOUT_MODEL.replace('"20s"', '"1s"'))
        self.chat.delay = 60.0
        self.start_with_a_call_in_flight()
        systemctl("stop", "memoird")
        self.assertEqual(unit("Result"), "success")
        self.assertEqual(support.jobs("state = 'pending' and attempts = 0 and claimed_by is null"), 1)

    def test_06_is_restarted_after_kill_9_and_takes_its_work_up_again(self):
        self.chat.delay = 60.0
        self.start_with_a_call_in_flight()
        before = main_pid()
        self.chat.delay = 0.0
        os.kill(before, signal.SIGKILL)
        wait_until("it runs again", lambda: unit("ActiveState") == "active" and main_pid() not in (0, before))
        self.assertEqual(unit("NRestarts"), "1")
        wait_until("the job is done", lambda: support.jobs("kind = 'extract'") == 0, 60)
        self.assertEqual(support.facts(), 1)
        self.assertTrue(support.events(self.since, "memoir.worker.lease_recovered"))

    def test_07_is_restarted_by_the_watchdog_when_it_hangs(self):
        drop_in("[Service]\nWatchdogSec=2s\n")
        systemctl("start", "memoird")
        before = main_pid()
        os.kill(before, signal.SIGSTOP)
        wait_until("it runs again", lambda: unit("ActiveState") == "active" and main_pid() not in (0, before), 90)
        self.assertEqual(unit("NRestarts"), "1")
        self.assertFalse([name for name in os.listdir("/var/lib/systemd/coredump")]
                         if os.path.isdir("/var/lib/systemd/coredump") else [])

    def test_08_fails_once_for_a_bad_configuration_and_says_what_to_do(self):
        support.configure(support.WITHOUT_MODEL.replace("drain_timeout", "drain_timeuot"))
        systemctl("start", "memoird", check=False)
        wait_until("the unit fails", lambda: unit("ActiveState") == "failed")
        self.assertEqual((unit("ExecMainStatus"), unit("NRestarts")), ("78", "0"))
        said = "\n".join(str(e.get("MESSAGE")) for e in support.entries(self.since, "-u", "memoird"))
        self.assertIn(f"{support.CONFIG}:8:1", said)
        self.assertIn("drain_timeout", said)
        self.assertIn("HINT", said)

    def test_09_goes_on_with_the_same_process_after_a_reload(self):
        systemctl("start", "memoird")
        before = main_pid()
        support.configure(support.WITHOUT_MODEL + '[log]\nlevel = "debug"\n')
        systemctl("reload", "memoird")
        wait_until("it has reloaded", lambda: support.events(self.since, "memoir.config.reloaded"))
        support.remember()
        wait_until("it logs what only debug shows", lambda: support.events(self.since, "memoir.worker.job_started"))
        self.assertEqual(main_pid(), before)

    def test_10_refuses_to_reload_a_bad_configuration_and_changes_nothing(self):
        systemctl("start", "memoird")
        before = main_pid()
        support.configure(support.WITHOUT_MODEL.replace("loops = 4", 'loops = "many"'))
        self.assertNotEqual(systemctl("reload", "memoird", check=False).returncode, 0)
        self.assertEqual((unit("ActiveState"), main_pid()), ("active", before))
        support.remember()
        wait_until("it works", lambda: support.facts() == 1)

    def test_11_runs_instances_beside_each_other_with_a_configuration_each(self):
        second = support.WITHOUT_MODEL.replace("/run/memoird/", "/run/memoird/second/")
        with open("/etc/memoird/second.toml", "w", encoding="utf-8") as file:
            file.write(second)
        run("systemd-tmpfiles", "--create", "memoird.conf")
        systemctl("start", "memoird", "memoird@second")
        support.remember(20)
        wait_until("the queue is empty", lambda: support.jobs("kind = 'extract'") == 0)
        self.assertEqual(support.facts(), 20)
        systemctl("stop", "memoird@second")
        os.remove("/etc/memoird/second.toml")

    def test_12_serves_metrics_on_its_socket_and_a_page_for_people(self):
        systemctl("start", "memoird")
        self.assertIn("memoird_", scrape())
        self.assertIn("200 OK", scrape("/readyz").splitlines()[0])
        self.assertIn("<html", scrape("/").lower())

    def test_13_survives_a_restart_of_the_database(self):
        systemctl("start", "memoird")
        before = main_pid()
        postgres("stop")
        postgres("start")
        support.remember(10)
        wait_until("the queue is empty", lambda: support.jobs("kind = 'extract'") == 0, 60)
        self.assertEqual((support.facts(), main_pid()), (10, before))

    def test_14_is_enabled_for_the_next_boot(self):
        self.assertEqual(systemctl("is-enabled", "memoird").stdout.strip(), "enabled")
        self.assertIn("multi-user.target", unit("WantedBy"))


if __name__ == "__main__":
    unittest.main()
