//! Why an exchange with Redis failed, by what is to be done about it.
//!
//! What was refused before anything was done may be asked again, here or elsewhere; what was sent and not answered may
//! have happened. Never here: repeats. Read next: `redis/connection.rs`.

use std::time::Duration;

use anyhow::anyhow;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::StoreError;

/// Why an exchange failed.
#[derive(Clone)]
pub enum Failure {
    /// The connection; a command that was sent may have happened.
    Lost {
        error: RedisError,
        was_sent: bool,
    },
    /// No answer in time; may have happened.
    TimedOut(Duration),
    UnknownScript,
    /// Not done: `host` has the slot, or is about to get it.
    Elsewhere {
        host: String,
        only_ask: bool,
    },
    /// Not done, and may be done a little later: some of its keys are on their way to another server.
    Moving(RedisError),
    /// Not done, and may be done a little later, here or by who takes over.
    NotNow(RedisError),
    /// Not done, and would not be if it was asked again.
    Refused(RedisError),
}

impl Failure {
    /// What an error means of a command that was sent.
    pub fn of(error: RedisError) -> Self {
        if let ErrorKind::Server(kind) = error.kind() {
            let host = error.redirect_node().map(|(host, _)| host.to_owned());
            let is = |kinds: &[ServerErrorKind]| kinds.contains(&kind);
            match host {
                Some(host) => return Self::Elsewhere { host, only_ask: kind == ServerErrorKind::Ask },
                None if kind == ServerErrorKind::NoScript => return Self::UnknownScript,
                None if kind == ServerErrorKind::TryAgain => return Self::Moving(error),
                None if is(&REFUSED_FOR_NOW) => return Self::NotNow(error),
                None => {}
            }
        }
        let is_refused_login = error.kind() == ErrorKind::AuthenticationFailed;
        if !is_refused_login && (error.is_io_error() || error.is_unrecoverable_error()) {
            Self::Lost { error, was_sent: true }
        } else {
            Self::Refused(error)
        }
    }

    /// The server was replaced before it answered.
    pub fn replaced(was_sent: bool) -> Self {
        Self::Lost { error: (ErrorKind::Io, "another server has taken over").into(), was_sent }
    }

    /// Of something that came before the command itself.
    #[must_use]
    pub fn before_sending(self) -> Self {
        if let Self::Lost { error, .. } = self { Self::Lost { error, was_sent: false } } else { self }
    }

    /// Whether what was asked is known not to have happened, and may be asked again.
    pub fn is_harmless(&self) -> bool {
        match self {
            Self::Lost { was_sent, .. } => !was_sent,
            Self::UnknownScript | Self::Elsewhere { .. } | Self::Moving(_) | Self::NotNow(_) => true,
            Self::TimedOut(_) | Self::Refused(_) => false,
        }
    }

    /// Whether another server may have to be asked from now on.
    pub fn shows_old_routes(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::TimedOut(_) | Self::NotNow(_) | Self::Elsewhere { only_ask: false, .. } => true,
            Self::UnknownScript | Self::Moving(_) | Self::Refused(_) | Self::Elsewhere { only_ask: true, .. } => false,
        }
    }

    /// Whether its connection leads nowhere from now on: without this it would take TCP minutes to notice one that
    /// swallows commands, and one to what has become a replica stays open.
    pub fn ends_connection(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::TimedOut(_) => true,
            Self::NotNow(error) => [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown]
                .iter()
                .any(|&kind| error.kind() == ErrorKind::Server(kind)),
            Self::UnknownScript | Self::Elsewhere { .. } | Self::Moving(_) | Self::Refused(_) => false,
        }
    }
}

/// By a server that may serve again soon, or whose place another takes.
const REFUSED_FOR_NOW: [ServerErrorKind; 4] = [
    ServerErrorKind::ClusterDown,
    ServerErrorKind::BusyLoading,
    ServerErrorKind::MasterDown,
    ServerErrorKind::ReadOnly,
];

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost { error, .. } | Failure::NotNow(error) | Failure::Moving(error) => {
                Self::Unavailable(error.into())
            }
            Failure::TimedOut(after) => Self::Unavailable(anyhow!("no answer within {} ms", after.as_millis())),
            Failure::UnknownScript => Self::Unavailable(anyhow!("scripts are flushed as fast as they are loaded")),
            Failure::Elsewhere { .. } => Self::Unavailable(anyhow!("sent from one server to the next")),
            Failure::Refused(error) => refused(error),
        }
    }
}

fn refused(error: RedisError) -> StoreError {
    match error.code() {
        Some("OOM") => StoreError::Full,
        Some("NOAUTH" | "WRONGPASS") => StoreError::Unusable(
            "Redis refuses the login; put the user and password into [store] url: redis://user:password@host:6379/0."
                .to_owned(),
        ),
        Some("NOPERM") => lacks_rights(),
        // Of a command within a script.
        _ if error.detail().is_some_and(|text| text.contains("user executing the script")) => lacks_rights(),
        _ if error.kind() == ErrorKind::AuthenticationFailed => {
            StoreError::Unusable("Redis refuses the login; check the user and password in [store] url.".to_owned())
        }
        _ if error.detail().is_some_and(|text| text.contains("cluster support disabled")) => StoreError::Unusable(
            "This Redis is not part of a cluster; write [store] url as redis://host:port.".to_owned(),
        ),
        _ if error.kind() == ErrorKind::InvalidClientConfig => {
            StoreError::Unusable(format!("[store] url or tls_ca_file is not as it should be: {error}."))
        }
        _ => StoreError::Unavailable(error.into()),
    }
}

fn lacks_rights() -> StoreError {
    StoreError::Unusable(
        "The Redis user may not do what cartwake needs; docs/redis.md has the line for its ACL.".to_owned(),
    )
}
