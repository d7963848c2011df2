//! What one record says: the store's own ones against their place in the log, users' ones against the profile that
//! they name.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Depth;
use super::authority::Administered;
use super::pool::{Block, Extracted, Ticket};
use super::reindex::Indexed;
use super::report::{Finding, FindingClass};
use super::round::OwnRecord;
use super::segment::{Check, Created};
use super::sources::{KnownSource, Lookup};
use crate::error::Fault;
use crate::format::READ_VERSION;
use crate::format::admin::Admin;
use crate::format::artifact::hash_of;
use crate::format::frame::{Body, FrameRecord};
use crate::{Class, Seq};

/// Most blocks of one segment that are out at a time: they bound what is held in memory.
const BLOCKS_OUT_MAX: usize = 4;

/// The records of a segment whose events are not yet checked.
#[derive(Default)]
pub(super) struct Blocks {
    gathering: Block,
    /// Blocks that were handed over, oldest first.
    out: VecDeque<Ticket>,
    spare: Vec<Block>,
}

impl Blocks {
    fn is_empty(&self) -> bool {
        self.gathering.is_empty() && self.out.is_empty()
    }
}

impl Check<'_> {
    /// Checks what a record says: the store's own ones against their place, users' ones against their profile.
    pub(super) fn event(&mut self, at: u64, seq: Seq, record: &FrameRecord<'_>) {
        if record.encoding != 0 {
            let fault = Fault::new(crate::Class::Unsupported, 5, "record encoding", 0, record.encoding);
            self.find(Finding::fault(&self.task.file, at, fault).seqs(seq..seq + 1));
            self.index = None;
            return;
        }
        if let Some(body) = record.body.bytes().filter(|_| record.source == 0) {
            self.admin(at, seq, body);
        }
        if self.task.depth != Depth::Full {
            return;
        }
        if record.source != 0 {
            self.names_rules(at, seq, record);
        }
        let Some(source) = self.source(at, seq, record.source) else {
            self.index = None;
            return;
        };
        // Handing over costs a copy: it pays where a thread has nothing else to do.
        if self.task.pool.has_idle() || !self.blocks.is_empty() {
            if self.blocks.gathering.push(at, seq, record, Arc::clone(&source)) {
                self.hand_over();
            }
            self.last_source = Some((record.source, source));
            return;
        }
        let mut fields = std::mem::take(&mut self.fields);
        let found = record.body.bytes().map_or(Ok(()), |body| source.profile().extract(body, &mut fields));
        let found = found.as_ref().map(|()| &fields);
        self.indexed(&Extracted { at, seq, record: *record, source: &source, fields: found });
        self.fields = fields;
        self.last_source = Some((record.source, source));
    }

    /// Checks that a record stands as records stand in such a log, and notes what is left of one that was deleted.
    pub(super) fn form(&mut self, at: u64, seq: Seq, record: &FrameRecord<'_>) {
        let rewritten = self.out.header.as_ref().is_some_and(|header| header.rewritten_by != 0);
        let (expected, found) = match record.body {
            Body::Whole(_) if rewritten => ("a salt before the event, for the segment has none", "none"),
            Body::Salted(..) if !rewritten => ("an event whose salt is the segment's", "one with its own"),
            Body::Deleted(_) if !rewritten => ("an event, for the log says that none was deleted", "a stub"),
            Body::Deleted(_) if record.source == 0 => ("a record of the store's own", "a stub"),
            Body::Deleted(stub) => return self.out.stubs.push(seq, stub.plan),
            _ => return,
        };
        self.forged(at, seq, "record form", expected, found);
    }

    /// Hands the block that was gathered to whoever has time, and takes back the oldest where too many are out.
    fn hand_over(&mut self) {
        if self.blocks.out.len() >= BLOCKS_OUT_MAX {
            self.take_back();
        }
        let empty = self.blocks.spare.pop().unwrap_or_default();
        let block = std::mem::replace(&mut self.blocks.gathering, empty);
        self.blocks.out.push_back(self.task.pool.give(block));
    }

    /// Indexes the oldest block that is out.
    fn take_back(&mut self) {
        let Some(ticket) = self.blocks.out.pop_front() else { return };
        let mut block = self.task.pool.take(ticket);
        for extracted in block.extracted() {
            self.indexed(&extracted);
        }
        block.clear();
        self.blocks.spare.push(block);
    }

    /// Indexes all records that were read, so that what is found next stands behind what was found in them.
    pub(super) fn settle(&mut self) {
        if !self.blocks.gathering.is_empty() {
            self.hand_over();
        }
        while !self.blocks.out.is_empty() {
            self.take_back();
        }
    }

    /// Adds a record to the index, or tells what is wrong with its event.
    fn indexed(&mut self, extracted: &Extracted<'_>) {
        let Extracted { at, seq, record, source, fields } = extracted;
        if let Body::Deleted(stub) = record.body {
            if let Some(index) = &mut self.index {
                index.add_deleted(stub.plan);
            }
            return;
        }
        if let Ok(fields) = fields {
            self.labels(extracted, fields);
        }
        match (fields, &mut self.index) {
            (Ok(fields), Some(index)) => index.add(&Indexed {
                source: record.source,
                rules: &source.rules,
                encoding: record.encoding,
                labels: record.labels,
                fields,
            }),
            (Ok(_), None) => {}
            (Err(error), _) => {
                let what = "an event that can be appended";
                let finding = Finding::forged(&self.task.file, "event", what.to_owned(), error.to_string());
                self.out.findings.push(finding.at(*at).seqs(*seq..*seq + 1));
                self.index = None;
            }
        }
    }

    /// What a source's events are read by. The last one's is given out itself, to be put back: all threads share a
    /// source, and to count them anew for each record would have them wait for each other.
    fn source(&mut self, at: u64, seq: Seq, source: Seq) -> Option<Arc<KnownSource>> {
        if let Some((_, known)) = self.last_source.take_if(|(last, _)| *last == source) {
            return Some(known);
        }
        let found = match self.sources.get(&source) {
            Some(Lookup::Known(found)) => return Some(Arc::clone(found)),
            Some(other) => other.clone(),
            None if source >= seq && source != 0 => Lookup::Unknown,
            None => {
                let found = self.task.registry.find(self.task.place, source);
                // A source of this segment may be registered yet.
                if source < self.expected {
                    self.sources.insert(source, found.clone());
                }
                found
            }
        };
        match found {
            Lookup::Known(found) => return Some(found),
            Lookup::Unknown | Lookup::Rules(_) if !self.broken => {
                self.forged(
                    at + 8,
                    seq,
                    "record source",
                    "the seq of an earlier store.source record",
                    source,
                );
            }
            Lookup::Unknown | Lookup::Rules(_) | Lookup::CannotTell => {
                if self.missing.insert(source) {
                    let finding = Finding::new(
                        FindingClass::Incomplete,
                        &self.task.file,
                        "record source",
                        format_args!("the profile registered by record {source}"),
                        "a log that cannot be read there",
                    );
                    self.find(finding.at(at + 8).seqs(seq..seq + 1));
                }
            }
        }
        None
    }

    pub(super) fn admin(&mut self, at: u64, seq: Seq, body: &[u8]) {
        let admin = match Admin::decode(body) {
            Ok(admin) => admin,
            // Of a release that knows more. Whatever it says, this one cannot judge it.
            Err(fault) if fault.class == Class::Unsupported => {
                self.find(Finding::fault(&self.task.file, at, fault).seqs(seq..seq + 1));
                return;
            }
            Err(fault) => {
                // Its frame's checksum holds: nobody but a writer of records made it so.
                self.forged(at, seq, fault.what, fault.expected, fault.found);
                return;
            }
        };
        if self.task.remember && says_something(&admin) {
            let (received_at, body) = (self.received_at, String::from_utf8_lossy(body).into_owned());
            self.out.own_records.push(OwnRecord { seq, at, received_at, body });
        }
        let first = seq == self.task.id.0;
        match admin {
            Admin::Created { origin, store_id, log_key, format, .. } => {
                if format != READ_VERSION {
                    let what = "format of store.created";
                    let fault = Fault::new(Class::Unsupported, 0, what, READ_VERSION, format);
                    self.find(Finding::fault(&self.task.file, at, fault).seqs(seq..seq + 1));
                }
                if seq == 0 {
                    self.out.created = Some(Created { origin, store_id, log_key });
                } else {
                    self.forged(at, seq, "store record", "store.created at seq 0 only", "another one");
                }
            }
            Admin::Sealed(seal) if first && seq != 0 && seal.end_seq == seq => self.out.seal = Some(seal),
            Admin::Sealed(seal) => {
                let expected = "a seal at the end of the range that it seals, first in its segment";
                self.forged(
                    at,
                    seq,
                    "seal",
                    expected,
                    format!("a seal of {}..{}", seal.first_seq, seal.end_seq),
                );
            }
            Admin::Source { profile, .. } => self.register(at, seq, &profile),
            Admin::Recovered { cut_len, lost, .. } => {
                self.out.lost.extend(lost.map(|lost| (lost, cut_len, seq)));
            }
            Admin::Rules { rules, .. } => self.put_in_force(at, seq, &rules),
            Admin::Artifact(put) => match hash_of(&put.artifact) {
                Some(hash) => self.out.puts.push((hash, seq)),
                None => self.forged(at, seq, "artifact", "blake3: and 64 hex digits", put.artifact),
            },
            Admin::Clock { .. }
            | Admin::Tier(_)
            | Admin::Mapping(_)
            | Admin::Pack(_)
            | Admin::Verified(_)
            | Admin::Drilled(_) => {}
            admin @ (Admin::Policy(_)
            | Admin::Hold(_)
            | Admin::HoldReleased(_)
            | Admin::Operators(_)
            | Admin::Plan(_)
            | Admin::Key(_)
            | Admin::KeyRetired(_)
            | Admin::KeyRevoked(_)
            | Admin::Deleting(_)
            | Admin::Deleted(_)
            | Admin::Collecting(_)) => {
                let received_at = self.received_at;
                self.out.administered.push(Administered { seq, at, received_at, admin });
            }
        }
    }

    /// A segment begins with the seal of the one before, the log with what it is.
    pub(super) fn first_record(&mut self, at: u64, seq: Seq) {
        if self.out.created.is_none() && self.out.seal.is_none() {
            let expected = if seq == 0 { "store.created" } else { "the seal of the segment before" };
            self.forged(at, seq, "first record", expected, "another record");
        }
    }

    fn register(&mut self, at: u64, seq: Seq, text: &str) {
        let source = match KnownSource::parse(text) {
            Ok(source) => Lookup::Known(Arc::new(source)),
            Err(error) => {
                self.forged(at, seq, "source profile", "one that can be registered", error);
                Lookup::CannotTell
            }
        };
        self.task.registry.register(seq, source);
    }
}

/// Whether a record says something of the log that the segments after it depend on.
fn says_something(admin: &Admin) -> bool {
    !matches!(
        admin,
        Admin::Clock { .. }
            | Admin::Tier(_)
            | Admin::Mapping(_)
            | Admin::Pack(_)
            | Admin::Verified(_)
            | Admin::Drilled(_)
    )
}
