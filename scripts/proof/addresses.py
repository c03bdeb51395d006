#!/usr/bin/env python3
"""Which addresses the service dials, end to end: names that change their mind, IPv6 forms, redirects, metadata addresses;
and what an answer without end costs.

Runs in a network of its own (root, Linux): a name server that answers by plan, a receiver on every address with a
certificate for every name, and nothing outside. What arrives at an address that may not be dialled fails the run.
Usage: addresses.py
"""

import ipaddress
import os
import pathlib
import shutil
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:2800:220:1::1"
OWN = [PUBLIC, PUBLIC_6, "169.254.169.254", "10.1.2.3", "fd00:ec2::254", "fc00::1", "100.64.0.1"]
# name: (answers to its first question, to every later one, outcome of the first send, of the second)
REFUSED = "address_refused"
NAMES = {
    "well": ([PUBLIC], None, "success", "success"),
    "well6": ([PUBLIC_6], None, "success", "success"),
    "rebind": ([PUBLIC], ["127.0.0.1"], "success", REFUSED),
    "rebind6": ([PUBLIC_6], ["::1"], "success", REFUSED),
    "rebind-metadata": ([PUBLIC], ["169.254.169.254"], "success", REFUSED),
    "mixed": ([PUBLIC, "127.0.0.1", "10.1.2.3"], None, "success", "success"),
    "loopback": (["127.0.0.1"], None, REFUSED, REFUSED),
    "nowhere": (["0.0.0.0"], None, REFUSED, REFUSED),
    "private": (["10.1.2.3"], None, REFUSED, REFUSED),
    "shared": (["100.64.0.1"], None, REFUSED, REFUSED),
    "metadata": (["169.254.169.254"], None, REFUSED, REFUSED),
    "metadata6": (["fd00:ec2::254"], None, REFUSED, REFUSED),
    "loopback6": (["::1"], None, REFUSED, REFUSED),
    "unspecified6": (["::"], None, REFUSED, REFUSED),
    "local6": (["fc00::1"], None, REFUSED, REFUSED),
    "mapped": (["::ffff:127.0.0.1"], None, REFUSED, REFUSED),
    "nat64": (["64:ff9b::7f00:1"], None, REFUSED, REFUSED),
    "sixtofour": (["2002:7f00:1::"], None, REFUSED, REFUSED),
    "redirect": ([PUBLIC], None, "redirected", "redirected"),
    "huge": ([PUBLIC], None, "success", "success"),
    "drip": ([PUBLIC], None, "success", "success"),
}
LITERALS = {"dotless": "https://2130706433/", "hex": "https://0x7f.1/", "octal": "https://0177.0.0.1/", "brackets": "https://[::1]/",
            "mapped-literal": "https://[::ffff:7f00:1]/", "metadata-literal": "https://169.254.169.254/latest/meta-data"}
HUGE_BYTES = 200_000_000
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def own_network():
    """Runs this script again where there is only a loopback, and it holds every address we need."""
    if os.environ.get("CARTWAKE_OWN_NETWORK") == "1":
        return
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        raise SystemExit("this proof needs root, unshare and ip: it makes a network of its own")
    os.environ["CARTWAKE_OWN_NETWORK"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])


def run(*words):
    subprocess.run(words, check=True, capture_output=True, timeout=20)


def prepare(folder):
    run("ip", "link", "set", "lo", "up")
    for address in OWN:
        prefix = 128 if ":" in address else 32
        run("ip", *(("-6",) if ":" in address else ()), "addr", "add", f"{address}/{prefix}", "dev", "lo",
            *(("nodad",) if ":" in address else ()))
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    (folder / "nsswitch.conf").write_text("hosts: dns\n")
    for name in ("resolv.conf", "nsswitch.conf"):
        pathlib.Path("/etc", name).touch()
        run("mount", "--bind", folder / name, f"/etc/{name}")
    (folder / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}.test" for name in NAMES) + "\n")
    for line in ("req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
                 "req -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=test -keyout test.key -out test.csr",
                 "x509 -req -in test.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out test.pem"):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True, timeout=20)
    os.environ["SSL_CERT_FILE"] = str(folder / "ca.pem")


class NameServer(socketserver.BaseRequestHandler):
    """Answers A and AAAA by the plan. A question is told apart by its name: both kinds of one look-up count once."""

    asked, lock = {}, threading.Lock()

    def handle(self):
        data, link = self.request
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        kind = struct.unpack(">H", data[at + 1:at + 3])[0]
        first, later, _, _ = NAMES.get(labels[0], ([], None, None, None))
        with self.lock:
            nth = self.asked[labels[0], kind] = self.asked.get((labels[0], kind), 0) + 1
        chosen = [ipaddress.ip_address(one) for one in (first if nth == 1 or later is None else later)]
        found = [one.packed for one in chosen if (one.version, kind) in ((4, 1), (6, 28))]
        answers = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(one)) + one for one in found)
        head = data[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
        link.sendto(head + data[12:at + 5] + answers, self.client_address)


class Trap:
    """Listens on every address, for TLS and without; remembers which address was reached, and by which name."""

    def __init__(self, folder):
        self.reached, self.lock = [], threading.Lock()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(folder / "test.pem", folder / "test.key")
        for port in (80, 443):
            listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
            threading.Thread(target=self._accept, args=(listener, port), daemon=True).start()

    def _accept(self, listener, port):
        while True:
            link, _ = listener.accept()
            threading.Thread(target=self._serve, args=(link, port), daemon=True).start()

    def _serve(self, link, port):
        address = str(ipaddress.ip_address(link.getsockname()[0]).ipv4_mapped or link.getsockname()[0])
        entry = [address, None]
        with self.lock:
            self.reached.append(entry)
        try:
            link.settimeout(20)
            link = self.tls.wrap_socket(link, server_side=True) if port == 443 else link
            pending = b""
            while b"\r\n\r\n" not in pending:
                pending += link.recv(65_536)
            entry[1] = name = pending.lower().split(b"host: ")[1].split(b".test")[0].decode()
            if name == "redirect":
                link.sendall(OK.replace(b"200 OK", b"302 Found\r\nlocation: http://169.254.169.254/latest/meta-data"))
            elif name == "huge":
                link.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {HUGE_BYTES}\r\n\r\n".encode())
                for _ in range(HUGE_BYTES // 1_000_000):
                    link.sendall(b"x" * 1_000_000)
            elif name == "drip":
                link.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                for _ in range(100):
                    link.sendall(b"x")
                    time.sleep(0.2)
            else:
                link.sendall(OK)
        except OSError:
            pass
        finally:
            link.close()

    def count(self, name):
        with self.lock:
            return sum(entry[1] == name for entry in self.reached)


def endpoint(lab, name, url):
    return f"""
[[shop.endpoint]]
name = "{name}"
url = "{url}"
secrets = ["{lab.SECRET}"]
"""


def refused(lab, folder):
    """How many of the literal addresses the check of a configuration names."""
    config = folder / "literals.toml"
    config.write_text('[[shop]]\nid = "proof"\n' + "".join(endpoint(lab, name, url) for name, url in LITERALS.items()))
    done = subprocess.run([lab.BINARY, "check-config", config], capture_output=True, text=True, timeout=20, check=False)
    return (done.stdout + done.stderr).count("which is not a public address")


def cost_of(lab, service, trap, name):
    """How much memory one such answer takes, and how many requests it came to."""
    before, peak, over = service.rss_mb(), [], threading.Event()

    def look():
        while not over.wait(0.01):
            peak.append(service.rss_mb())

    watcher = threading.Thread(target=look)
    watcher.start()
    came, began = trap.count(name), time.monotonic()
    outcome = send(service, name)
    took = time.monotonic() - began
    time.sleep(1)
    over.set()
    watcher.join()
    grown, requests = max(peak) - before, trap.count(name) - came
    print(f"{name:<17} {outcome}, {took:.1f} s, {requests} request, at most {grown * 1000:.0f} kB more memory")
    return outcome == "success" and requests == 1 and grown < 1 and took < 2


def send(service, name):
    import json
    status, text, _ = service.ops("POST", f"/v1/endpoints/proof/{name}/test")
    return json.loads(text)["outcome"] if status == 200 else f"{status}: {text[:100]}"


def main():
    own_network()
    import lab
    lab.ensure_binary()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cartwake-addresses-"))
    prepare(folder)
    names = socketserver.ThreadingUDPServer(("127.0.0.1", 53), NameServer)
    threading.Thread(target=names.serve_forever, daemon=True).start()
    trap = Trap(folder)
    lab.check(f"{len(LITERALS)} addresses that are written into the URL refuse the start, each", refused(lab, folder) == len(LITERALS))
    urls = {name: f"https://{name}.test/hook" for name in NAMES}
    service, wrong = lab.Service("embedded", more="".join(endpoint(lab, name, url) for name, url in urls.items())), []
    try:
        for name in urls:
            wanted = NAMES[name][2:]
            if name in ("huge", "drip"):
                continue
            outcomes = (send(service, name), send(service, name))
            print(f"{name:<17} {', '.join(outcomes)}")
            wrong += [f"{name}: {outcomes}, not {wanted}"] if outcomes != wanted else []
        for name in ("huge", "drip"):
            send(service, name)  # what the allocator takes once is no cost of an answer
            time.sleep(1)
            wrong += [] if cost_of(lab, service, trap, name) else [f"{name} costs too much"]
        stray = [tuple(entry) for entry in trap.reached if entry[0] not in (PUBLIC, PUBLIC_6)]
        print(f"{len(trap.reached)} connections came to {PUBLIC} or {PUBLIC_6}; {len(stray)} to any other address")
        lab.check(f"nothing was dialled that may not be: {stray[:5]}", not stray)
        lab.check(f"every send came to what it should: {wrong or 'each'}", not wrong)
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
