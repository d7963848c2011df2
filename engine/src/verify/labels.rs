//! The labels of records: those of masking, and those that the rules in force give the event; nothing else.
//!
//! Which rules are in force is a matter of the log's order, so that a label tells of its record what rules there were.
//! A label that they do not give, or one that is missing, was written by nobody who keeps to the log: it is forged.

use std::fmt::Write as _;
use std::sync::Arc;

use super::pool::Extracted;
use super::report::{Finding, FindingClass};
use super::segment::Check;
use super::sources::Lookup;
use crate::Seq;
use crate::filter::{LabelRules, MASKED_PREFIX, RULES_PREFIX, Subject};
use crate::format::admin::StoredRule;
use crate::format::frame::{FrameRecord, LabelBuf, Labels, RECORD_HEADER_LEN};
use crate::source::Fields;

/// The rules that labels name, behind those of masking.
fn named(labels: Labels<'_>) -> Option<Seq> {
    let first = labels.iter().find(|label| !label.starts_with(MASKED_PREFIX))?;
    first.strip_prefix(RULES_PREFIX)?.parse().ok()
}

pub(super) fn in_words(rules: Option<Seq>) -> String {
    rules.map_or_else(|| "no label rules".to_owned(), |seq| format!("the label rules of record {seq}"))
}

impl Check<'_> {
    /// Puts the rules of a `store.rules` record in force.
    pub(super) fn put_in_force(&mut self, at: u64, seq: Seq, stored: &[StoredRule]) {
        let found = match LabelRules::decode(stored) {
            Ok(rules) => {
                // Rules of no rule at all label nothing.
                self.out.rules_after = Some((!rules.rules().is_empty()).then_some(seq));
                Lookup::Rules(Arc::new(rules))
            }
            Err(error) => {
                self.out.rules_after = Some(Some(seq));
                self.forged(at, seq, "label rules", "rules that can be registered", error);
                Lookup::CannotTell
            }
        };
        self.task.registry.register(seq, found);
    }

    /// Checks that a user's record names the rules in force. Of those that an earlier segment put in force only
    /// `chain` knows: all records up to the first of this segment's own must name the same.
    pub(super) fn names_rules(&mut self, at: u64, seq: Seq, record: &FrameRecord<'_>) {
        let found = named(record.labels);
        let expected = match self.out.rules_after {
            Some(in_force) => in_force,
            None if self.broken => found,
            None => *self.out.rules_before.get_or_insert(found),
        };
        if self.broken {
            // Among the records that are missing there may have been other rules.
            self.out.rules_after = Some(found);
        } else if found != expected {
            let at = at + RECORD_HEADER_LEN as u64;
            self.forged(at, seq, "record labels", in_words(expected), in_words(found));
        }
    }

    /// Checks that a record has the labels that masking and the rules that it names give, and no other.
    pub(super) fn labels(&mut self, extracted: &Extracted<'_>, fields: &Fields) {
        let Extracted { at, seq, record, source, .. } = extracted;
        if record.labels.count() == 0 {
            return;
        }
        let mut expected = LabelBuf::default();
        if record.source != 0 {
            for label in record.labels.iter().take_while(|label| label.starts_with(MASKED_PREFIX)) {
                // What was read as a label is one.
                let _ = expected.push(label);
            }
        }
        if let Some(rules_seq) = named(record.labels).filter(|_| record.source != 0) {
            let rules = match self.rules(rules_seq) {
                Lookup::Rules(rules) => rules,
                Lookup::CannotTell => return self.cannot_tell(*at, *seq, rules_seq),
                Lookup::Unknown if self.broken => return self.cannot_tell(*at, *seq, rules_seq),
                Lookup::Known(_) | Lookup::Unknown => {
                    return self.wrong_labels(*at, *seq, "those of an earlier store.rules record", record);
                }
            };
            let Some(body) = record.body.bytes() else { return };
            let subject = Subject {
                seq: *seq,
                received_at: crate::Timestamp(0),
                source: record.source,
                encoding: record.encoding,
                labels: Labels::default(),
                body,
                profile: source.profile(),
                fields,
            };
            let scratch = self.label_scratch.entry(rules_seq).or_default();
            if let Err(error) = rules.apply(rules_seq, &subject, scratch, &mut expected) {
                return self.wrong_labels(*at, *seq, &error.to_string(), record);
            }
        }
        if expected.as_labels() != record.labels {
            self.wrong_labels(*at, *seq, &listed(expected.as_labels()), record);
        }
    }

    fn wrong_labels(&mut self, at: u64, seq: Seq, expected: &str, record: &FrameRecord<'_>) {
        let finding = Finding::forged(&self.task.file, "record labels", expected, listed(record.labels));
        self.out.findings.push(finding.at(at + RECORD_HEADER_LEN as u64).seqs(seq..seq + 1));
    }

    fn cannot_tell(&mut self, at: u64, seq: Seq, rules: Seq) {
        if self.missing.insert(rules) {
            let finding = Finding::new(
                FindingClass::Incomplete,
                &self.task.file,
                "record labels",
                in_words(Some(rules)),
                "a log that cannot be read there",
            );
            self.out.findings.push(finding.at(at).seqs(seq..seq + 1));
        }
    }

    fn rules(&mut self, seq: Seq) -> Lookup {
        if let Some(found) = self.sources.get(&seq) {
            return found.clone();
        }
        let found = self.task.registry.find(self.task.place, seq);
        if matches!(found, Lookup::Rules(_)) {
            self.sources.insert(seq, found.clone());
        }
        found
    }
}

/// Labels as a finding shows them.
fn listed(labels: Labels<'_>) -> String {
    let mut text = String::new();
    for label in labels.iter() {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{}", label.escape_debug());
    }
    if text.is_empty() { "none".to_owned() } else { text }
}
