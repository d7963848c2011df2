//! Reading a member of a bundle from its start to its end: nothing is taken that is not there, and every fault says
//! where.

use std::fmt::Display;
use std::path::Path;

use crate::format::bytes::{array, u16_at, u32_at, u64_at};
use crate::hash::Hash;
use crate::{Error, Fault, Result};

/// Where reading stands in a member.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'b> {
    member: &'static str,
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(member: &'static str, bytes: &'b [u8]) -> Self {
        Cursor { member, bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What is left to read.
    pub(super) fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn take(&mut self, what: &'static str, len: usize) -> Result<&'b [u8]> {
        let rest = self.rest();
        let Some(taken) = rest.get(..len) else {
            return Err(self.fault(what, format_args!("{len} bytes"), format_args!("{} bytes", rest.len())));
        };
        self.at += len;
        Ok(taken)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8> {
        Ok(array::<1>(self.take(what, 1)?, 0)[0])
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16> {
        Ok(u16_at(self.take(what, 2)?, 0))
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32> {
        Ok(u32_at(self.take(what, 4)?, 0))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64> {
        Ok(u64_at(self.take(what, 8)?, 0))
    }

    pub(super) fn hash(&mut self, what: &'static str) -> Result<Hash> {
        Ok(Hash(array(self.take(what, 32)?, 0)))
    }

    /// A number of up to 64 bits in LEB128: seven bits a byte, the lowest first, the high bit set in all but the last
    /// byte; in no more bytes than it takes.
    pub(super) fn varint(&mut self, what: &'static str) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                let is_padded = byte == 0 && shift > 0;
                return if is_padded { Err(self.fault(what, "no needless byte", "one")) } else { Ok(value) };
            }
        }
        Err(self.fault(what, "at most 64 bits", "more"))
    }

    /// What is wrong here.
    pub(super) fn fault(&self, what: &'static str, expected: impl Display, found: impl Display) -> Error {
        self.place(Fault::damaged(self.at as u64, what, expected, found))
    }

    /// A fault in this member.
    pub(super) fn place(&self, fault: Fault) -> Error {
        fault.in_file(Path::new(self.member))
    }
}

/// Appends a number as [`Cursor::varint`] reads it.
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_spelling() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, 1 << 28, 1 << 35, u64::MAX >> 1, u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let mut cursor = Cursor::new("m", &bytes);
            assert_eq!(cursor.varint("number").unwrap(), value);
            assert!(cursor.is_at_end());
        }
        let too_long = [&[0xFF; 9][..], &[2]].concat();
        for bad in [&[0x80, 0][..], &[0x81, 0x80, 0], &[0x80; 11], &too_long, &[0x80], &[]] {
            assert!(Cursor::new("m", bad).varint("number").is_err(), "{bad:?}");
        }
    }
}
