//! The container of a bundle: a ZIP archive in the one form that it can have.
//!
//! Its members are known by name and stand in a fixed order, stored, without dates, extra fields or comments. So the
//! archive is a function of its members: whoever reads one walks through the local headers alone, builds the archive
//! anew and compares it byte for byte. No name in it is ever used as a path, nothing is inflated, and no length in it is
//! believed before that many bytes were found to be there.
//!
//! This does not use a library: what a library writes into version and attribute fields is its own to change, and
//! these bytes are to stay the same.

use std::path::Path;

use crate::format::bytes::u32_at;
use crate::{Error, Fault, Result, limits};

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
/// Length of a local header before the name, in bytes.
const LOCAL_LEN: usize = 30;
/// The version that it takes to read a stored member: 1.0.
const VERSION: u16 = 10;
/// 1980-01-01, the first day that the format can say; there is no zero.
const DATE: u16 = 0x21;

/// The archive of these members, in this order.
///
/// # Errors
/// [`Error::OverLimit`] where it would be longer than [`limits::BUNDLE_LEN_MAX`].
pub fn pack(members: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let len = members.iter().map(|(name, bytes)| (LOCAL_LEN + 46 + 2 * name.len() + bytes.len()) as u64);
    check_len(len.sum::<u64>() + 22)?;
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let at = out.len() as u32;
        // What the two headers share: version, flags, method, time, date, checksum, both lengths, name's length, none extra.
        let mut shared = Vec::with_capacity(26);
        for value in [VERSION, 0, 0, 0, DATE] {
            shared.extend_from_slice(&value.to_le_bytes());
        }
        for value in [crc32fast::hash(bytes), bytes.len() as u32, bytes.len() as u32, name.len() as u32] {
            shared.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&LOCAL);
        out.extend_from_slice(&shared);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(bytes);
        central.extend_from_slice(&CENTRAL);
        central.extend_from_slice(&VERSION.to_le_bytes());
        central.extend_from_slice(&shared);
        // No comment, first disk, no attributes.
        central.extend_from_slice(&[0; 10]);
        central.extend_from_slice(&at.to_le_bytes());
        central.extend_from_slice(name.as_bytes());
    }
    let (at, count) = (out.len() as u32, members.len() as u16);
    out.extend_from_slice(&central);
    out.extend_from_slice(&END);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&(central.len() as u32).to_le_bytes());
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    Ok(out)
}

/// The members of an archive that [`pack`] made of members with just these names, in this order.
///
/// # Errors
/// [`Error::Fault`] where it is not the archive that [`pack`] would make; [`Error::OverLimit`].
pub fn unpack<'b>(bytes: &'b [u8], names: &[&str]) -> Result<Vec<&'b [u8]>> {
    check_len(bytes.len() as u64)?;
    let mut members = Vec::with_capacity(names.len());
    let mut at = 0;
    for name in names {
        let refuse = |found: &str| damaged(at, "member", format_args!("{name}, stored"), found);
        let header = bytes.get(at..).unwrap_or_default();
        if header.first_chunk() != Some(&LOCAL) {
            return Err(refuse("no header of a member"));
        }
        let start = LOCAL_LEN + name.len();
        if header.get(LOCAL_LEN..start) != Some(name.as_bytes()) {
            return Err(refuse("another name"));
        }
        let end = start.checked_add(u32_at(header, 18) as usize);
        let Some(member) = end.and_then(|end| header.get(start..end)) else {
            return Err(refuse("fewer bytes than it is said to have"));
        };
        // The comparison below finds it too, and cannot tell in which member.
        if u32_at(header, 14) != crc32fast::hash(member) {
            return Err(refuse("bytes that have another checksum than its header states"));
        }
        members.push(member);
        at += start + member.len();
    }
    let pairs: Vec<_> = names.iter().copied().zip(members.iter().copied()).collect();
    let anew = pack(&pairs)?;
    if anew != bytes {
        let differs = anew.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        return Err(damaged(differs, "archive", "what its members make", "other or more bytes"));
    }
    Ok(members)
}

fn check_len(found: u64) -> Result<()> {
    if found > limits::BUNDLE_LEN_MAX {
        return Err(Error::OverLimit { what: "bundle length", found, limit: limits::BUNDLE_LEN_MAX });
    }
    Ok(())
}

fn damaged(at: usize, what: &'static str, expected: impl std::fmt::Display, found: &str) -> Error {
    Fault::damaged(at as u64, what, expected, found).in_file(Path::new("bundle"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["README.txt", "empty", "records.bin"];

    fn archive() -> Vec<u8> {
        let members: [&[u8]; 3] = [b"read me\n", b"", b"\0\x01\x02"];
        pack(&NAMES.into_iter().zip(members).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn an_archive_gives_its_members_back() {
        assert_eq!(unpack(&archive(), &NAMES).unwrap(), [&b"read me\n"[..], b"", b"\0\x01\x02"]);
        assert_eq!(pack(&[]).unwrap().len(), 22);
    }

    #[test]
    fn its_bytes_stay_the_same() {
        assert_eq!(blake3::hash(&archive()).to_hex().as_str(), SEEN_BY_OTHERS);
    }

    /// The hash of the archive that `unzip` and Python's `zipfile` were seen to read.
    const SEEN_BY_OTHERS: &str = "813296dbb42792301477a7333a29861b2939ffb2853aff53408c4d38d0803697";

    #[test]
    fn every_other_archive_is_refused() {
        let archive = archive();
        for at in 0..archive.len() {
            for bit in 0..8 {
                let mut altered = archive.clone();
                altered[at] ^= 1 << bit;
                assert!(unpack(&altered, &NAMES).is_err(), "byte {at}, bit {bit}");
            }
            assert!(unpack(&archive[..at], &NAMES).is_err());
        }
        assert!(unpack(&[archive.as_slice(), b"\0"].concat(), &NAMES).is_err());
        assert!(unpack(&archive, &NAMES[..2]).is_err(), "a member that nobody asked for");
        assert!(unpack(&archive, &["README.txt", "records.bin", "empty"]).is_err(), "another order");
        assert!(unpack(&archive, &["README.txt", "empty", "records.bin", "more"]).is_err());
    }

    #[test]
    fn the_member_that_was_altered_is_named() {
        let mut altered = archive();
        let at = altered.windows(3).position(|bytes| bytes == b"\0\x01\x02").unwrap();
        altered[at] ^= 1;
        let told = unpack(&altered, &NAMES).unwrap_err().to_string();
        assert!(told.contains("records.bin, stored") && told.contains("another checksum"), "{told}");
    }

    #[test]
    fn a_deflated_member_is_never_inflated() {
        // A member that claims to be a gigabyte, packed: method 8, 32 KiB behind it.
        let mut bomb = archive();
        bomb[8] = 8;
        bomb[22..26].copy_from_slice(&(1_u32 << 30).to_le_bytes());
        bomb.resize(bomb.len() + (32 << 10), 0);
        assert!(unpack(&bomb, &NAMES).is_err());
        let mut long = archive();
        long[18..22].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(unpack(&long, &NAMES).is_err());
    }
}
