"""The measurements of scripts/bench. Two servers share one Redis and take turns, so that the machine's mood cancels out."""

import json
import re
import statistics
import subprocess
import sys

import lab

SECONDS, CONNECTIONS, CARTS = 6, 64, 20_000


def write_bodies(path):
    """One cart a line; the mean size of one in bytes."""
    lines = [json.dumps(lab.cart(n), separators=(",", ":")) for n in range(CARTS)]
    path.write_text("\n".join(lines))
    return sum(map(len, lines)) / CARTS


def load(port, bodies):
    """Requests a second, p99 in ms, and answers that were not 2xx."""
    text = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", lab.ROOT / "scripts/proof/put.lua",
         f"http://127.0.0.1:{port}", "--", lab.SERVER_KEY, bodies], capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit], int(bad[1]) if bad else 0


def main(rounds):
    service = lab.Service("redis", None, "", "workers = 2")
    bodies = service.folder / "carts.ndjson"
    json_bytes = write_bodies(bodies)
    empty = int(service.redis.info("used_memory"))
    bare_port = lab.free_port()
    bare = subprocess.Popen([lab.ROOT / "target/release/examples/bare_prototype", service.redis.url, f"127.0.0.1:{bare_port}"])
    try:
        load(service.port, bodies)
        carts = sum(v for (name, _), v in service.metrics().items() if name == "cartwake_carts")
        per_cart = (int(service.redis.info("used_memory")) - empty) / carts
        load(bare_port, bodies)
        ratios, ours = [], []
        for n in range(rounds):
            mine, other = load(service.port, bodies), load(bare_port, bodies)
            ratios.append(mine[0] / other[0])
            ours.append(mine[0])
            print(f"round {n + 1}: cartwake {mine[0]:8.0f}/s p99 {mine[1]:5.1f} ms   bare {other[0]:8.0f}/s p99 {other[1]:5.1f} ms"
                  f"   ratio {ratios[-1]:.2f}   not 2xx: {mine[2]}")
        print(f"PUT /v1/carts/{{id}}, {CONNECTIONS} connections: {statistics.median(ours):.0f}/s, "
              f"{statistics.median(ratios):.2f} of the bare prototype (median of {rounds})")
        print(f"process: {service.rss_mb():.0f} MB resident after the load")
        print(f"Redis: {per_cart:.0f} bytes per tracked cart ({carts:.0f} carts, wake and identifier index included); "
              f"its JSON is {json_bytes:.0f} bytes: {per_cart / json_bytes:.2f}")
    finally:
        bare.kill()
        bare.wait()
        service.stop()


main(int(sys.argv[1]))
