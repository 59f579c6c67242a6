"""What reaches the journal: fields by their names, explanations, all of it, and never at the cost of the work."""

import os
import signal
import time
import unittest

import support
from support import run, sql, systemctl, unit, wait_until

EVENTS = 100_000


class Journal(unittest.TestCase):
    def setUp(self):
        support.clear()
        support.configure(support.WITHOUT_MODEL)
        self.since = support.now()

    def no_ops(self, count):
        """Graph kinds are completed at once where no graph is configured: the cheapest event there is."""
        sql("insert into memoir.memories (pid, agent_id, org_id, user_id, content)"
            " values (rpad('noop', 21, 'x'), 'agent', 'org', 'user', 'text')")
        sql("insert into memoir.memory_jobs (source_pid, kind) select rpad('noop', 21, 'x'), 'synthesize'"
            f" from generate_series(1, {count})")

    def count(self, event):
        done = run("sh", "-c", f"journalctl {self.since} MEMOIR_EVENT={event} -o cat --no-pager | wc -l")
        return int(done.stdout)

    def test_1_names_the_job_in_fields_that_one_can_filter_by(self):
        chat = support.ChatDouble()
        self.addCleanup(chat.close)
        systemctl("start", "memoird")
        support.remember()
        wait_until("the job is logged", lambda: support.events(self.since, "memoir.worker.job_succeeded"))
        entry = support.events(self.since, "memoir.worker.job_succeeded")[0]
        for field in ("MESSAGE", "PRIORITY", "MESSAGE_ID", "MEMOIR_EVENT", "MEMOIR_JOB_ID", "MEMOIR_KIND", "MEMOIR_SOURCE_PID",
                      "MEMOIR_WORKER", "MEMOIR_DURATION_MS"):
            self.assertIn(field, entry)
        self.assertEqual(entry["MEMOIR_KIND"], "extract")
        self.assertTrue(entry["MEMOIR_WORKER"])
        self.assertEqual(entry["_SYSTEMD_UNIT"], "memoird.service")
        self.assertEqual(entry["SYSLOG_IDENTIFIER"], "memoird")

    def test_2_explains_its_events(self):
        systemctl("start", "memoird")
        text = run("journalctl", self.since, "-x", "-u", "memoird", "--no-pager").stdout
        self.assertIn("Defined-By: memoird", text)
        self.assertIn("Subject: memoir.worker.started", text)

    def test_3_loses_none_of_100_000_events(self):
        # Claimed by eights, so that the events come as fast as they can.
        support.configure(support.WITHOUT_MODEL.replace("loops = 4", "loops = 4\nbatch = 8"))
        self.no_ops(EVENTS)
        began = time.monotonic()
        systemctl("start", "memoird")
        wait_until("the queue is empty", lambda: support.jobs() == 0, 240)
        drained = time.monotonic() - began
        wait_until("all events are in the journal", lambda: self.count("memoir.worker.job_succeeded") >= EVENTS, 120)
        support.figure("100,000 events", f"jobs done after {drained:.0f} s, all in the journal after "
                       f"{time.monotonic() - began:.0f} s", "30 s")
        self.assertEqual(self.count("memoir.worker.job_succeeded"), EVENTS)
        self.assertEqual(support.events(self.since, "memoir.log.dropped"), [])

    def test_4_works_on_while_journald_stands_still(self):
        systemctl("start", "memoird")
        journald = int(unit("MainPID", "systemd-journald.service"))
        os.kill(journald, signal.SIGSTOP)
        try:
            self.no_ops(20_000)
            # Not for ever: after three minutes systemd ends a journald that is silent.
            wait_until("the queue is empty while nobody reads the log", lambda: support.jobs() == 0, 150)
        finally:
            os.kill(journald, signal.SIGCONT)

        # What the ring could not hold was dropped, and the log says how much.
        def accounted():
            dropped = sum(int(entry.get("MEMOIR_DROPPED", 0)) for entry in support.events(self.since, "memoir.log.dropped"))
            return self.count("memoir.worker.job_succeeded") + dropped
        wait_until("every event is there or counted", lambda: accounted() >= 20_000, 60)


if __name__ == "__main__":
    unittest.main()
