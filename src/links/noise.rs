//! Texts from outside, read as tokens. Whatever they are: nothing panics, and nothing that we did not make is followed.
//!
//! In no build but that of the tests and of the fuzz targets (`fuzz/`).

use super::{LinkSecret, LinkSettings, Links, Purpose};
use crate::domain::Moment;

/// Reads a text as a token for every purpose.
///
/// # Panics
/// When it is taken for one of ours: that is the finding.
pub fn token(text: &str, now: Moment) {
    let secrets = vec![LinkSecret::generate([7; 32]), LinkSecret::generate([8; 32])];
    let links = Links::new(LinkSettings { secrets, ..LinkSettings::default() }, &[9; 32]);
    for purpose in [Purpose::Recover, Purpose::Unsubscribe, Purpose::Check] {
        assert!(links.read(text, purpose, now).is_err(), "{text:?}");
    }
}
