//! Codecs: how a payload is packed into a record. Codec numbers are never given twice.
//!
//! - 0: as it is.
//! - 1: zstd with `store/cart.dict`, without the dictionary's number and without a checksum, which the backends have.
//!
//! Dictionaries are prepared once for the process and contexts once for the thread, so that packing costs microseconds.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

use super::HEADER_BYTES;

const PLAIN: u8 = 0;
const ZSTD_1: u8 = 1;

/// No record we write comes near it; a forged length cannot make us reserve more.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;
/// Level 3 would save 20 of 500 bytes and cost 9 µs more for each write, measured on our own carts.
const LEVEL: i32 = 1;

/// Compressing less costs microseconds and saves next to nothing: a delivery of 145 bytes comes to 119, and either takes
/// the same 264 bytes of Redis.
const WORTH_IT_BYTES: usize = 256;

pub static DICTIONARY_1: &[u8] = include_bytes!("../cart.dict");
static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY_1, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY_1));

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(compressor());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> =
        RefCell::new(Decompressor::with_prepared_dictionary(&DECODER).ok());
}

fn compressor() -> Option<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&ENCODER).ok()?;
    compressor.set_parameter(CParameter::DictIdFlag(false)).ok()?;
    compressor.set_parameter(CParameter::ChecksumFlag(false)).ok()?;
    Some(compressor)
}

/// The payload as it is.
pub fn plain(format: u8, payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER_BYTES + payload.len());
    record.extend([format, PLAIN]);
    record.extend(payload);
    record
}

/// The payload compressed, or as it is where it is short or that is no longer.
pub fn pack(format: u8, payload: &[u8]) -> Vec<u8> {
    if payload.len() < WORTH_IT_BYTES {
        return plain(format, payload);
    }
    let compressed = COMPRESSOR.with_borrow_mut(|context| context.as_mut()?.compress(payload).ok());
    match compressed {
        Some(compressed) if compressed.len() < payload.len() => {
            let mut record = Vec::with_capacity(HEADER_BYTES + compressed.len());
            record.extend([format, ZSTD_1]);
            record.extend(compressed);
            record
        }
        _ => plain(format, payload),
    }
}

/// The payload of a record of this format; `None` when it is of another, or broken.
pub fn unpack(format: u8, record: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (header, packed) = record.split_at_checked(HEADER_BYTES)?;
    match *header {
        [version, PLAIN] if version == format => Some(Cow::Borrowed(packed)),
        [version, ZSTD_1] if version == format => decompress(packed).map(Cow::Owned),
        _ => None,
    }
}

fn decompress(packed: &[u8]) -> Option<Vec<u8>> {
    let length = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    let length = usize::try_from(length).ok().filter(|length| *length <= PAYLOAD_BYTES_MAX)?;
    DECOMPRESSOR.with_borrow_mut(|context| context.as_mut()?.decompress(packed, length).ok())
}
