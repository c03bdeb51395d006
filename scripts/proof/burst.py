#!/usr/bin/env python3
"""Many reminders due at the same moment, to one fast receiver; beside a bare loop that signs and posts, in the same run.

Usage: burst.py [COUNT] [embedded] [redis]      (default 50000 on redis)
"""

import json
import subprocess
import sys
import time
import urllib.request

import lab

EXAMPLE = lab.ROOT / "target/release/examples/bench_webhooks"
DELAY_S = 20


def program(idle_s):
    return f"""
[shop.program]
quiet_hours = "off"
caps = []
service.reasons = []
experiment.holdout_percent = 0
steps = [{{ name = "first", delay = "{DELAY_S}s", channel = "email" }}]
[shop.program.idle]
shipping = "{idle_s}s"
"""


class FastReceiver:
    def __init__(self):
        self.port = lab.free_port()
        self.process = subprocess.Popen([EXAMPLE, "receive", f"127.0.0.1:{self.port}"])
        self.url = f"http://127.0.0.1:{self.port}/hook"
        lab.wait_for("the receiver", self.answers)

    def answers(self):
        try:
            self.stats()
            return True
        except OSError:
            return False

    def stats(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        self.process.kill()
        self.process.wait()


def bare(count):
    receiver = FastReceiver()
    try:
        return float(subprocess.run([EXAMPLE, "post", receiver.url, str(count)], check=True, capture_output=True, text=True).stdout)
    finally:
        receiver.stop()


def run(store, count):
    idle_s = 10 + count // 2_500
    receiver = FastReceiver()
    service = lab.Service(store, receiver, program(idle_s), "")
    try:
        base = int(time.time())
        subprocess.run([EXAMPLE, "fill", f"http://127.0.0.1:{service.port}", lab.SERVER_KEY, str(count), lab.rfc3339(base)],
                       check=True)
        filled = time.time() - base
        due = base + idle_s + DELAY_S
        assert time.time() < due - 1, f"filling took {filled:.0f} s, too long for the moment it was to be due"
        time.sleep(due - time.time())
        lab.wait_for("every reminder", lambda: receiver.stats()["came"] >= count, 120)
        stats = receiver.stats()
        late = {key: stats[f"{key}_ms"] / 1000 - due for key in ("first", "p50", "p99", "last")}
        rate = count / max(late["last"], 0.001)
        print(f"{store}: {count} due at once: {rate:.0f}/s; late p50 {late['p50']:.2f} s, p99 {late['p99']:.2f} s, "
              f"last {late['last']:.2f} s; {stats['came'] - stats['ids']} repeated; {service.rss_mb():.0f} MB resident")
        lab.check(f"{store}: every reminder came once", stats["ids"] == count and stats["came"] == count)
        return rate
    finally:
        service.stop()
        receiver.stop()


def main(words):
    count = int(next((word for word in words if word.isdigit()), 50_000))
    yardstick = bare(count)
    print(f"bare loop that signs and posts: {yardstick:.0f}/s")
    for store in [word for word in words if word in lab.STORES] or ["redis"]:
        print(f"{store}: {run(store, count) / yardstick:.2f} of the bare loop")


if __name__ == "__main__":
    lab.ensure_binary()
    main(sys.argv[1:])
