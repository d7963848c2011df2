//! One segment's log, from its first byte to its last: frames, chain, hashes, events, and the index rebuilt.
//!
//! What concerns the segment alone is found here; how segments hang together is for `chain`. Nothing that another
//! file says is believed: the segment's leaves are summed up as a range of the tree, to be joined in order later.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::authority::Administered;
use super::deletions::Stubs;
use super::directories::{PlaceInRun, Tally};
use super::events::Blocks;
use super::finished::{Finished, Restated};
use super::frames::{FrameWalk, Step};
use super::leaves::Foretold;
use super::packed::Source;
use super::parts::Parts;
use super::pool::Pool;
use super::quick;
use super::range::{RangeMark, TreeRange};
use super::reindex::Reindex;
use super::report::{Finding, FindingClass, Findings, Looked, Remark};
use super::round::OwnRecord;
use super::scope::Reach;
use super::sidecar::{self, Facts};
use super::sources::{KnownSource, Lookup, Registry};
use super::{Depth, Watch};
use crate::disk::Disk;
use crate::error::Fault;
use crate::filter::Scratch;
use crate::format::admin::{Admin, Seal};
use crate::format::frame::{self, FRAME_HEADER_LEN, FrameHeader, FrameKind, FrameRecord, RECORD_HEADER_LEN};
use crate::format::head::Head;
use crate::format::log_header::{LOG_HEADER_LEN, LogHeader};
use crate::format::sidecar::FramePlace;
use crate::format::{WRITE_VERSION, Writable};
use crate::hash::{Hash, LogTree};
use crate::merkle::Frontier;
use crate::source::Fields;
use crate::{SegmentId, Seq, Timestamp, limits};

/// What there is to check in one segment.
pub(super) struct Task<'a> {
    pub(super) disk: &'a Arc<dyn Disk>,
    /// The store's directory.
    pub(super) root: &'a Path,
    pub(super) source: &'a Source,
    /// The file's name as reports show it.
    pub(super) file: String,
    pub(super) id: SegmentId,
    /// Its place among the log's segments.
    pub(super) place: usize,
    /// No later segment is there: frames may be torn, and room reserved, at its end.
    pub(super) active: bool,
    /// Where this segment's log stood, where that is known from elsewhere.
    pub(super) head: Option<&'a Head>,
    pub(super) has_sidecar: bool,
    /// Where a directory speaks of it.
    pub(super) in_directory: Option<PlaceInRun<'a>>,
    /// The names of its index parts.
    pub(super) part_names: &'a [String],
    /// The log of the segment after this one.
    pub(super) next: Option<&'a Source>,
    pub(super) depth: Depth,
    /// The store's own records are noted, to be remembered.
    pub(super) remember: bool,
    /// Sizes at which the tree's root will be asked for, ascending.
    pub(super) marks: &'a [u64],
    pub(super) registry: &'a Registry,
    pub(super) pool: &'a Pool,
    pub(super) watch: &'a Watch<'a>,
}

impl Task<'_> {
    /// The seq at which the next segment begins, or the one behind this segment's first where there is none.
    pub(super) fn next_seq(&self) -> Seq {
        self.next.map_or(self.id.0 + 1, Source::first_seq)
    }
}

/// What was found in one segment.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) reach: Reach,
    /// Of a segment that was checked earlier: when.
    pub(super) checked_at: Option<Timestamp>,
    pub(super) findings: Findings,
    pub(super) remarks: Vec<Remark>,
    pub(super) header: Option<LogHeader>,
    pub(super) log_len: u64,
    /// The seq after the last record that is there.
    pub(super) end_seq: Seq,
    pub(super) record_count: u64,
    pub(super) body_count: u64,
    /// Records whose bytes were not read.
    pub(super) unread_count: u64,
    /// The leaves as a part of the log's tree; none where a record is missing or bodies were not read.
    pub(super) range: Option<TreeRange>,
    pub(super) marks: Vec<RangeMark>,
    /// The RFC 6962 root of the own leaves.
    pub(super) root: Option<Hash>,
    pub(super) last_leaf: Option<Hash>,
    /// The seal that the first record is: of the segment before.
    pub(super) seal: Option<Seal>,
    /// Its records that say something of the log, where they are to be remembered.
    pub(super) own_records: Vec<OwnRecord>,
    /// The `store.created` record.
    pub(super) created: Option<Created>,
    /// What recovery says it kept: file below `lost/`, length, seq.
    pub(super) lost: Vec<(String, u64, Seq)>,
    /// The records that were deleted.
    pub(super) stubs: Stubs,
    /// The artifacts that were put, by the records that say so.
    pub(super) puts: Vec<(Hash, Seq)>,
    /// Records that ask for authority, or give it.
    pub(super) administered: Vec<Administered>,
    /// No record is missing, and none could not be read.
    pub(super) whole: bool,
    /// It is in the archive, and was not brought back.
    pub(super) left_out: bool,
    /// The end of the file is missing or bad, and that was told.
    pub(super) cut_short: bool,
    /// Bytes behind the last whole frame that are no frame and were never known durable.
    pub(super) torn_len: u64,
    /// The label rules that its first records name, before any of its own: `chain` knows which were in force.
    pub(super) rules_before: Option<Option<Seq>>,
    /// The label rules that its own records put in force last.
    pub(super) rules_after: Option<Option<Seq>>,
    /// What the seal over it should state of the index, and of the rules by which it was built.
    pub(super) index_root: Option<Hash>,
    pub(super) index_rules: Option<Hash>,
    pub(super) sidecar: Looked,
    /// What was found of it in the directory over it.
    pub(super) in_directory: Option<Tally>,
}

/// What seq 0 says.
pub(super) struct Created {
    pub(super) origin: String,
    pub(super) store_id: String,
    pub(super) log_key: Option<String>,
}

/// A sealed segment's derived data, rebuilt from its records.
pub(super) struct Rebuilt {
    pub(super) index: Finished,
    pub(super) restated: Restated,
    pub(super) leaves: Vec<Hash>,
    /// Where each record begins, counted from its frame's start.
    pub(super) places: Vec<u32>,
    pub(super) frames: Vec<FramePlace>,
}

/// Checks one segment.
pub(super) fn check(task: &Task<'_>) -> Outcome {
    let _reading = task.registry.reading(task.place);
    let _open = task.pool.open();
    let mut check = Check::new(task);
    if let Err(error) = check.run() {
        check.broken = true;
        if !task.watch.cancelled() {
            let next = check.expected;
            let finding = match error.downcast::<Fault>() {
                Ok(fault) => Finding::fault(&task.file, 0, fault),
                Err(error) => Finding::unreadable(&task.file, &error).at(check.at),
            };
            check.find(finding.seqs(next..next + 1));
        }
    }
    check.settle();
    check.end_parts();
    check.finish()
}

/// The seal that a log begins with, if it can be read.
pub(super) fn peek_seal(disk: &Arc<dyn Disk>, source: &Source) -> io::Result<Option<Seal>> {
    // A seal is a few hundred bytes of JSON, in a frame of its own.
    let bytes = source.first_bytes(disk, LOG_HEADER_LEN + (8 << 10))?;
    let payload = frame::decode(bytes.get(LOG_HEADER_LEN..).unwrap_or_default()).map(|(_, payload)| payload);
    let record = payload.ok().and_then(|payload| FrameRecord::decode(payload).ok());
    let seal = record.and_then(|record| Admin::decode(record.body.bytes()?).ok());
    Ok(match seal {
        Some(Admin::Sealed(seal)) => Some(seal),
        _ => None,
    })
}

pub(super) struct Check<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) out: Outcome,
    /// The seq that comes next.
    pub(super) expected: Seq,
    /// The offset of what is looked at.
    pub(super) at: u64,
    /// Records are missing or could not be hashed: what depends on all of them cannot be compared.
    pub(super) broken: bool,
    /// Something that is no frame was just passed and told.
    pub(super) after_bad: bool,
    pub(super) last_leaf: Option<Hash>,
    pub(super) synced_len: u64,
    /// The time of the frame that is looked at.
    pub(super) received_at: Timestamp,
    pub(super) range: TreeRange,
    pub(super) own: Frontier<LogTree>,
    /// Leaves that are in neither tree yet.
    pub(super) unsummed: Vec<Hash>,
    /// What the sidecar says of the leaves, where it keeps them.
    pub(super) foretold: Option<Foretold<'a>>,
    /// The index of a sealed segment, or of a part of the active one.
    pub(super) index: Option<Reindex>,
    pub(super) parts: Parts,
    pub(super) own_leaves: Vec<Hash>,
    pub(super) places: Vec<u32>,
    pub(super) frames: Vec<FramePlace>,
    pub(super) sources: HashMap<Seq, Lookup>,
    /// The source of the last record, while no record has it in hand: the next is mostly of the same.
    pub(super) last_source: Option<(Seq, Arc<KnownSource>)>,
    /// Sources that could not be told, and were told to be so.
    pub(super) missing: HashSet<Seq>,
    pub(super) fields: Fields,
    pub(super) blocks: Blocks,
    pub(super) scratch: Vec<u8>,
    /// By the seq of label rules.
    pub(super) label_scratch: HashMap<Seq, Scratch>,
    pub(super) hashes: Vec<Hash>,
    /// Why a quick look at the sidecar was not enough, where that is the sidecar's fault.
    pub(super) sidecar_fault: Option<io::Error>,
}

impl<'a> Check<'a> {
    pub(super) fn new(task: &'a Task<'a>) -> Self {
        let first = task.id.0;
        let full = task.depth == Depth::Full;
        Check {
            task,
            out: Outcome::default(),
            expected: first,
            at: 0,
            broken: false,
            after_bad: false,
            last_leaf: None,
            synced_len: 0,
            received_at: Timestamp(0),
            range: TreeRange::new(first),
            own: Frontier::new(),
            unsummed: Vec::new(),
            foretold: None,
            index: (full && !task.active).then(|| Reindex::new(first)),
            parts: Parts::default(),
            own_leaves: Vec::new(),
            places: Vec::new(),
            frames: Vec::new(),
            sources: HashMap::new(),
            last_source: None,
            missing: HashSet::new(),
            fields: Fields::default(),
            blocks: Blocks::default(),
            scratch: Vec::new(),
            label_scratch: HashMap::new(),
            hashes: Vec::new(),
            sidecar_fault: None,
        }
    }

    /// Begins an index of the records from `first_seq` on.
    pub(super) fn begin_index(&mut self, first_seq: Seq) {
        self.own_leaves.clear();
        self.places.clear();
        self.frames.clear();
        self.index = Some(Reindex::new(first_seq));
    }

    /// Reports a finding, after those of the records before it.
    pub(super) fn find(&mut self, finding: Finding) {
        self.settle();
        self.out.findings.push(finding);
    }

    pub(super) fn forged(
        &mut self,
        at: u64,
        seq: Seq,
        what: &str,
        expected: impl ToString,
        found: impl ToString,
    ) {
        let finding = Finding::forged(&self.task.file, what, expected.to_string(), found.to_string());
        self.find(finding.at(at).seqs(seq..seq + 1));
    }

    fn run(&mut self) -> io::Result<()> {
        if self.task.depth == Depth::Full {
            self.list_parts();
        }
        if let Some(kept) = self.task.source.left_out(self.task.disk)? {
            self.kept(&kept);
            return Ok(());
        }
        let file = self.task.source.open(self.task.disk)?;
        let mut head = vec![0; LOG_HEADER_LEN];
        let read = file.read_up_to(&mut head, 0)?;
        self.task.watch.read(read as u64);
        self.out.log_len = file.len()?;
        match LogHeader::decode(&head[..read]) {
            Ok((header, writable)) => {
                if let Writable::No { found } = writable {
                    let text = format!(
                        "write version {found}; this release writes {WRITE_VERSION} and can only read the file"
                    );
                    self.out.remarks.push(Remark::new(&self.task.file, text));
                }
                if header.first_seq != self.task.id.0 {
                    self.forged(16, self.task.id.0, "log first seq", self.task.id.0, header.first_seq);
                    self.broken = true;
                }
                self.last_leaf = Some(header.predecessor);
                self.out.header = Some(header);
            }
            Err(fault) => {
                let unsupported = fault.class == crate::Class::Unsupported;
                self.find(Finding::fault(&self.task.file, 0, fault));
                self.broken = true;
                if unsupported {
                    // Nothing else in the file means what it would mean in a version that is known.
                    return Ok(());
                }
            }
        }
        if self.task.depth == Depth::Quick && self.by_sidecar(&file)? {
            return self.end(self.out.log_len);
        }
        if self.task.depth == Depth::Full {
            self.foretold = Foretold::of(self.task);
        }
        let mut walk = FrameWalk::new(&file, LOG_HEADER_LEN as u64, self.task.watch)?;
        self.out.log_len = walk.file_len();
        self.frames(&mut walk)
    }

    fn frames(&mut self, walk: &mut FrameWalk<'_>) -> io::Result<()> {
        loop {
            match walk.next()? {
                Step::End => return self.end(walk.file_len()),
                Step::Frame { at, header, payload } => {
                    self.at = at;
                    self.frame(at, &header, payload);
                    self.task.registry.pass(self.task.place, self.expected, self.broken);
                }
                Step::Bad { at, fault } => {
                    self.at = at;
                    let survey = walk.survey(at, self.expected)?;
                    let durable = !self.task.active || survey.was_durable || self.durable_len() > at;
                    if survey.used_len == 0 && self.task.active && !durable {
                        return Ok(());
                    }
                    if durable && self.task.active && walk.reread(at) {
                        continue;
                    }
                    if survey.gave_up {
                        let finding = Finding::new(
                            FindingClass::Incomplete,
                            &self.task.file,
                            "search for frames",
                            "an end in reasonable time",
                            "bytes that look like the heads of very many frames",
                        );
                        self.find(finding.at(at));
                        self.broken = true;
                    }
                    if !durable {
                        self.out.torn_len = survey.used_len;
                        let text = format!(
                            "torn tail: {} bytes from byte {at} on are no whole frame and were never known durable; \
                             the next open for writing keeps them below lost/ and cuts them off",
                            survey.used_len
                        );
                        self.out.remarks.push(Remark::new(&self.task.file, text));
                        return Ok(());
                    }
                    self.broken = true;
                    self.after_bad = true;
                    self.last_leaf = None;
                    let finding =
                        Finding::fault(&self.task.file, at, fault).seqs(self.expected..self.expected + 1);
                    self.find(finding);
                    match survey.next_frame {
                        Some(next) => walk.skip_to(next),
                        None => {
                            self.out.cut_short = true;
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// How much of the file is known to have been durable: by its frames, or by `head`, where that knows of more records.
    fn durable_len(&self) -> u64 {
        let store_id = self.out.header.as_ref().map(|header| header.store_id);
        let tells = |head: &&Head| store_id == Some(head.store_id) && head.next_seq > self.expected;
        let head = self.task.head.filter(tells);
        self.synced_len.max(head.map_or(0, |head| head.durable_len))
    }

    /// At the end of the file: whether the log was longer, or the seal over this segment names more records than there are.
    fn end(&mut self, len: u64) -> io::Result<()> {
        let durable_len = self.durable_len();
        if durable_len > len {
            let expected = format!("{durable_len} bytes, which were durable");
            let finding = Finding::damaged(&self.task.file, "log length", expected, len);
            self.find(finding.at(len).seqs(self.expected..self.expected + 1));
            self.out.cut_short = true;
            self.broken = true;
        }
        let Some(next) = self.task.next else { return Ok(()) };
        // What cannot be read there is for the next segment's own check to tell.
        let seal = peek_seal(self.task.disk, next).unwrap_or_default();
        if let Some(seal) = seal
            && seal.first_seq == self.task.id.0
            && seal.end_seq > self.expected
        {
            let expected = format!("records up to {}, as its seal says", seal.end_seq);
            let found = format!("an end before record {}", self.expected);
            let finding = Finding::damaged(&self.task.file, "log length", expected, found);
            self.find(finding.at(len).seqs(self.expected..seal.end_seq));
            self.out.cut_short = true;
            self.broken = true;
        }
        Ok(())
    }

    pub(super) fn frame(&mut self, at: u64, header: &FrameHeader, payload: &[u8]) {
        if header.synced_len > at {
            let finding = Finding::damaged(
                &self.task.file,
                "frame synced length",
                format_args!("at most {at}"),
                header.synced_len,
            );
            self.find(finding.at(at + 32));
        } else if header.synced_len < self.synced_len {
            let finding = Finding::damaged(
                &self.task.file,
                "frame synced length",
                format_args!("at least {}", self.synced_len),
                header.synced_len,
            );
            self.find(finding.at(at + 32));
        } else {
            self.synced_len = header.synced_len;
        }
        if header.kind == FrameKind::Close {
            self.synced_len = at + header.frame_len();
        }
        if !self.in_sequence(at, header) {
            return;
        }
        if header.kind == FrameKind::Close {
            // Behind a bad place it says which records are missing, and those behind it are none of them.
            self.expected = header.first_seq;
            return;
        }
        self.begin_part(header.first_seq);
        self.records(at, header, payload);
        self.expected = header.first_seq + u64::from(header.count);
        self.end_part(at + header.frame_len());
    }

    /// Whether the frame's records are new; what it says of its place is compared with what came before.
    fn in_sequence(&mut self, at: u64, header: &FrameHeader) -> bool {
        let seq = self.expected;
        let after_bad = std::mem::take(&mut self.after_bad);
        if header.first_seq.saturating_sub(self.task.id.0) > u64::from(limits::SEGMENT_RECORDS_MAX) {
            let limit = self.task.id.0.saturating_add(limits::SEGMENT_RECORDS_MAX.into());
            let finding = Finding::forged(
                &self.task.file,
                "frame first seq",
                format_args!("at most {limit}"),
                header.first_seq,
            );
            self.find(finding.at(at + 16));
            self.broken = true;
            return false;
        }
        if header.first_seq == seq {
            if let Some(leaf) = self.last_leaf.filter(|_| self.task.depth != Depth::Checksums)
                && leaf != header.predecessor
            {
                // The record before, or this frame, is not the one that the other was written with.
                self.forged(at + 40, seq, "frame predecessor", leaf, header.predecessor);
            }
            return true;
        }
        self.broken = true;
        if header.first_seq > seq && after_bad {
            // A gap is what the bad place left: it says now which records are missing.
            if let Some(last) = self.out.findings.list.last_mut() {
                last.seqs = Some(seq..header.first_seq);
            }
        } else {
            let finding = Finding::forged(&self.task.file, "frame first seq", seq, header.first_seq);
            let seqs = seq.min(header.first_seq)..seq.max(header.first_seq);
            self.find(finding.at(at + 16).seqs(seqs));
        }
        header.first_seq > seq
    }

    fn records(&mut self, at: u64, header: &FrameHeader, payload: &[u8]) {
        let mut rest = 0;
        if let Some(index) = &self.index
            && !self.broken
        {
            self.frames.push(FramePlace {
                first_offset: (header.first_seq - index.first_seq) as u32,
                payload_len: header.payload_len,
                position: at,
                received_at: header.received_at,
            });
        }
        let mut records = Vec::with_capacity((header.count as usize).min(payload.len() / RECORD_HEADER_LEN));
        let mut fault = None;
        for _ in 0..header.count {
            match FrameRecord::decode(&payload[rest..]) {
                Ok(record) => {
                    records.push((FRAME_HEADER_LEN + rest, record));
                    rest += record.encoded_len();
                }
                Err(bad) => {
                    fault = Some(bad.shifted((FRAME_HEADER_LEN + rest) as u64));
                    break;
                }
            }
        }
        if fault.is_none() && rest != payload.len() {
            fault = Some(Fault::damaged(8, "frame payload length", rest, payload.len()));
        }
        self.out.record_count += records.len() as u64;
        self.received_at = header.received_at;
        for (seq, (place, record)) in (header.first_seq..).zip(&records) {
            let record_at = at + *place as u64;
            self.form(record_at, seq, record);
            if record.source == 0 || self.task.depth == Depth::Full {
                self.event(record_at, seq, record);
            }
            if seq == self.task.id.0 {
                self.first_record(record_at, seq);
            }
        }
        if self.task.depth != Depth::Checksums {
            self.leaves(header, &records);
        }
        if let Some(fault) = fault {
            let end = header.first_seq + u64::from(header.count);
            let seq = (header.first_seq + records.len() as u64).min(end - 1);
            self.find(Finding::fault(&self.task.file, at, fault).seqs(seq..end));
            self.broken = true;
            self.last_leaf = None;
        }
    }

    fn finish(mut self) -> Outcome {
        self.sum_up();
        let Check {
            task,
            mut out,
            expected,
            broken,
            last_leaf,
            range,
            own,
            index,
            own_leaves,
            places,
            frames,
            sidecar_fault,
            ..
        } = self;
        task.registry.pass(task.place, expected, broken && !out.left_out);
        out.end_seq = expected;
        // Of what is in the archive, all that asks for authority or gives it is here.
        out.whole = !broken || out.left_out;
        let full = task.depth == Depth::Full;
        out.reach = match task.depth {
            Depth::Full if !out.left_out => Reach::Full,
            Depth::Full | Depth::Checksums => Reach::Checksums,
            Depth::Quick => Reach::Quick,
        };
        if out.left_out || out.unread_count > 0 {
            return out;
        }
        if task.depth != Depth::Checksums {
            out.last_leaf = last_leaf.filter(|_| out.record_count > 0);
        }
        if task.depth != Depth::Checksums && !broken {
            out.root = Some(own.root());
            out.range = Some(range);
        }
        if let Some(error) = sidecar_fault.filter(|_| !broken) {
            // The log is as it should be: what does not agree with it is the sidecar.
            out.findings.push(quick::finding(task, error));
        }
        let mut rebuilt = None;
        if full && !broken {
            rebuilt = index.map(|index| {
                let index = index.finish();
                Rebuilt { restated: index.restate(), index, leaves: own_leaves, places, frames }
            });
        }
        out.index_root = rebuilt.as_ref().map(|rebuilt| rebuilt.restated.index_root);
        out.index_rules = rebuilt.as_ref().map(|rebuilt| rebuilt.restated.rules);
        out.in_directory =
            task.in_directory.zip(rebuilt.as_ref()).map(|(place, rebuilt)| place.compare(rebuilt));
        if task.has_sidecar && !task.active && out.sidecar == Looked::Absent {
            let name = task.id.file_name("idx");
            let facts = out.header.as_ref().zip(out.root).map(|(header, segment_root)| Facts {
                store_id: header.store_id,
                log_len: out.log_len,
                rewritten_by: header.rewritten_by,
                segment_root,
            });
            let sidecar = sidecar::Task {
                disk: task.disk,
                path: &task.root.join("log").join(&name),
                file: &format!("log/{name}"),
                seqs: task.id.0..expected,
                watch: task.watch,
            };
            out.sidecar = sidecar::check(&sidecar, rebuilt.as_ref().zip(facts.as_ref()), &mut out.findings);
        }
        out
    }
}
