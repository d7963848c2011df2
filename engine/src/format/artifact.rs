//! The head of an artifact's file: docs/FORMAT.md, section 10.
//!
//! An artifact is named by the BLAKE3 of its content, as `b3sum` prints it. Behind the head stands the content, as it is
//! or as one Zstandard frame.

use std::io::{self, BufReader, Read};

use super::bytes::{array, hash_at, put, u16_at, u32_at, u64_at};
use super::version::{self, READ_VERSION, WRITE_VERSION};
use crate::error::Fault;
use crate::hash::Hash;
use crate::{Class, limits};

/// Length of the head in bytes.
pub const ARTIFACT_HEAD_LEN: usize = 64;

/// What the name of an artifact begins with, in events, records and commands.
pub(crate) const NAME_PREFIX: &str = "blake3:";

/// The hash that a name says; nothing where it is none: `blake3:` and 64 lower-case hex digits.
pub(crate) fn hash_of(name: &str) -> Option<Hash> {
    Hash::from_hex(name.strip_prefix(NAME_PREFIX)?)
}

const MAGIC: [u8; 8] = *b"INDARTF\n";
const CRC_AT: usize = 60;

/// How an artifact's content is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain = 0,
    /// As one Zstandard frame.
    Zstd = 1,
}

/// What a file says of the artifact in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArtifactHead {
    /// The BLAKE3 of its content.
    pub hash: Hash,
    /// Length of its content in bytes.
    pub content_len: u64,
    /// How it is written.
    pub packing: Packing,
    /// CRC-32 of what stands behind the head.
    pub stored_crc: u32,
}

impl ArtifactHead {
    /// The head's bytes.
    pub fn encode(&self) -> [u8; ARTIFACT_HEAD_LEN] {
        let mut bytes = [0; ARTIFACT_HEAD_LEN];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, READ_VERSION.to_le_bytes());
        put(&mut bytes, 10, WRITE_VERSION.to_le_bytes());
        put(&mut bytes, 12, (self.packing as u32).to_le_bytes());
        put(&mut bytes, 16, self.content_len.to_le_bytes());
        put(&mut bytes, 24, self.hash.0);
        put(&mut bytes, 56, self.stored_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        put(&mut bytes, CRC_AT, crc.to_le_bytes());
        bytes
    }

    /// Reads a head.
    ///
    /// # Errors
    /// Damaged where the bytes are no whole, valid head; unsupported for a version of another release.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() < ARTIFACT_HEAD_LEN {
            return Err(Fault::damaged(0, "artifact head length", ARTIFACT_HEAD_LEN, bytes.len()));
        }
        if array(bytes, 0) != MAGIC {
            return Err(Fault::damaged(0, "artifact magic", "INDARTF", "other bytes"));
        }
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        if u32_at(bytes, CRC_AT) != crc {
            return Err(Fault::damaged(CRC_AT as u64, "artifact head checksum", crc, u32_at(bytes, CRC_AT)));
        }
        version::check(u16_at(bytes, 8), u16_at(bytes, 10), 8)?;
        let packing = match u32_at(bytes, 12) {
            0 => Packing::Plain,
            1 => Packing::Zstd,
            other => return Err(Fault::damaged(12, "artifact packing", "0 or 1", other)),
        };
        let content_len = u64_at(bytes, 16);
        if content_len > limits::ARTIFACT_LEN_MAX {
            let limit = format_args!("at most {}", limits::ARTIFACT_LEN_MAX);
            return Err(Fault::damaged(16, "artifact length", limit, content_len));
        }
        Ok(ArtifactHead { hash: hash_at(bytes, 24), content_len, packing, stored_crc: u32_at(bytes, 56) })
    }
}

/// Reads an artifact's content from its file's bytes. The end comes only after all was found right: length, checksum and
/// hash, and nothing behind. Whoever acts on what was read before the end acts on bytes that nobody vouches for.
pub struct ArtifactReader<R: Read> {
    head: ArtifactHead,
    /// Nothing once the end was found right.
    stored: Option<Stored<R>>,
    hasher: blake3::Hasher,
    read_len: u64,
}

enum Stored<R: Read> {
    Plain(Summed<R>),
    Zstd(zstd::Decoder<'static, BufReader<Summed<R>>>),
}

/// Takes the checksum of what is read through it.
struct Summed<R> {
    from: R,
    crc: crc32fast::Hasher,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.crc.update(&buffer[..count]);
        Ok(count)
    }
}

impl<R: Read> ArtifactReader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// Whatever `from` says; `InvalidData` with a [`Fault`] in it where this is no head.
    pub fn new(mut from: R) -> io::Result<Self> {
        let mut head = Vec::with_capacity(ARTIFACT_HEAD_LEN);
        from.by_ref().take(ARTIFACT_HEAD_LEN as u64).read_to_end(&mut head)?;
        let head = ArtifactHead::decode(&head).map_err(invalid)?;
        let summed = Summed { from, crc: crc32fast::Hasher::new() };
        let stored = match head.packing {
            Packing::Plain => Stored::Plain(summed),
            Packing::Zstd => Stored::Zstd(zstd::Decoder::with_buffer(BufReader::new(summed))?.single_frame()),
        };
        Ok(ArtifactReader { head, stored: Some(stored), hasher: blake3::Hasher::new(), read_len: 0 })
    }

    /// What the file says of itself.
    pub fn head(&self) -> &ArtifactHead {
        &self.head
    }

    /// At the end: whether it is the right one.
    fn finish(&mut self, stored: Stored<R>) -> Result<(), io::Error> {
        let head = &self.head;
        let mut rest = [0; 4096];
        let (mut summed, mut behind) = match stored {
            Stored::Plain(summed) => (summed, 0),
            Stored::Zstd(decoder) => {
                let buffered = decoder.finish();
                let left = buffered.buffer().len();
                (buffered.into_inner(), left)
            }
        };
        loop {
            match summed.read(&mut rest)? {
                0 => break,
                count => behind += count,
            }
        }
        let crc = summed.crc.finalize();
        let fault = if crc != head.stored_crc {
            Fault::damaged(56, "artifact checksum", head.stored_crc, crc)
        } else if behind > 0 {
            Fault::damaged(ARTIFACT_HEAD_LEN as u64, "artifact", "one frame", "bytes behind it")
        } else if self.read_len != head.content_len {
            Fault::damaged(16, "artifact length", head.content_len, self.read_len)
        } else {
            let hash = Hash(*self.hasher.finalize().as_bytes());
            if hash == head.hash {
                return Ok(());
            }
            Fault::new(Class::Forged, ARTIFACT_HEAD_LEN as u64, "artifact hash", head.hash, hash)
        };
        Err(invalid(fault))
    }
}

impl<R: Read> Read for ArtifactReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stored) = &mut self.stored else { return Ok(0) };
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = match stored {
            Stored::Plain(summed) => summed.read(buffer),
            Stored::Zstd(decoder) => decoder.read(buffer),
        };
        let count = match read {
            Err(error) if matches!(stored, Stored::Zstd(_)) && error.kind() != io::ErrorKind::Interrupted => {
                let fault = Fault::damaged(ARTIFACT_HEAD_LEN as u64, "artifact", "a Zstandard frame", error);
                return Err(invalid(fault));
            }
            read => read?,
        };
        self.read_len += count as u64;
        // A frame may say that it is short, and be long.
        let is_long = self.read_len > self.head.content_len;
        if count > 0 && !is_long {
            self.hasher.update(&buffer[..count]);
            return Ok(count);
        }
        if is_long {
            let fault = Fault::damaged(16, "artifact length", self.head.content_len, "more");
            return Err(invalid(fault));
        }
        if let Some(stored) = self.stored.take() {
            self.finish(stored)?;
        }
        Ok(0)
    }
}

/// A fault on its way through [`io::Error`].
fn invalid(fault: Fault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

/// The fault in an error of an [`ArtifactReader`], or the error itself.
pub fn fault_of(error: io::Error) -> Result<Fault, io::Error> {
    error.downcast::<Fault>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8], packing: Packing) -> Vec<u8> {
        let stored = match packing {
            Packing::Plain => content.to_vec(),
            Packing::Zstd => zstd::encode_all(content, 3).unwrap(),
        };
        let hash = Hash(*blake3::hash(content).as_bytes());
        let stored_crc = crc32fast::hash(&stored);
        let head = ArtifactHead { hash, content_len: content.len() as u64, packing, stored_crc };
        [&head.encode()[..], &stored].concat()
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut content = Vec::new();
        ArtifactReader::new(bytes)
            .and_then(|mut reader| reader.read_to_end(&mut content))
            .map_err(|error| fault_of(error).unwrap())?;
        Ok(content)
    }

    #[test]
    fn content_reads_back_and_every_changed_byte_is_found() {
        for content in [&b""[..], b"what the agent was told", &b"ab".repeat(9000)] {
            for packing in [Packing::Plain, Packing::Zstd] {
                let whole = file(content, packing);
                assert_eq!(read(&whole).unwrap(), content);
                for at in (0..whole.len()).step_by(whole.len().div_ceil(400)) {
                    for flip in [1, 0x80] {
                        let mut changed = whole.clone();
                        changed[at] ^= flip;
                        assert!(read(&changed).is_err(), "byte {at}");
                    }
                }
                for len in (0..whole.len()).step_by(whole.len().div_ceil(400)) {
                    assert!(read(&whole[..len]).is_err(), "{len} bytes");
                }
                assert!(read(&[&whole[..], b"x"].concat()).is_err());
            }
        }
    }

    #[test]
    fn content_of_another_hash_is_forged_and_a_lie_of_its_length_is_found() {
        let mut bytes = file(b"one", Packing::Plain);
        let mut head = ArtifactHead::decode(&bytes).unwrap();
        head.hash = Hash([1; 32]);
        bytes[..ARTIFACT_HEAD_LEN].copy_from_slice(&head.encode());
        assert_eq!(read(&bytes).unwrap_err().class, Class::Forged);
        // Sixteen megabytes of zeros that call themselves a kilobyte.
        let bomb = file(&vec![0; 1 << 24], Packing::Zstd);
        let head = ArtifactHead { content_len: 1024, ..ArtifactHead::decode(&bomb).unwrap() };
        let bomb = [&head.encode()[..], &bomb[ARTIFACT_HEAD_LEN..]].concat();
        assert_eq!(read(&bomb).unwrap_err().what, "artifact length");
    }

    fn head() -> ArtifactHead {
        ArtifactHead { hash: Hash([7; 32]), content_len: 12, packing: Packing::Zstd, stored_crc: 0x0102_0304 }
    }

    #[test]
    fn a_head_reads_back_and_no_other_bytes_pass_for_one() {
        let bytes = head().encode();
        assert_eq!(ArtifactHead::decode(&bytes).unwrap(), head());
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = bytes;
                changed[at] ^= flip;
                let class = ArtifactHead::decode(&changed).map_err(|fault| fault.class);
                assert_eq!(class, Err(Class::Damaged), "byte {at}");
            }
        }
        for len in 0..bytes.len() {
            assert!(ArtifactHead::decode(&bytes[..len]).is_err());
        }
    }
}
