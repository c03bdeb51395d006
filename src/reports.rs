//! Reports: the numbers of a period, added up from stored tallies.
//!
//! - Exact at any size: a tally is written in the same commit as what it counts, and a report reads one small row for
//!   each count and day, never a cart. What is estimated (a median) says how well.
//! - Pure: tallies in, numbers out. A count that this version does not know is passed over.
//!
//! Each report is in a file of its own: `funnel`, `reasons`, `recovery`, `lift`. `docs/reports.md` says what each
//! number means and what it does not. Read next: `reports/tallied.rs`, then `reports/funnel.rs`.

pub mod funnel;
pub mod lift;
pub mod reasons;
pub mod recovery;
mod sheet;
mod tallied;

pub use self::sheet::Sheet;
pub use self::tallied::{Period, Tallied};
