//! The promise to receivers: one signed POST for each attempt, the same id for every attempt of a delivery.
//!
//! - The body is `{"type", "timestamp", "data"}`, under 20 kB, signed and sent byte for byte (Standard Webhooks).
//! - Redirects are failures, one deadline bounds the whole attempt, the answer is read to 16 KiB and no further.
//! - Only vetted addresses are dialled, and they are vetted on the connection that is made.
//!
//! Never here: when to send, whether to send, what to do after. Read next: `webhook/sender.rs`.

#[cfg(any(test, fuzzing))]
pub mod noise;
pub mod payload;
mod sender;
mod signature;
mod target;

pub use sender::{Message, Sender, SenderError};
pub use signature::{Secret, SecretError, VerifyError, sign, verify};
pub use target::{AddressPolicy, AddressRefused, is_public};
