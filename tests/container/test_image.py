"""memoird as process 1 of a container, which scripts/test-container has laid out in MEMOIRD_IMAGE: read only, without
/proc, under a user that is in no file, with no supervisor but the signals and the probes that a runtime has."""

import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IMAGE = os.environ["MEMOIRD_IMAGE"]
SOURCE = os.environ["MEMOIRD_SOURCE"]
CONTAINER = os.path.join(SOURCE, "packaging/container")
USER = 54321


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Postgres:
    """A throwaway server on a port of loopback, which is the container's, too: it keeps the machine's network."""

    def __init__(self):
        given = os.environ.get("MEMOIRD_POSTGRES")
        self.bin = given or sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[-2]))[-1]
        self.folder = tempfile.mkdtemp(dir="/var/tmp")
        shutil.chown(self.folder, "postgres", "postgres")
        self.port = free_port()
        self.run("initdb", "-D", self.folder + "/data", "-U", "memoir", "-A", "trust", "-E", "UTF8", "--no-locale")

    def run(self, program, *words):
        subprocess.run(["runuser", "-u", "postgres", "--", os.path.join(self.bin, program), *words], cwd=self.folder,
                       check=True, stdout=subprocess.DEVNULL)

    def start(self):
        self.run("pg_ctl", "-D", self.folder + "/data", "-l", self.folder + "/log", "-w", "start", "-o",
                 f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories={self.folder} -c fsync=off")

    def stop(self):
        self.run("pg_ctl", "-D", self.folder + "/data", "-m", "immediate", "stop")

    def remove(self):
        shutil.rmtree(self.folder)

    def query(self, sql):
        done = subprocess.run([os.path.join(self.bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p",
                               str(self.port), "-U", "memoir", "postgres", "-c", sql],
                              capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @property
    def url(self):
        return f"postgresql://memoir@127.0.0.1:{self.port}/postgres"


class Embedder(ThreadingHTTPServer):
    """Ollama's API; a text that says "wait" is answered when `release` is set."""

    def __init__(self):
        server = self
        self.release = threading.Event()
        self.waiting = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
                if any("wait" in text for text in texts):
                    server.waiting.set()
                    server.release.wait(120)
                answer = json.dumps({"embeddings": [[1, 0, 0, 0]] * len(texts)}).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass  # the caller was told to stop

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Container:
    """Starts COMMAND as process 1 of namespaces of its own. Its root cannot be written, /dev has what every runtime gives,
    and /proc is an empty folder."""

    SETUP = """
        set -e
        mount --make-rprivate /
        mount --bind "$1" "$1"
        mount -t tmpfs -o mode=755 dev "$1/dev"
        for device in null zero random urandom; do : >"$1/dev/$device"; mount --bind /dev/$device "$1/dev/$device"; done
        mount -o remount,bind,ro "$1"
        root=$1; shift
        exec env -i "$@"
    """

    def __init__(self, command, environment):
        words = [f"{key}={value}" for key, value in environment.items()]
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "sh", "-c", self.SETUP, "sh", IMAGE,
             *words, shutil.which("chroot"), f"--userspec={USER}:0", "--groups=0", IMAGE, *command],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    @property
    def init(self):
        """Process 1, as the machine counts it."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        return int(found[0]) if found else None

    def runs_memoird(self):
        try:
            return self.init is not None and os.readlink(f"/proc/{self.init}/exe").endswith("/usr/bin/memoird")
        except OSError:
            return False

    def kill(self, number=signal.SIGTERM):
        os.kill(self.init, number)

    def wait(self, seconds=60):
        return self.process.wait(seconds)

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = Postgres()
        cls.database.start()
        cls.secret = os.path.join(IMAGE, "run/secrets/database-url")
        os.makedirs(os.path.dirname(cls.secret), exist_ok=True)
        with open(cls.secret, "w") as file:
            file.write(cls.database.url + "\n")
        os.chmod(cls.secret, 0o440)  # root and its group, which the container's user is in

    @classmethod
    def tearDownClass(cls):
        cls.database.stop()
        cls.database.remove()

    def setUp(self):
        self.embedder = Embedder()
        self.addCleanup(self.embedder.server_close)
        self.addCleanup(self.embedder.shutdown)
        self.addCleanup(self.embedder.release.set)
        self.port = free_port()
        done = self.container(["/usr/bin/memoirctl", "schema", "apply"])
        self.assertEqual(done.wait(), 0, done.text())
        self.database.query("truncate memoir.memories cascade")

    def container(self, command, **settings):
        environment = {
            "MEMOIRD_DATABASE_URL_FILE": "/run/secrets/database-url", "MEMOIRD_VECTOR_BACKEND": "postgres",
            "MEMOIRD_EMBEDDING_PROVIDER": "ollama", "MEMOIRD_EMBEDDING_URL": self.embedder.url,
            "MEMOIRD_EMBEDDING_MODEL": "double", "MEMOIRD_EMBEDDING_DIMENSION": "4", **self.image_environment(),
            "MEMOIRD_METRICS_LISTEN": f"0.0.0.0:{self.port}", "MEMOIRD_WORKER_POLL_INTERVAL": "100ms", **settings}
        container = Container(command, environment)
        self.addCleanup(container.remove)
        return container

    def memoird(self, **settings):
        return self.container(["/usr/bin/memoird"], **settings)

    @staticmethod
    def image_environment():
        """What the Containerfile sets."""
        with open(os.path.join(CONTAINER, "Containerfile")) as file:
            return dict(re.findall(r"(MEMOIRD_\w+)=(\S+)", file.read()))

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self):
        return self.get("/readyz")[0] == 200

    def remember(self, text):
        done = self.container(["/usr/bin/memoirctl", "remember", "--user", "u", text])
        self.assertEqual(done.wait(), 0, done.text())

    def jobs(self, condition="true"):
        return int(self.database.query(f"select count(*) from memoir.memory_jobs where {condition}"))

    def test_works_as_process_1_without_proc_on_a_root_that_cannot_be_written(self):
        memoird = self.memoird()
        wait_until("/readyz is 200", self.ready)
        root = f"/proc/{memoird.init}/root"
        self.assertEqual(os.listdir(root + "/proc"), [])
        with self.assertRaises(OSError):
            open(root + "/tmp/file", "w")
        with open(f"/proc/{memoird.init}/status") as file:
            status = file.read()
        self.assertRegex(status, r"NSpid:\t\d+\t1\n")
        self.assertIn(f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}\n", status)
        self.remember("good")
        wait_until("the job is done", lambda: self.jobs() == 0)
        self.assertEqual(self.database.query("select pid from memoir.memoird_hosts"), "1")
        # What is read from /proc is left out, and not told as 0.
        code, metrics = self.get("/metrics")
        self.assertEqual(code, 200)
        self.assertIn("process_cpu_seconds_total", metrics)
        self.assertNotIn("process_resident_memory_bytes", metrics)
        self.assertNotIn("process_start_time_seconds", metrics)
        self.assertEqual(self.get("/")[0], 200)
        memoird.kill()
        self.assertEqual(memoird.wait(), 0, memoird.text())

    def test_says_that_it_lives_while_it_waits_for_the_database_and_is_ready_after(self):
        self.database.stop()
        try:
            memoird = self.memoird()
            wait_until("/healthz is 200", lambda: self.get("/healthz")[0] == 200)
            self.assertEqual(self.get("/readyz")[0], 503)
        finally:
            self.database.start()
        wait_until("/readyz is 200", self.ready)
        memoird.kill()
        self.assertEqual(memoird.wait(), 0, memoird.text())

    def test_finishes_what_runs_at_a_TERM_and_ends_with_0(self):
        memoird = self.memoird()
        wait_until("/readyz is 200", self.ready)
        self.remember("wait")
        self.assertTrue(self.embedder.waiting.wait(60))
        memoird.kill()
        wait_until("/readyz is 503", lambda: self.get("/readyz")[0] == 503)
        self.assertEqual(self.jobs("state = 'claimed'"), 1)
        self.embedder.release.set()
        self.assertEqual(memoird.wait(), 0, memoird.text())
        self.assertEqual(self.jobs(), 0)
        self.assertEqual(self.database.query("select qdrant_status from memoir.memories"), "indexed")

    def test_hands_back_without_an_attempt_what_does_not_end_in_time(self):
        memoird = self.memoird(MEMOIRD_WORKER_DRAIN_TIMEOUT="1s")
        wait_until("/readyz is 200", self.ready)
        self.remember("wait")
        self.assertTrue(self.embedder.waiting.wait(60))
        memoird.kill()
        self.assertEqual(memoird.wait(), 0, memoird.text())
        self.assertEqual(self.jobs("state = 'pending' and attempts = 0 and claimed_by is null"), 1)

    def test_ends_at_a_TERM_that_comes_while_it_starts(self):
        # The kernel keeps from process 1 a signal that it does not handle yet.
        memoird = self.memoird()
        wait_until("memoird is process 1", memoird.runs_memoird)
        memoird.kill()
        self.assertEqual(memoird.wait(), 0, memoird.text())

    def test_ends_at_a_TERM_that_comes_while_it_waits_for_the_database(self):
        self.database.stop()
        try:
            memoird = self.memoird()
            wait_until("/healthz is 200", lambda: self.get("/healthz")[0] == 200)
            memoird.kill()
            self.assertEqual(memoird.wait(), 0, memoird.text())
        finally:
            self.database.start()

    def test_logs_JSON_lines_to_its_output(self):
        memoird = self.memoird()
        wait_until("/readyz is 200", self.ready)
        memoird.kill()
        self.assertEqual(memoird.wait(), 0)
        events = [json.loads(line)["event"] for line in memoird.text().splitlines()]
        self.assertEqual(events[-1], "memoir.worker.exited")

    def test_a_secret_that_cannot_be_read_ends_with_78_and_a_hint(self):
        os.chmod(self.secret, 0o400)
        try:
            memoird = self.memoird()
            self.assertEqual(memoird.wait(), 78)
            self.assertIn("HINT", memoird.text())
        finally:
            os.chmod(self.secret, 0o440)


class Manifests(unittest.TestCase):
    """What the files beside the Containerfile say, as far as it can be wrong without a cluster noticing."""

    DRAIN_TIMEOUT = 30

    @classmethod
    def setUpClass(cls):
        try:
            import yaml
        except ImportError:
            raise unittest.SkipTest("no python3-yaml here")
        cls.yaml = yaml

    def load(self, name):
        with open(os.path.join(CONTAINER, name)) as file:
            return self.yaml.safe_load(file)

    def pods(self):
        return [self.load(f"kubernetes/{name}.yaml")["spec"]["template"]["spec"] for name in ("deployment", "schema")]

    def test_the_drain_timeout_is_what_the_manifests_take_it_for(self):
        with open(os.path.join(SOURCE, "config/memoird.toml")) as file:
            self.assertIn(f'drain_timeout = "{self.DRAIN_TIMEOUT}s"', file.read())
        with open(os.path.join(CONTAINER, "kubernetes/memoird.toml")) as file:
            self.assertIn(f'drain_timeout = "{self.DRAIN_TIMEOUT}s"', file.read())

    def test_the_runtime_waits_longer_than_a_drain_takes(self):
        self.assertGreater(self.pods()[0]["terminationGracePeriodSeconds"], self.DRAIN_TIMEOUT + 5)
        grace = self.load("compose.yaml")["services"]["memoird"]["stop_grace_period"]
        self.assertGreater(int(grace.removesuffix("s")), self.DRAIN_TIMEOUT + 5)

    def test_nothing_runs_as_root_or_writes_its_root(self):
        for pod in self.pods():
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            for container in pod["containers"]:
                self.assertTrue(container["securityContext"]["readOnlyRootFilesystem"])
                self.assertFalse(container["securityContext"]["allowPrivilegeEscalation"])
        self.assertTrue(self.load("compose.yaml")["services"]["memoird"]["read_only"])

    def test_the_configuration_of_the_manifests_has_no_problems(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + "/database-url", "w") as file:
                file.write("postgresql://memoir@127.0.0.1/memoir\n")
            with open(os.path.join(CONTAINER, "kubernetes/memoird.toml")) as file:
                text = file.read().replace("/run/secrets/memoird", folder)
            # Also what is commented out: it is there to be switched on.
            text = re.sub(r"^#(\[|\w+ = )", r"\1", text, flags=re.M)
            with open(folder + "/extraction-key", "w") as file:
                file.write("key\n")
            with open(folder + "/memoird.toml", "w") as file:
                file.write(text)
            os.chmod(folder + "/database-url", 0o600)
            os.chmod(folder + "/extraction-key", 0o600)
            mounted = os.path.join(IMAGE, "run/config")
            shutil.copytree(folder, mounted)
            try:
                with open(mounted + "/memoird.toml", "w") as file:
                    file.write(text.replace(folder, "/run/config"))
                done = subprocess.run(["chroot", IMAGE, "/usr/bin/memoird", "--check-config", "-c",
                                       "/run/config/memoird.toml"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
            finally:
                shutil.rmtree(mounted)


if __name__ == "__main__":
    unittest.main()
