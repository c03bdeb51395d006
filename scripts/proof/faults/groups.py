"""Groups of Redis servers: a primary with its replica and three sentinels, a cluster of three masters and three replicas.

Either over TLS, with an authority of its own. Never here: what is broken in them (`runs_redis.py`, `runs_groups.py`).
"""

import subprocess

from stage import RedisServer, end, lab, start

DOWN_MS, NODE_TIMEOUT_MS = 1000, 1500
GUARDED = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")


class Tls:
    """An authority and a certificate of its for 127.0.0.1, in `folder`."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        for line in ("req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
                     "req -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=server -keyout server.key -out server.csr",
                     "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem"):
            subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True, timeout=20)
        self.authority = folder / "ca.pem"
        self.files = ("--tls-cert-file", folder / "server.pem", "--tls-key-file", folder / "server.key", "--tls-ca-cert-file",
                      self.authority, "--tls-auth-clients", "no")
        self.client = ("--tls", "--cacert", str(self.authority))

    def options(self):
        return (*self.files, "--tls-replication", "yes", "--tls-cluster", "yes")


class Group:
    """What both kinds have in common. `scheme` is the store URL's."""

    def __init__(self, stage, settings, tls):
        self.tls = Tls(stage.folder / "tls") if tls else None
        self.settings = (*RedisServer.DURABLE, *settings)
        self.folder = stage.folder
        stage.group = self
        if self.tls:
            stage.store_more = f'tls_ca_file = "{self.tls.authority}"'

    def server(self, name, *more):
        return RedisServer(self.folder / name, (*self.settings, *more), self.tls)

    def scheme(self, name):
        return name.replace("redis", "rediss") if self.tls else name

    def masters(self):
        """Those that say they are, of those that answer."""
        return [server for server in self.servers if server.process.poll() is None and not server.is_hung
                and "role:master" in server("INFO", "replication")]

    def tallies(self):
        return lab.redis_tallies([server.port for server in self.masters()], self.tls.client if self.tls else ())


class Sentinels(Group):
    """A primary, a replica of it, and three sentinels that know it as `cw`."""

    def __init__(self, stage, settings=(), tls=False, through=None):
        """`through`: makes the port under which the primary is known, from its own: a proxy."""
        super().__init__(stage, settings, tls)
        self.primary = self.server("primary")
        self.known_port = through(self.primary.port) if through else self.primary.port
        self.replica = self.server("replica", "--replicaof", "127.0.0.1", str(self.known_port))
        self.servers = [self.primary, self.replica]
        lab.wait_for("replication", lambda: "master_link_status:up" in self.replica("INFO", "replication"))
        self.sentinels = [self._sentinel(n) for n in range(3)]
        stage.hooks.append(lambda: [end(process) for process in (*(s.process for s in self.servers), *(p for _, p in self.sentinels))])
        lab.wait_for("the sentinels to find each other", lambda: all(
            "num-other-sentinels\n2" in self.ask(port) and "num-slaves\n1" in self.ask(port) for port, _ in self.sentinels), 40)
        stage.url = f"{self.scheme('redis-sentinel')}://" + ",".join(f"127.0.0.1:{port}" for port, _ in self.sentinels) + "/cw"

    def _sentinel(self, n):
        port, folder = lab.free_port(), self.folder / f"sentinel-{n}"
        folder.mkdir()
        listen = f"port {port}\n"
        if self.tls:
            words = list(map(str, self.tls.files))
            listen = f"port 0\ntls-port {port}\ntls-replication yes\n" + "".join(
                f"{key[2:]} {value}\n" for key, value in zip(words[0::2], words[1::2]))
        config = folder / "sentinel.conf"
        config.write_text(f"{listen}bind 127.0.0.1\ndir {folder}\nsentinel monitor cw 127.0.0.1 {self.known_port} 2\n"
                          f"sentinel down-after-milliseconds cw {DOWN_MS}\nsentinel failover-timeout cw 5000\n")
        return port, start(["redis-server", config, "--sentinel"], open(folder / "log", "ab"))

    def ask(self, port):
        tls = self.tls.client if self.tls else ()
        done = subprocess.run(["redis-cli", *tls, "-p", str(port), "SENTINEL", "master", "cw"], capture_output=True, text=True,
                              timeout=20, check=False)
        return done.stdout

    def is_over(self):
        """Whether the replica has taken over."""
        return self.replica in self.masters()

    def victim(self):
        return self.primary


class Cluster(Group):
    """Three masters, and a replica of each."""

    def __init__(self, stage, settings=(), tls=False, through=None):
        """`through`: makes the port that a node is announced under, from its own and its number: a proxy."""
        super().__init__(stage, settings, tls)
        self.servers = []
        for n in range(6):
            more = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)]
            node = self.server(f"node-{n}", *more)
            if through and (port := through(n, node.port)):
                node("CONFIG", "SET", "cluster-announce-port", port)
                node("CONFIG", "SET", "cluster-announce-bus-port", node.port + 10_000)
            self.servers.append(node)
        stage.hooks.append(lambda: [end(node.process) for node in self.servers])
        tls = self.tls.client if self.tls else ()
        subprocess.run(["redis-cli", *tls, "--cluster", "create", *(f"127.0.0.1:{node.port}" for node in self.servers),
                        "--cluster-replicas", "1", "--cluster-yes"], capture_output=True, text=True, timeout=60, check=True)
        lab.wait_for("the cluster", lambda: all(
            "cluster_state:ok" in node("CLUSTER", "INFO") and "cluster_known_nodes:6" in node("CLUSTER", "INFO")
            for node in self.servers), 40)
        lab.wait_for("its replicas", lambda: sum("master_link_status:up" in node("INFO", "replication") for node in self.servers) == 3, 40)
        stage.url = f"{self.scheme('redis-cluster')}://" + ",".join(f"127.0.0.1:{node.port}" for node in self.servers[3:])

    def victim(self):
        return self.servers[0]

    def is_over(self):
        """Whether three masters serve all slots without the victim."""
        others = [node for node in self.masters() if node is not self.victim()]
        return len(others) == 3 and "cluster_state:ok" in others[0]("CLUSTER", "INFO")

    def move_slots(self, count):
        """From the first master to the second."""
        tls = self.tls.client if self.tls else ()
        ids = [node("CLUSTER", "MYID") for node in self.servers[:2]]
        return subprocess.run(["redis-cli", *tls, "--cluster", "reshard", f"127.0.0.1:{self.servers[0].port}", "--cluster-from",
                               ids[0], "--cluster-to", ids[1], "--cluster-slots", str(count), "--cluster-yes"],
                              capture_output=True, text=True, timeout=120, check=False)
