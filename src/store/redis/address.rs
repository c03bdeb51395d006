//! What `[store] url` says of a Redis: of which kind it is, where it is, and how to log in.
//!
//! `redis://`, `redis-cluster://` and `redis-sentinel://`; the same with `rediss` for TLS. Never here: connections. Read
//! next: `redis/routes.rs`.

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisResult, TlsCertificates,
    io::tcp::TcpSettings,
};
use url::Url;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// A name or an address; an IPv6 address without its brackets.
    pub name: String,
    pub port: u16,
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// How the servers of a store belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Single,
    Cluster,
    /// The name of the primary, as the sentinels know it.
    Sentinel(String),
}

/// User and password; either may be missing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    user: Option<String>,
    password: Option<String>,
}

/// Where a Redis store is.
#[derive(Clone)]
pub struct Address {
    pub kind: Kind,
    /// The servers to ask first: the one, some of a cluster, or the sentinels.
    pub hosts: Vec<Host>,
    is_tls: bool,
    login: Login,
    sentinel_login: Login,
    database: u16,
}

impl Address {
    /// Reads a url.
    ///
    /// # Errors
    /// A sentence that says what is allowed; it never repeats the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (is_tls, kind) = match scheme {
            "redis" => (false, Kind::Single),
            "rediss" => (true, Kind::Single),
            "redis-cluster" => (false, Kind::Cluster),
            "rediss-cluster" => (true, Kind::Cluster),
            "redis-sentinel" => (false, Kind::Sentinel(String::new())),
            "rediss-sentinel" => (true, Kind::Sentinel(String::new())),
            _ => return Err("must begin with redis://, redis-cluster:// or redis-sentinel://".to_owned()),
        };
        read(rest, is_tls, &kind).ok_or_else(|| form(scheme, &kind))
    }

    /// A client of a server that keeps carts.
    ///
    /// # Errors
    /// When the certificates are none.
    pub fn client(&self, host: &Host, tls_ca: Option<&[u8]>) -> RedisResult<Client> {
        self.client_as(host, tls_ca, &self.login, self.database)
    }

    /// A client of a sentinel.
    ///
    /// # Errors
    /// When the certificates are none.
    pub fn sentinel_client(&self, host: &Host, tls_ca: Option<&[u8]>) -> RedisResult<Client> {
        self.client_as(host, tls_ca, &self.sentinel_login, 0)
    }

    fn client_as(&self, host: &Host, tls_ca: Option<&[u8]>, login: &Login, database: u16) -> RedisResult<Client> {
        let mut settings = RedisConnectionInfo::default().set_db(i64::from(database));
        if let Some(user) = &login.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &login.password {
            settings = settings.set_password(password);
        }
        let mut info: ConnectionInfo = (host.name.clone(), host.port).into_connection_info()?;
        // Without Nagle's algorithm: a command that waits for the acknowledgement of the one before it waits 40 ms.
        info = info.set_redis_settings(settings).set_tcp_settings(TcpSettings::default().set_nodelay(true));
        if !self.is_tls {
            return Client::open(info);
        }
        let info = info.set_addr(ConnectionAddr::TcpTls {
            host: host.name.clone(),
            port: host.port,
            insecure: false,
            tls_params: None,
        });
        match tls_ca {
            Some(pem) => {
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem.to_vec()) };
                Client::build_with_tls(info, certificates)
            }
            None => Client::open(info),
        }
    }
}

fn form(scheme: &str, kind: &Kind) -> String {
    let shape = match kind {
        Kind::Single => "[user:password@]host[:port][/database]",
        Kind::Cluster => "[user:password@]host1[:port],host2[:port]",
        Kind::Sentinel(_) => "[user:password@]host1[:port],host2[:port]/NAME[/database][?sentinel_password=...]",
    };
    format!("must be {scheme}://{shape}; in a password, characters other than letters and digits are percent-encoded")
}

fn read(rest: &str, is_tls: bool, kind: &Kind) -> Option<Address> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let login = read_login(login)?;
    let default_port = if matches!(kind, Kind::Sentinel(_)) { SENTINEL_PORT } else { REDIS_PORT };
    let hosts: Vec<Host> = hosts.split(',').map(|host| read_host(host, default_port)).collect::<Option<_>>()?;
    let (kind, database) = match kind {
        Kind::Single if hosts.len() == 1 => (Kind::Single, path),
        Kind::Cluster if path.is_empty() => (Kind::Cluster, path),
        Kind::Sentinel(_) => {
            let (name, database) = path.split_once('/').unwrap_or((path, ""));
            (Kind::Sentinel(Some(decoded(name)?).filter(|name| !name.is_empty())?), database)
        }
        Kind::Single | Kind::Cluster => return None,
    };
    let mut sentinel_login = Login::default();
    for (name, value) in
        query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=')).collect::<Option<Vec<_>>>()?
    {
        match (name, &kind) {
            ("sentinel_user", Kind::Sentinel(_)) => sentinel_login.user = Some(decoded(value)?),
            ("sentinel_password", Kind::Sentinel(_)) => sentinel_login.password = Some(decoded(value)?),
            _ => return None,
        }
    }
    let database = if database.is_empty() { 0 } else { database.parse().ok()? };
    Some(Address { kind, hosts, is_tls, login, sentinel_login, database })
}

/// By way of a url of one host: its rules for names, brackets and ports are the ones meant.
fn read_host(text: &str, default_port: u16) -> Option<Host> {
    let url = Url::parse(&format!("redis://{text}")).ok()?;
    let is_bare =
        url.path().is_empty() && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let name = url.host_str().filter(|name| is_bare && !name.is_empty())?;
    let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Host { name, port: url.port().unwrap_or(default_port) })
}

fn read_login(text: &str) -> Option<Login> {
    let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    let password = match password {
        Some(password) => Some(decoded(password)?),
        None => None,
    };
    Some(Login { user, password })
}

fn decoded(text: &str) -> Option<String> {
    if text.chars().any(|c| matches!(c, '#' | '/' | '@' | ' ') || c.is_control()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let [high, low] = [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
            bytes.push(u8::try_from(high? * 16 + low?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<String> {
        Address::parse(url).expect(url).hosts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_kind_of_address_is_read() {
        assert_eq!(hosts("redis://localhost"), ["localhost:6379"]);
        assert_eq!(hosts("rediss-cluster://app:p%40w@a:1,b:2,[::1]"), ["a:1", "b:2", "::1:6379"]);
        let sentinel = Address::parse("redis-sentinel://u:p@s1,s2:7/main/3?sentinel_password=x%25y").expect("valid");
        assert_eq!(sentinel.kind, Kind::Sentinel("main".to_owned()));
        assert_eq!(sentinel.hosts[0].port, SENTINEL_PORT);
        assert_eq!(sentinel.database, 3);
        assert_eq!(sentinel.login.password.as_deref(), Some("p"));
        assert_eq!(sentinel.sentinel_login.password.as_deref(), Some("x%y"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for bad in [
            "redis://",
            "redis://:s3cret@a,b",
            "redis-cluster://:s3cret@a,,b",
            "redis-cluster://:s3cret@a/1",
            "redis-sentinel://:s3cret@a",
            "redis-sentinel://a/main?password=s3cret",
            "redis://:s3cret%@a",
            "redis://h/#s3cret",
        ] {
            let sentence = Address::parse(bad).err().expect(bad);
            assert!(!sentence.contains("s3cret"), "{sentence}");
        }
    }
}
