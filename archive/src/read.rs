//! Reading an archive file back: every body, entry and leaf is hashed anew, and the root compared with the seal. Nothing
//! else is needed but the file; and of the file no more than a group of rows where a piece of the log is wanted.

use std::io::Write;
use std::path::{Path, PathBuf};

use indelible_engine::format::admin::{Admin, Seal};
use indelible_engine::format::entry::Entry;
use indelible_engine::format::frame::Body;
use indelible_engine::format::log_header::LogHeader;
use indelible_engine::hash::{Hash, LogTree, SegmentSalt};
use indelible_engine::merkle::Frontier;
use indelible_engine::{Class, Error, Fault, Result};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};

use crate::damaged;
use crate::rows::{Row, Rows};
use crate::schema::{About, METADATA_KEY, METADATA_LEN_MAX, SHAPE_KEY, VERSION};
use crate::shape::{Piece, Rebuild, Shape};

/// What a file was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it says of itself; the seal's root is that of its records.
    pub about: About,
    /// The leaf of its last record.
    pub last_leaf: Hash,
    /// The seal over the segment before, which is the first record of every segment but the log's first.
    pub before: Option<Seal>,
    /// How many of its records were deleted before it was written: of these it has what is left.
    pub deleted: u64,
    /// The seq of the record that says so last; 0 where none were.
    pub rewritten_by: u64,
}

/// An archive file whose footer was read.
pub(crate) struct ArchiveFile<R: ChunkReader> {
    reader: SerializedFileReader<R>,
    path: PathBuf,
    about: About,
    shape: Shape,
    /// The header of the log: its bytes, and what they say.
    header: (Vec<u8>, LogHeader),
}

/// Hashes all of a file again. `path` is where it is said to be.
///
/// # Errors
/// [`Error::Fault`]: damaged where it is no whole archive file, forged where its records are not those that its seal
/// states, unsupported for a later version.
pub fn check<R: ChunkReader + 'static>(file: R, path: &Path) -> Result<Checked> {
    ArchiveFile::open(file, path)?.walk(&mut std::io::sink())
}

/// Writes the log that a file was made of, byte for byte, hashing all of it again. Who writes it must not use it where this
/// fails.
///
/// # Errors
/// As [`check`]; [`Error::Io`].
pub fn rebuild<R: ChunkReader + 'static, W: Write>(file: R, path: &Path, out: &mut W) -> Result<Checked> {
    let file = ArchiveFile::open(file, path)?;
    out.write_all(&file.header.0).map_err(Error::io("write the log of", path))?;
    file.walk(out)
}

impl<R: ChunkReader + 'static> ArchiveFile<R> {
    /// Reads what a file says of itself.
    ///
    /// # Errors
    /// As [`check`].
    pub(crate) fn open(file: R, path: &Path) -> Result<Self> {
        let reader = SerializedFileReader::new(file).map_err(damaged(path))?;
        let about = about(metadata(&reader, METADATA_KEY, path)?, path)?;
        let shape: Shape = serde_json::from_str(metadata(&reader, SHAPE_KEY, path)?).map_err(|error| {
            Fault::damaged(0, "archived frames", "what Indelible writes", error).in_file(path)
        })?;
        let header = shape.header().map_err(|fault| fault.in_file(path))?;
        let of_log = &header.1;
        let stated = (of_log.store_id.to_string(), of_log.first_seq, of_log.predecessor.to_string());
        if stated != (about.store_id.clone(), about.seal.first_seq, about.predecessor.clone()) {
            let fault = Fault::forged(0, "archived log header", "one of this store and segment", "another");
            return Err(fault.in_file(path));
        }
        if shape.pieces.len() != reader.num_row_groups() {
            let (expected, found) = (shape.pieces.len(), reader.num_row_groups());
            return Err(Fault::damaged(0, "archive row groups", expected, found).in_file(path));
        }
        Ok(ArchiveFile { reader, path: path.to_owned(), about, shape, header })
    }

    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// The row group that stands for the piece of the log that begins at an offset.
    pub(crate) fn group_at(&self, at: u64) -> Option<usize> {
        self.shape.pieces.binary_search_by_key(&at, |piece| piece.at).ok()
    }

    /// Where in the file those columns of a row group lie that are hashed.
    pub(crate) fn hashed_range(&self, group: usize, columns: usize) -> Option<std::ops::Range<u64>> {
        let group = self.reader.metadata().row_groups().get(group)?;
        let ranges = group.columns().iter().take(columns).map(|column| column.byte_range());
        let range = ranges.map(|(start, len)| start..start.saturating_add(len));
        range.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end))
    }

    /// Writes the piece of the log that a row group stands for. What it says of the record before is taken for true; whoever
    /// wants to know hashes the piece.
    ///
    /// # Errors
    /// As [`rebuild`].
    pub(crate) fn rebuild_group(&self, group: usize, out: &mut impl Write) -> Result<()> {
        let in_file = |fault: Fault| fault.in_file(&self.path);
        let missing = || in_file(Fault::damaged(0, "archive row group", "one of the file", group));
        let piece = self.shape.pieces.get(group).ok_or_else(missing)?;
        let mut chain = Chain { last_leaf: piece.predecessor().map_err(in_file)?, next: piece.first_seq };
        self.group(group, piece, &mut chain, out, &mut |_, _| Ok(()))
    }

    /// Goes through all records, writes the log's frames, and compares what they come to with the seal.
    fn walk(self, out: &mut impl Write) -> Result<Checked> {
        let forged = |what, expected: &dyn ToString, found: &dyn ToString| {
            Fault::forged(0, what, expected.to_string(), found.to_string()).in_file(&self.path)
        };
        let seal = &self.about.seal;
        let mut chain = Chain { last_leaf: self.header.1.predecessor, next: seal.first_seq };
        let (mut frontier, mut before, mut deleted) = (Frontier::<LogTree>::new(), None, 0);
        for (index, piece) in self.shape.pieces.iter().enumerate() {
            if piece.predecessor != chain.last_leaf.to_string() || piece.first_seq != chain.next {
                return Err(forged("predecessor of a piece", &chain.last_leaf, &piece.predecessor));
            }
            self.group(index, piece, &mut chain, out, &mut |row, leaf| {
                deleted += u64::from(matches!(row.body, Body::Deleted(_)));
                frontier.push(leaf);
                if row.seq != seal.first_seq || row.seq == 0 {
                    return Ok(());
                }
                let record = row.as_record();
                before = match record.body.bytes().map(Admin::decode) {
                    Some(Ok(Admin::Sealed(seal))) if record.source == 0 => Some(seal),
                    _ => return Err(forged("first record", &"the seal of the segment before", &"another")),
                };
                Ok(())
            })?;
        }
        if chain.next != seal.end_seq {
            return Err(forged("archive end", &seal.end_seq, &chain.next));
        }
        let root = frontier.root().to_string();
        if root != seal.root {
            return Err(forged("segment root", &seal.root, &root));
        }
        let rewritten_by = self.header.1.rewritten_by;
        Ok(Checked { about: self.about, last_leaf: chain.last_leaf, before, deleted, rewritten_by })
    }

    /// Goes through the records of a row group, each shown with its leaf, and writes its frames.
    fn group(
        &self,
        index: usize,
        piece: &Piece,
        chain: &mut Chain,
        out: &mut impl Write,
        visit: &mut dyn FnMut(&Row<'_>, Hash) -> Result<()>,
    ) -> Result<()> {
        let (fail, io) = (damaged(&self.path), || Error::io("write the log of", &self.path));
        let rows = Rows::read(&*self.reader.get_row_group(index).map_err(&fail)?).map_err(&fail)?;
        let (mut log, mut scratch) = (Rebuild::new(piece, out), Vec::new());
        for row in 0..rows.count {
            let mut row = rows.record(row).map_err(&fail)?;
            if row.seq != chain.next {
                return Err(Fault::forged(0, "archive seq", chain.next, row.seq).in_file(&self.path));
            }
            row.body = self.as_in_log(&row)?;
            let record = row.as_record();
            log.push(row.seq, row.received_at, chain.last_leaf, &record).map_err(io())?;
            chain.last_leaf = Entry {
                encoding: record.encoding,
                source: record.source,
                seq: row.seq,
                received_at: row.received_at,
                body_len: record.body.event_len(),
                labels: record.labels,
                predecessor: chain.last_leaf,
                body_hash: record.body.hash(&self.header.1.salt, row.seq),
            }
            .leaf(&mut scratch);
            chain.next += 1;
            visit(&row, chain.last_leaf)?;
        }
        log.finish(chain.next, chain.last_leaf).map_err(io())?;
        Ok(())
    }

    /// A row's body as the log had it: a salt of its own stands there only where others were deleted.
    fn as_in_log<'a>(&self, row: &Row<'a>) -> Result<Body<'a>> {
        let LogHeader { rewritten_by, salt, .. } = &self.header.1;
        match row.body {
            Body::Salted(own, bytes) if *rewritten_by == 0 => {
                if SegmentSalt::record(salt, row.seq).0 == own.0 {
                    return Ok(Body::Whole(bytes));
                }
                let fault = Fault::forged(0, "salt", "the one by the log's header", "another");
                Err(fault.in_file(&self.path))
            }
            Body::Deleted(_) if *rewritten_by == 0 => {
                let fault = Fault::forged(0, "deleted record", "none by the log's header", "one");
                Err(fault.in_file(&self.path))
            }
            body => Ok(body),
        }
    }
}

/// Where a walk through records is.
struct Chain {
    last_leaf: Hash,
    next: u64,
}

fn about(text: &str, path: &Path) -> Result<About> {
    let bad =
        |found: String| Fault::damaged(0, "archive metadata", "what Indelible writes", found).in_file(path);
    let version =
        serde_json::from_str::<serde_json::Value>(text).ok().and_then(|json| json["version"].as_u64());
    if version.is_some_and(|version| version != u64::from(VERSION)) {
        let found = version.unwrap_or_default();
        let fault = Fault::new(
            Class::Unsupported,
            0,
            "archive version",
            VERSION,
            format_args!("{found}: use a newer release"),
        );
        return Err(fault.in_file(path));
    }
    serde_json::from_str(text).map_err(|error| bad(error.to_string()))
}

/// What the file's metadata has under a key.
fn metadata<'r, R: ChunkReader + 'static>(
    reader: &'r SerializedFileReader<R>,
    key: &str,
    path: &Path,
) -> Result<&'r str> {
    let pairs = reader.metadata().file_metadata().key_value_metadata().into_iter().flatten();
    let text = pairs.filter(|pair| pair.key == key).find_map(|pair| pair.value.as_deref());
    text.filter(|text| text.len() <= METADATA_LEN_MAX)
        .ok_or_else(|| Fault::damaged(0, "archive metadata", "what Indelible writes", "none").in_file(path))
}
