#!/usr/bin/env python3
"""What the reports say: counted against the raw files of recorded shops, and timed over 100,000 carts of thirty days.

Usage: reports.py count DATA_DIR [embedded] [redis]   DATA_DIR holds ecom/ and snowplow/
       reports.py times [CARTS] [embedded] [redis]    prints times; they belong to this machine
"""

import csv
import http.client
import io
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import lab
import trade

SCRIPTS = lab.ROOT / "scripts"
REPORTS = ("funnel", "reasons", "recovery", "lift")


def replay(service, sessions):
    result = subprocess.run(
        [lab.BINARY, "replay", sessions, "--to", f"http://127.0.0.1:{service.port}", "--key", lab.SERVER_KEY,
         "--ops", f"http://127.0.0.1:{service.ops_port}", "--admin-key", lab.ADMIN_KEY], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(result.stdout[-1500:] + result.stderr[-1500:])


def settled(service):
    """Nothing is due any more: the reports hold still."""
    def is_still():
        return json.loads(service.ops("GET", "/v1/system")[1])["outbox"]["overdue_since"] is None
    lab.wait_for("what is due to be done", is_still, 120)


def read(service, name, query):
    status, text, _ = service.ops("GET", f"/v1/reports/{name}?{query}")
    assert status == 200, text
    return json.loads(text)


def near(found, exact, error):
    """A median from buckets beside the exact one; below a second, half a second."""
    if exact is None or found is None:
        return found is exact
    return abs(found - exact) <= max(error * exact, 0.5)


def spell(seconds):
    return "none" if seconds is None else f"{seconds:.1f} s"


def counted(data, source, store):
    sessions = pathlib.Path(tempfile.mkdtemp()) / f"{source}.ndjson"
    subprocess.run([sys.executable, SCRIPTS / "convert_sessions.py", source, data / source, sessions],
                   check=True, stdout=subprocess.DEVNULL)
    run = subprocess.run([sys.executable, SCRIPTS / "count_sessions.py", source, data / source],
                         check=True, capture_output=True, text=True)
    everything = json.loads(run.stdout)
    expected = everything["report"]
    service = lab.Service(store, None, "", 'clock = "events"')
    replay(service, sessions)
    settled(service)
    query = f"from={expected['first_day']}"
    funnel, reasons, recovery = (read(service, name, query) for name in REPORTS[:3])
    title = f"{source} on {store}: "
    error = funnel["median_error"]

    lab.check(f"{title}{funnel['carts']} carts, {funnel['bought']} bought, {expected['orders']} orders",
              (funnel["carts"], funnel["bought"], funnel["orders"]["first"] + funnel["orders"]["repeat"])
              == (expected["carts"], expected["bought"], expected["orders"]))
    parts = ("reached", "went_on", "abandoned", "open", "ended")
    for row, exact in zip(funnel["stages"], expected["stages"]):
        lab.check(f"{title}{row['stage']}: " + ", ".join(f"{part} {row[part]}" for part in parts),
                  all(row[part] == exact[part] for part in parts))
        lab.check(f"{title}{row['stage']}: it adds up; median {spell(row['median_seconds'])}, exactly {spell(exact['median_seconds'])}",
                  row["reached"] == sum(row[part] for part in parts[1:])
                  and near(row["median_seconds"], exact["median_seconds"], error))
    lab.check(f"{title}median to the order {spell(funnel['median_order_seconds'])}, exactly {spell(expected['median_order_seconds'])}",
              near(funnel["median_order_seconds"], expected["median_order_seconds"], error))
    days = {one.pop("day"): one for one in funnel["by_day"]}
    lab.check(f"{title}the funnel of each of {len(expected['by_day'])} days",
              {day: one for day, one in days.items() if one["carts"]} == expected["by_day"])
    found = {f"{one['day']} {reason['reason']}": reason["count"] for one in reasons["by_day"] for reason in one["inferred"]}
    wanted = expected["reasons_by_day"]
    lab.check(f"{title}the reasons of each day, {len(wanted)} counts, {sum(wanted.values())} abandonments",
              found == wanted and reasons["abandonments"] == sum(wanted.values()))
    tallies = everything["tallies"]
    bought = {row["attribution"]: row["carts"] for row in recovery["conversions"]}
    lab.check(f"{title}returned and organic: {bought}; {recovery['resumed']} resumed",
              all(bought.get(how, 0) == tallies.get(f"conversions/{how}", 0) for how in ("returned", "organic"))
              and recovery["resumed"] == expected["resumed"])
    sheets(service, title, query, funnel)
    service.stop()


def sheets(service, title, query, funnel):
    """A spreadsheet's view: the mark, the columns, the same sums, no cell that is a formula."""
    for name in REPORTS:
        link = http.client.HTTPConnection("127.0.0.1", service.ops_port, timeout=10)
        link.request("GET", f"/v1/reports/{name}?{query}",
                     headers={"authorization": f"Bearer {lab.ADMIN_KEY}", "accept": "text/csv"})
        answer = link.getresponse()
        text = answer.read()
        rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
        cells = [cell for row in rows for cell in row.values() if cell]
        holds = text.startswith(b"\xef\xbb\xbf") and not any(
            cell[0] in "=+@\t\r" or (cell[0] == "-" and not is_number(cell)) for cell in cells)
        if name == "funnel":
            carts = [row for row in rows if row["stage"] == "browse"]
            holds = holds and sum(int(row["reached"]) for row in carts) == funnel["carts"]
        lab.check(f"{title}{name}.csv, {len(rows)} rows", holds)


def is_number(text):
    try:
        return float(text) is not None
    except ValueError:
        return False


REQUESTS = {
    "put": lambda cart: ("PUT", f"/v1/carts/{cart}", "occurred_at"),
    "patch": lambda cart: ("PATCH", f"/v1/carts/{cart}", "occurred_at"),
    "signal": lambda cart: ("POST", f"/v1/carts/{cart}/signals", "at"),
    "order": lambda _: ("POST", "/v1/orders", "placed_at"),
}


def load(service, sessions):
    """Tells all of a session file, the operations of a cart in their order and many carts at once."""
    by_cart = {}
    for line in map(json.loads, open(sessions)):
        if line["op"] in REQUESTS:
            by_cart.setdefault(line["cart_id"], []).append(line)
    clients = [service.client() for _ in range(24)]

    def tell(worker, lines):
        for line in lines:
            method, path, when = REQUESTS[line["op"]](line["cart_id"])
            status, text, _ = clients[worker](method, path, {**line["body"], when: line["at"]})
            assert status in (200, 201), text

    lab.in_parallel(tell, by_cart.values(), threads=len(clients))


def times(carts, store):
    sessions = pathlib.Path(tempfile.mkdtemp()) / "trade.ndjson"
    end = int(time.time()) // 86_400 * 86_400 - 3_600
    operations = trade.write(sessions, carts, 30, end, lean=True)
    service = lab.Service(store)
    began = time.monotonic()
    load(service, sessions)
    settled(service)
    print(f"      {store}: {operations} operations of {carts} carts in {time.monotonic() - began:.0f} s", flush=True)
    day = lambda at: time.strftime("%Y-%m-%d", time.gmtime(at))
    query = f"from={day(end - 29 * 86_400)}&to={day(end)}"
    lab.check(f"{store}: all {carts} carts are in the funnel", read(service, "funnel", query)["carts"] == carts)
    service.kill()
    service.start()
    link = http.client.HTTPConnection("127.0.0.1", service.ops_port, timeout=10)
    print(f"      {store}: the first report of a process that remembers no day: {timed(link, f'/v1/reports/funnel?{query}'):.1f} ms")
    for path, bound_ms in [*((f"/v1/reports/{name}?{query}", 50) for name in REPORTS), ("/dashboard", 300)]:
        took = [timed(link, path) for _ in range(50)]
        lab.check(f"{store}: {path.split('?')[0]} {statistics.median(took):.1f} ms, slowest of 50 {max(took):.1f} ms",
                  statistics.median(took) < bound_ms)
    whole = [sum(timed(link, path) for path in dashboard(query)) for _ in range(20)]
    lab.check(f"{store}: everything that the dashboard reads, one after another {statistics.median(whole):.1f} ms",
              statistics.median(whole) < 300)
    service.stop()


def dashboard(query):
    """What a browser asks for from the empty page to the last card."""
    page = ["/dashboard", *(f"/dashboard/{part}" for part in (
        "style.css", "parts.css", "icon.svg", "app.js", "client.js", "dom.js", "format.js", "chart.js", "words.js",
        "summary.js", "funnel.js", "reasons.js", "recovery.js", "lift.js", "carts.js", "deliveries.js", "system.js"))]
    live = ["/v1/system", "/v1/endpoints", "/v1/carts?state=abandoned&limit=12", "/v1/deliveries?status=dead&limit=12"]
    return [*page, *live, *(f"/v1/reports/{name}?{query}" for name in (*REPORTS, "funnel", "recovery"))]


def timed(link, path):
    began = time.perf_counter()
    status, text, _ = lab.request(link, "GET", path, None, lab.ADMIN_KEY)
    assert status == 200, f"{path}: {text}"
    return (time.perf_counter() - began) * 1_000


def main():
    what, *rest = sys.argv[1:] or [""]
    stores = [one for one in rest if one in lab.STORES] or lab.STORES
    rest = [one for one in rest if one not in lab.STORES]
    lab.ensure_binary()
    if what == "count" and rest:
        for source in ("ecom", "snowplow"):
            for store in stores:
                counted(pathlib.Path(rest[0]), source, store)
    elif what == "times":
        for store in stores:
            times(int(rest[0]) if rest else 100_000, store)
    else:
        raise SystemExit(__doc__)


main()
