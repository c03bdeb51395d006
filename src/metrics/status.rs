//! Labels of HTTP statuses and of the store's failures. Never here: which statuses are given (`api/problem.rs`).

use crate::store::StoreError;

/// Status codes are a small closed set; anything odd is counted by its class.
#[expect(clippy::match_overlapping_arm, reason = "the codes that we give, then the classes of all others")]
pub(super) fn status_text(status: u16) -> &'static str {
    match status {
        200 => "200",
        201 => "201",
        204 => "204",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        500 => "500",
        503 => "503",
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// What kind of failure it is.
pub(super) const fn error_kind(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Full => "full",
        StoreError::Corrupt { .. } => "corrupt",
        StoreError::Unusable(_) => "unusable",
        StoreError::Newer { .. } => "newer",
    }
}
