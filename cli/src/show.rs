//! How a record is shown: its event as it was stored, or with what ties it into the log.

use indelible::trust::Checkpoint;
use indelible::{Record, Records, Snapshot, Store};
use serde::Serialize;

use crate::exit::Outcome;
use crate::output::{self, Out};

/// Shows records of one store.
pub(crate) struct Shower {
    integrity: bool,
    /// How many records the store's latest checkpoint covers.
    signed: u64,
}

/// What `--integrity` adds to an event.
#[derive(Serialize)]
struct Integrity<'a> {
    seq: u64,
    received_at: String,
    /// The leaf of the record before; zeros for the first.
    prev_hash: String,
    /// The record's own leaf in the tree: RFC 6962 over the entry, which names the body's hash.
    hash: String,
    segment: u64,
    /// The algorithm of the checkpoint that covers the record; null where none does yet.
    sig_alg: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    labels: &'a [String],
    /// The record that has the plan by which the event was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_by: Option<u64>,
}

impl Shower {
    /// Shows events alone, or with their integrity.
    pub(crate) fn new(store: &Store, integrity: bool) -> Outcome<Self> {
        let signed = if integrity { signed_size(store)?.unwrap_or(0) } else { 0 };
        Ok(Shower { integrity, signed })
    }

    /// The records of a range, with all that is to be shown.
    pub(crate) fn records(&self, snapshot: &Snapshot, seqs: std::ops::Range<u64>) -> Records {
        if self.integrity { snapshot.records_with_integrity(seqs) } else { snapshot.records(seqs) }
    }

    /// Writes one record as one line.
    pub(crate) fn show(&self, out: &mut Out, record: &Record) -> Outcome<()> {
        if record.integrity.is_none() {
            return out.bytes(&record.body);
        }
        let tail = integrity(record, self.sig_alg(record.seq));
        let event = if record.deleted.is_some() { b"null" } else { &record.body[..] };
        let line = [b"{\"event\":", event, b",\"integrity\":", &tail, b"}"].concat();
        out.bytes(&line)
    }

    /// Whether there is anything to show of a record: of one that was deleted only what ties it into the log.
    pub(crate) fn has(&self, record: &Record) -> bool {
        self.integrity || record.deleted.is_none()
    }

    /// The algorithm of the checkpoint that covers a record, where one does.
    pub(crate) fn sig_alg(&self, seq: u64) -> Option<&'static str> {
        (seq < self.signed).then_some("Ed25519")
    }
}

/// Says how many records of a range were deleted, and by which plans.
pub(crate) fn say_deleted(snapshot: &Snapshot, seqs: std::ops::Range<u64>) -> Outcome<()> {
    for (plan, count) in snapshot.deleted(seqs)? {
        let events = output::counted(count, "event of these was", "events of these were");
        output::warn(format_args!(
            "{events} deleted by the plan of record {plan}: see `indelible retention history`"
        ));
    }
    Ok(())
}

/// What ties a record into the log, as JSON; nothing but null for a record that was read without it.
pub(crate) fn integrity(record: &Record, sig_alg: Option<&str>) -> Vec<u8> {
    let integrity = record.integrity.as_ref().map(|tied| Integrity {
        seq: record.seq,
        received_at: record.received_at.to_string(),
        prev_hash: tied.predecessor.to_string(),
        hash: tied.leaf.to_string(),
        segment: record.segment.0,
        sig_alg,
        labels: &record.labels,
        deleted_by: record.deleted.map(|stub| stub.plan),
    });
    serde_json::to_vec(&integrity).unwrap_or_default()
}

/// How many records the store's latest checkpoint covers, as the checkpoint says; nobody has checked it here.
pub(crate) fn signed_size(store: &Store) -> Outcome<Option<u64>> {
    Ok(match store.last_checkpoint()? {
        Some(note) => Some(Checkpoint::decode(note.text())?.size),
        None => None,
    })
}
