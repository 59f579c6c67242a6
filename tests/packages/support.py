"""What the package tests share: they run inside the booted container, as root, with nothing but Debian's python3."""

import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PACKAGES = "/root/packages"
FILES_BEFORE = "/root/files-before"
CONFIG = "/etc/memoird/memoird.toml"

# Short spans, so that what takes minutes in production takes seconds here. No model is loaded: the embed lane is absent.
WITHOUT_MODEL = """
[database]
url = "postgresql:///memoir"
statement_timeout = "2s"
[worker]
lease = "4s"
retry_base = "1s"
drain_timeout = "20s"
[lanes.llm]
kinds = ["extract", "relational_extract", "synthesize"]
loops = 4
[vector]
backend = "postgres"
[extraction]
provider = "ollama"
url = "http://127.0.0.1:11500"
model = "double"
[metrics]
listen = "unix:/run/memoird/metrics.sock"
"""
WITH_MODEL = WITHOUT_MODEL.replace("[lanes.llm]", '[lanes.embed]\nkinds = ["embed"]\n[lanes.llm]')


def run(*command, check=True, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def systemctl(*words, check=True):
    return run("systemctl", *words, check=check)


def unit(name, unit="memoird.service"):
    return systemctl("show", "--property", name, "--value", unit).stdout.strip()


def wait_until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}\n{tail()}")
        time.sleep(0.05)


def tail():
    return run("journalctl", "-u", "memoird", "-n", "25", "--no-pager", "-o", "short-monotonic", check=False).stdout


def now():
    """A moment, to read the journal from. Not a cursor: with a filter journalctl 252 skips the entry that follows one."""
    return f"--since=@{time.time():.6f}"


def entries(since, *matches):
    """Journal entries since a now() as dictionaries; matches as FIELD=value or -u UNIT."""
    run("journalctl", "--sync")
    done = run("journalctl", since, "-o", "json", "--no-pager", *matches)
    return [json.loads(line) for line in done.stdout.splitlines()]


def events(since, name):
    return entries(since, "MEMOIR_EVENT=" + name)


def sql(text, database="memoir"):
    # Not by runuser, which tells the journal of every session: one test lets that stand still.
    done = run("psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text, cwd="/", user="postgres")
    return done.stdout.strip()


def configure(text):
    """Writes the configuration as an operator would: the file's owner and mode stay."""
    with open(CONFIG, "w", encoding="utf-8") as file:
        file.write(text)


def clear():
    systemctl("stop", "memoird.service", "memoird@*.service", check=False)
    systemctl("reset-failed", check=False)
    if sql("select 1 from pg_database where datname = 'memoir'", "postgres"):
        if sql("select to_regclass('memoir.memory_jobs')"):
            sql("delete from memoir.memories")


def remember(count=1, kind="extract", prefix="m"):
    """Memories with a job of one kind each; their pids are prefix and number, filled to the 21 characters of a pid."""
    sql(f"""with stored as (insert into memoir.memories (pid, agent_id, org_id, user_id, content)
              select rpad('{prefix}' || n || '-', 21, 'x'), 'agent', 'org', 'user', 'The tea is served at ' || n
              from generate_series(1, {count}) n returning pid)
            insert into memoir.memory_jobs (source_pid, kind, payload) select pid, '{kind}', '{{"origin":"remember"}}' from stored""")


def jobs(where="true"):
    return int(sql(f"select count(*) from memoir.memory_jobs where {where}"))


def facts():
    return int(sql("select count(*) from memoir.memories where kind = 'semantic'"))


def files():
    """What stands on the machine, but for what the package system, the journal and the database keep of their own."""
    own = ("/proc", "/sys", "/run", "/tmp", "/root", "/dev", "/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log",
           "/var/lib/postgresql", "/var/tmp", "/var/lib/systemd")
    pruned = " -o ".join(f"-path {path}" for path in own)
    listed = run("sh", "-c", f"find / \\( {pruned} \\) -prune -o -print").stdout.splitlines()
    return {name for name in listed if not name.endswith("-") and "__pycache__" not in name}


def figure(name, value, wanted):
    print(f"figure: {name}: {value} (wanted: {wanted})", flush=True)


class ChatDouble:
    """A double of Ollama's /api/chat: one fact a call, after `delay` seconds. Counts the calls."""

    def __init__(self, port=11500):
        self.delay = 0.0
        self.calls = 0
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                canary = asked.get("options", {}).get("num_predict") == 1
                if not canary:
                    double.calls += 1
                    time.sleep(double.delay)
                reply = json.dumps({"facts": [{"content": "Tea is served.", "confidence": 0.9, "event_at": None}]})
                body = json.dumps({"model": "double", "message": {"role": "assistant", "content": reply}, "done": True,
                                   "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 5}).encode()
                try:
                    self.send_response(200)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # memoird hung up

            do_GET = do_POST

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
