#!/usr/bin/env python3
"""Many reminders due at the same moment, to one fast receiver; beside a bare loop that signs and posts, in the same run.

Usage: burst.py [COUNT] [embedded] [redis] [whole] [peer=FOLDER]      (default 50000 on redis)

With `whole` each store runs a second time with the whole program on: quiet hours, caps, consent, an experiment.

A peer is a folder with an api.js (PUT /carts/ID, due at the `x-due-at` of the request, in ms) and a worker.js (POSTs what is
due to WEBHOOK_URL), both on the Redis at REDIS_PORT.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import lab

EXAMPLE = lab.ROOT / "target/release/examples/bench_webhooks"
DELAY_S = 20
TICKS = os.sysconf("SC_CLK_TCK")


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


def cpu_s(process):
    """Seconds of processor time that a process used so far."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def fill(url, header, count, occurred_at):
    subprocess.run([EXAMPLE, "fill", url, header, str(count), lab.rfc3339(occurred_at)], check=True)


def bare(count):
    receiver = FastReceiver()
    try:
        return float(subprocess.run([EXAMPLE, "post", receiver.url, str(count)], check=True, capture_output=True, text=True).stdout)
    finally:
        receiver.stop()


def measure(name, count, due, receiver, processes):
    """Waits for the moment and for all that comes of it; reminders a second."""
    time.sleep(max(0.0, due - time.time() - 0.2))
    before = [cpu_s(process) for _, process in processes]
    lab.wait_for("every reminder", lambda: time.sleep(0.1) or receiver.stats()["came"] >= count, 120)
    used = [(what, (cpu_s(process) - start) / count * 1e6) for (what, process), start in zip(processes, before)]
    stats = receiver.stats()
    late = {key: stats[f"{key}_ms"] / 1000 - due for key in ("first", "p50", "p99", "last")}
    rate = count / max(late["last"], 0.001)
    print(f"{name}: {count} due at once: {rate:.0f}/s; late p50 {late['p50']:.2f} s, p99 {late['p99']:.2f} s, last {late['last']:.2f} s; "
          f"CPU for each " + ", ".join(f"{what} {us:.0f} us" for what, us in used), flush=True)
    return rate, stats


def run(store, count, whole=False):
    idle_s = 10 + count // 2_500
    receiver = FastReceiver()
    service = lab.Service(store, receiver, lab.program(DELAY_S, idle_s, whole), "")
    try:
        base = int(time.time())
        fill(f"http://127.0.0.1:{service.port}/v1/carts/burst-{{n}}", f"authorization: Bearer {lab.SERVER_KEY}", count, base)
        due = base + idle_s + DELAY_S
        assert time.time() < due - 1, "filling took too long for the moment it was to be due"
        processes = [("cartwake", service.process), ("receiver", receiver.process)]
        if service.redis:
            processes.append(("redis", service.redis.process))
        rate, stats = measure(store, count, due, receiver, processes)
        print(f"{store}: {service.rss_mb():.0f} MB resident; {stats['came'] - stats['ids']} repeated")
        lab.check(f"{store}: every reminder came once", stats["ids"] == count and stats["came"] == count)
        return rate
    finally:
        service.stop()
        receiver.stop()


def run_peer(folder, count):
    receiver = FastReceiver()
    with contextlib.ExitStack() as stack:
        stack.callback(receiver.stop)
        redis = lab.Redis(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(redis.stop)
        port = lab.free_port()
        env = dict(os.environ, REDIS_PORT=str(redis.port), PORT=str(port), WEBHOOK_URL=receiver.url)

        def node(file):
            process = subprocess.Popen(["node", file], cwd=folder, env=env, stdout=subprocess.DEVNULL)
            stack.callback(lambda: (process.kill(), process.wait()))
            return process

        node("api.js")
        lab.wait_for("the peer", lambda: lab.is_open(port))
        worker = node("worker.js")
        due = int(time.time()) + 10 + count // 2_000
        fill(f"http://127.0.0.1:{port}/carts/burst-{{n}}", f"x-due-at: {due * 1000}", count, time.time())
        assert time.time() < due - 1, "filling took too long for the moment it was to be due"
        processes = [("worker", worker), ("receiver", receiver.process), ("redis", redis.process)]
        return measure("peer", count, due, receiver, processes)[0]


def main(words):
    count = int(next((word for word in words if word.isdigit()), 50_000))
    peer = next((word.removeprefix("peer=") for word in words if word.startswith("peer=")), None)
    yardstick = bare(count)
    print(f"bare loop that signs and posts: {yardstick:.0f}/s", flush=True)
    beside = run_peer(peer, count) if peer else None
    for store in [word for word in words if word in lab.STORES] or ["redis"]:
        rate = run(store, count)
        print(f"{store}: {rate / yardstick:.2f} of the bare loop" + (f", {rate / beside:.2f} of the peer" if beside else ""))
        if "whole" in words:
            print(f"{store}: with the whole program on {run(store, count, whole=True) / rate:.2f} of that")


if __name__ == "__main__":
    lab.ensure_binary()
    main(sys.argv[1:])
