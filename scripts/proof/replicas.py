#!/usr/bin/env python3
"""What idle processes ask of one Redis: commands a second for 1, 3 and 6 of them, with carts scheduled and several endpoints.

Usage: replicas.py [COUNT...]      (default 1 3 6)
"""

import re
import subprocess
import sys
import time

import lab

SECONDS, ENDPOINTS = 10, 5


def commands(redis):
    """How often each command was called so far, those inside of scripts too."""
    out = subprocess.run(["redis-cli", "-p", str(redis.port), "INFO", "commandstats"], check=True, capture_output=True, text=True).stdout
    return {name: int(calls) for name, calls in re.findall(r"cmdstat_(\S+?):calls=(\d+)", out)}


def run(count):
    endpoints = "".join(f"""
[[shop.endpoint]]
name = "e-{n}"
url = "http://127.0.0.1:1/"
secrets = ["{lab.SECRET}"]
events = ["cart.reminder"]
allow_networks = ["127.0.0.0/8"]
""" for n in range(ENDPOINTS))
    first = lab.Service("redis", None, endpoints)
    others = []
    try:
        client = first.client()
        for n in range(200):
            assert client("PUT", f"/v1/carts/c-{n}", lab.cart(n, time.time()))[0] == 201
        for _ in range(count - 1):
            config = first.config.read_text()
            for port in (first.port, first.ops_port):
                config = config.replace(str(port), str(lab.free_port()))
            path = first.folder / f"replica-{len(others)}.toml"
            path.write_text(config)
            others.append(subprocess.Popen([str(lab.BINARY), "serve", "--config", str(path)], stdout=first.log, stderr=first.log))
        time.sleep(4)
        before = commands(first.redis)
        time.sleep(SECONDS)
        after = commands(first.redis)
        rates = {name: (calls - before.get(name, 0)) / SECONDS for name, calls in after.items()}
        rates = {name: rate for name, rate in rates.items() if rate >= 0.5 and name != "info"}
        shown = ", ".join(f"{name} {rate:.1f}" for name, rate in sorted(rates.items(), key=lambda pair: -pair[1]))
        print(f"{count} processes, idle: {sum(rates.values()):.0f} commands a second ({shown})", flush=True)
        return sum(rates.values())
    finally:
        for other in others:
            other.terminate()
            other.wait(30)
        first.stop()


lab.ensure_binary()
counts = [int(word) for word in sys.argv[1:]] or [1, 3, 6]
rates = [run(count) for count in counts]
more = (rates[-1] - rates[0]) / max(1, counts[-1] - counts[0])
lab.check(f"one more process asks {more:.1f} more commands a second, of {rates[0]:.0f}", more <= 0.15 * rates[0])
