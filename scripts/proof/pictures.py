"""A simulated shop of sixty days, and pictures of its dashboard. Called by scripts/screenshots."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

import lab
import trade


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    lab.ensure_binary()
    sessions = pathlib.Path(tempfile.mkdtemp()) / "trade.ndjson"
    # A fixed evening, so that the pictures change only when the dashboard does.
    trade.write(sessions, 7_000, 60, int(time.mktime((2026, 11, 22, 18, 40, 0, 0, 0, 0))))
    receiver = lab.Receiver()
    service = lab.Service("embedded", receiver, "", 'clock = "events"')
    subprocess.run([lab.BINARY, "replay", sessions, "--to", f"http://127.0.0.1:{service.port}", "--key", lab.SERVER_KEY,
                    "--ops", f"http://127.0.0.1:{service.ops_port}", "--admin-key", lab.ADMIN_KEY],
                   check=True, stdout=subprocess.DEVNULL)
    lab.wait_for("what is due to be done", lambda: '"overdue_since":null' in service.ops("GET", "/v1/system")[1], 60)
    subprocess.run(["node", "screenshots.mjs", f"http://127.0.0.1:{service.ops_port}", folder.resolve()], check=True,
                   cwd=lab.ROOT / "tests" / "browser", env={**os.environ, "CARTWAKE_ADMIN_KEY": lab.ADMIN_KEY})
    service.stop()
    for picture in sorted(folder.glob("dashboard*.png")):
        print(f"{picture}: {picture.stat().st_size // 1024} KiB")


main()
