//! cartwake brings abandoned carts back.

pub mod domain;
