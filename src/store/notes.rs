//! What is asked about notes: on which hashes, and what is left there in the same step.

use crate::domain::{IdentifierHash, Moment, Note, ShopId};

/// A look at what some hashes are known for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    pub shop: &'a ShopId,
    pub hashes: Vec<IdentifierHash>,
    /// Left on each of them, until then, before it is looked: of two who leave and look, at least one sees the other.
    pub leave: Option<(Note, Moment)>,
}

impl<'a> Asked<'a> {
    /// A look that leaves nothing.
    #[must_use]
    pub const fn look(shop: &'a ShopId, hashes: Vec<IdentifierHash>) -> Self {
        Self { shop, hashes, leave: None }
    }
}
