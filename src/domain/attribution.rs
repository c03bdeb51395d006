//! Whether an order owes anything to us.
//!
//! Recorded when the order is applied and never reconstructed later. Today: it followed an abandonment inside the
//! window, or it did not.

use std::time::Duration;

use super::cart::Abandonment;
use super::names::named;
use super::time::Moment;

named! {
    /// How a conversion came about.
    pub enum Attribution {
        /// No abandonment went before, or it was too long ago.
        Organic = "organic",
        /// Placed inside the attribution window of an abandonment.
        Recovered = "recovered",
    }
}

impl Attribution {
    /// Judges an order placed at `placed_at` by the cart's last abandonment.
    #[must_use]
    pub fn judge(last: Option<&Abandonment>, placed_at: Moment, window: Duration) -> Self {
        let inside = last.is_some_and(|a| a.abandoned_at <= placed_at && placed_at <= a.abandoned_at.plus(window));
        if inside { Self::Recovered } else { Self::Organic }
    }
}
