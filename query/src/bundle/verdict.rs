//! What a bundle establishes, in plain words and as data. Nothing in it is better than what was checked.

use std::fmt;
use std::ops::Range;

use indelible_engine::bundle::{self, Checked, Cover, Grade, Residual, Why};
use indelible_engine::trust::VerifierKey;
use indelible_engine::{Seq, Timestamp};
use serde::Serialize;

use super::Settled;
use super::describe::describe;
use super::registered::Known;
use crate::error::Result;

/// How many columns a line of the verdict has.
const WIDTH: usize = 118;
/// What is true whatever is checked.
const NEVER_APPENDED: &str = "nothing can prove what was never appended";

/// What a bundle establishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `committed`, `audited` or `disclosed`: that of the search that establishes least.
    pub grade: &'static str,
    /// What the grade means.
    pub meaning: &'static str,
    /// Which log.
    pub origin: String,
    /// How many records the log had at the checkpoint.
    pub tree_size: u64,
    /// The root of its tree.
    pub root: String,
    /// The verifier key of whose signature the checkpoint was found to be.
    pub key: String,
    /// More verifier keys that were given, and signed it too.
    pub also_signed_by: Vec<String>,
    /// Names and ids of keys that were not given, in whose name the checkpoint has lines: these were not checked.
    pub unknown_signers: Vec<String>,
    /// The query, as it was typed.
    pub query: String,
    /// The same, as it means the same at any time.
    pub means: String,
    /// What it counts back from.
    pub now: String,
    /// The first seq that was asked about, and the one behind the last.
    pub seqs: Range<Seq>,
    /// How many sealed segments there are in that range.
    pub segments: u64,
    /// Of how many of these an auditor's note was given that says that he built their index anew.
    pub audited: u64,
    /// The verifier keys of those auditors.
    pub auditors: Vec<String>,
    /// What a challenge drew, where there was one.
    pub challenge: Option<Sample>,
    /// The size of a checkpoint that was given, from which the log was shown to go on.
    pub continues: Option<u64>,
    /// Who, of the witnesses that were given, cosigned the checkpoint.
    pub witnessed: Vec<Witnessed>,
    /// How many records stand behind the last seal: all of them are here.
    pub tail: u64,
    /// How many records are here.
    pub records: u64,
    /// When the first and the last of these were received, by the store's clock.
    pub received: Option<[String; 2]>,
    /// How many rows the answer has.
    pub rows: u64,
    /// The first and the last time of the events among the rows.
    pub times: Option<[String; 2]>,
    /// What was asked of the log, one by one.
    pub searches: Vec<Searched>,
    /// What the records have of the fields that the query asks about.
    pub fields: Vec<Field>,
    /// What was deleted of the records that were asked about, by plan.
    pub deleted: Vec<Deleted>,
    /// What stayed unchecked.
    pub unchecked: Vec<String>,
}

/// Records that were deleted by a plan: each is named by a record of the log, and enough operators approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// The seq of the record that has the plan.
    pub plan: Seq,
    /// How many records.
    pub records: u64,
    /// Why: in the operators' words, or by which rules of the policy.
    pub reason: String,
    /// The verifier keys of the operators who approved it.
    pub approved_by: Vec<String>,
}

/// Records that were drawn to put the index to the test: all are here, and the index names each by all of its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// What drew them, together with the checkpoint's root.
    pub seed: String,
    /// How many they are.
    pub records: u64,
    /// Of how many they were drawn.
    pub of: u64,
    /// Whether whoever checks named this seed. Otherwise the sample says nothing.
    pub is_asked: bool,
}

/// A witness's cosignature that verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witnessed {
    /// What the witness is called.
    pub by: String,
    /// When he says that he cosigned.
    pub at: String,
}

/// One thing that was asked of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Searched {
    /// Conditions, as the language writes them.
    pub filter: String,
    /// `committed`, `audited` or `disclosed`.
    pub grade: &'static str,
    /// How many records may match, as far as the index says.
    pub candidates: u64,
    /// How many of these are not here.
    pub withheld: u64,
    /// Conditions that the shown index does not decide, and why.
    pub residual: Vec<String>,
}

/// What the records have of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Of how many records this is known.
    pub records: u64,
    /// How many have something there.
    pub present: u64,
    /// How many do not.
    pub absent: u64,
    /// How many have something there that could not be read.
    pub unreadable: u64,
}

impl Verdict {
    /// The verdict on a question whose answer was found anew from what was checked; `is_asked` where the seed of its
    /// sample is that of whoever checks.
    pub(super) fn of(
        settled: &Settled,
        checked: &Checked,
        key: &VerifierKey,
        is_asked: bool,
    ) -> Result<Verdict> {
        let checkpoint = checked.checkpoint();
        let seqs = checked.scope().seqs.clone();
        let sealed_end = checked.segments().last().map_or(seqs.start, |segment| segment.end_seq);
        let received = span(checked.records().map(|record| record.received_at));
        let mut times = Vec::new();
        for event in settled.rows.iter().filter_map(|row| row.event()) {
            times.push(event.time()?);
        }
        let searches: Vec<Searched> = checked
            .scope()
            .filters
            .iter()
            .zip(checked.covers())
            .map(|(filter, cover)| searched(&describe(filter), cover))
            .collect();
        let grade = checked.grade();
        let deleted: Vec<Deleted> = checked.deleted().iter().map(deleted).collect();
        let challenge = checked.scope().challenge.as_ref().zip(checked.challenge());
        let challenge = challenge.map(|(challenge, drawn)| Sample {
            seed: challenge.seed.clone(),
            records: drawn.records,
            of: drawn.of,
            is_asked,
        });
        Ok(Verdict {
            grade: name(grade),
            meaning: meaning(grade, !deleted.is_empty()),
            origin: checkpoint.origin.clone(),
            tree_size: checkpoint.size,
            root: checkpoint.root.to_string(),
            key: key.to_string(),
            also_signed_by: Vec::new(),
            unknown_signers: Vec::new(),
            query: settled.question.text.clone(),
            means: settled.means.clone(),
            now: settled.question.now.to_string(),
            segments: checked.segments().len() as u64,
            audited: checked.segments().iter().filter(|segment| segment.is_audited).count() as u64,
            auditors: Vec::new(),
            continues: None,
            witnessed: Vec::new(),
            tail: seqs.end.saturating_sub(sealed_end.max(seqs.start)),
            seqs,
            records: checked.len() as u64,
            received,
            rows: settled.rows.len() as u64,
            times: span(times.into_iter()),
            unchecked: unchecked(grade, settled.known.as_ref(), challenge.as_ref(), &searches, &deleted),
            deleted,
            challenge,
            searches,
            fields: checked.fields().iter().map(field).collect(),
        })
    }
}

fn span(times: impl Iterator<Item = Timestamp>) -> Option<[String; 2]> {
    let both = times.fold(None, |known: Option<(Timestamp, Timestamp)>, time| {
        Some(known.map_or((time, time), |(first, last)| (first.min(time), last.max(time))))
    });
    both.map(|(first, last)| [first.to_string(), last.to_string()])
}

fn name(grade: Grade) -> &'static str {
    match grade {
        Grade::Committed => "committed",
        Grade::Audited => "audited",
        Grade::Disclosed => "disclosed",
    }
}

fn meaning(grade: Grade, is_less: bool) -> &'static str {
    match grade {
        Grade::Disclosed if is_less => {
            "every record that was asked about and was not deleted is here, and was looked at"
        }
        Grade::Committed if is_less => {
            "complete, but for what was deleted, by the index that the log's operator committed to when each segment was \
             sealed or deleted from, before the question"
        }
        Grade::Audited if is_less => {
            "complete, but for what was deleted, by an index that an auditor rebuilt from the records and signed, before \
             the question"
        }
        Grade::Committed => {
            "complete by the index that the log's operator committed to when each segment was sealed, before the question"
        }
        Grade::Audited => {
            "complete by an index that an auditor rebuilt from the records and signed, before the question"
        }
        Grade::Disclosed => "every record that was asked about is here, and was looked at",
    }
}

fn searched(filter: &str, cover: &Cover) -> Searched {
    Searched {
        filter: filter.to_owned(),
        grade: name(cover.grade),
        candidates: cover.candidates,
        withheld: cover.withheld,
        residual: cover.residual.iter().map(residual).collect(),
    }
}

fn residual(Residual { condition, why }: &Residual) -> String {
    let why = match why {
        Why::NotIndexed => "no index is kept of it",
        Why::Private => "its field is private, and never committed to",
        Why::NotShown => "its index is not shown, for another condition is narrower",
        Why::NoTerms => "no terms are kept of ids and times",
    };
    format!("{} ({why})", describe(condition))
}

fn deleted(deleted: &bundle::Deleted) -> Deleted {
    Deleted {
        plan: deleted.plan,
        records: deleted.records,
        reason: deleted.reason.clone(),
        approved_by: deleted.approved_by.iter().map(ToString::to_string).collect(),
    }
}

fn field(counts: &bundle::FieldCounts) -> Field {
    Field {
        name: counts.field.clone(),
        records: counts.records,
        present: counts.records.saturating_sub(counts.absent),
        absent: counts.absent,
        unreadable: counts.unreadable,
    }
}

fn unchecked(
    grade: Grade,
    known: Option<&Known>,
    challenge: Option<&Sample>,
    searches: &[Searched],
    deleted: &[Deleted],
) -> Vec<String> {
    let mut unchecked = Vec::new();
    for search in searches.iter().filter(|search| search.withheld > 0) {
        let conditions = search.residual.join("; ");
        unchecked.push(format!(
            "filtered by the operator, not checked: {} of {} candidates of `{}` are withheld, for {conditions}",
            search.withheld, search.candidates, search.filter
        ));
    }
    if grade == Grade::Committed {
        unchecked.push(
            if deleted.is_empty() {
                "that the index names every record it should is the operator's word, given when each segment was sealed; \
                 `indelible verify` on the whole store rebuilds it from the records"
            } else {
                "that the index names every record it should is the operator's word, given when each segment was sealed, or \
                 last deleted from; `indelible verify` on the whole store rebuilds it from the records"
            }
            .to_owned(),
        );
    }
    if !deleted.is_empty() {
        unchecked.push(
            "what the deleted records said is gone, and so is whether they would have matched; operators approved that they go"
                .to_owned(),
        );
    }
    if let Some(Sample { is_asked: false, .. }) = challenge {
        unchecked.push(
            "the sample's seed is the bundle's own word: it says something to whoever chose the seed, after the checkpoint \
             was signed, and names it (verify-bundle --challenge)"
                .to_owned(),
        );
    }
    if let Some(Known { mapping: None, .. }) = known {
        unchecked.push(
            "what is evidence of a control is said by a mapping that the log did not register".to_owned(),
        );
    }
    unchecked.push("times of receipt are the readings of the store's own clock".to_owned());
    unchecked.push(NEVER_APPENDED.to_owned());
    unchecked
}

/// In plain words, a paragraph for each thing.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { grade, meaning, origin, tree_size, root, key, seqs, .. } = self;
        let mut line = |name: &str, text: String| paragraph(f, name, &text);
        line("grade", format!("{grade}: {meaning}"))?;
        line("log", format!("{origin}, {}", plural(*tree_size, "record", "records")))?;
        line("root", root.clone())?;
        line("signed by", key.clone())?;
        for key in &self.also_signed_by {
            line("and by", key.clone())?;
        }
        for Witnessed { by, at } in &self.witnessed {
            line("witnessed", format!("by {by} at {at}"))?;
        }
        if let Some(size) = self.continues {
            line(
                "continues",
                format!("the checkpoint of {} that was kept", plural(size, "record", "records")),
            )?;
        }
        line("query", self.query.clone())?;
        if self.means != self.query {
            line("means", self.means.clone())?;
        }
        line("as of", self.now.clone())?;
        line("answer", plural(self.rows, "row", "rows") + &between(self.times.as_ref()))?;
        let range = match seqs.end.checked_sub(1).filter(|last| *last >= seqs.start) {
            Some(last) => format!("seqs {} to {last}", seqs.start),
            None => "no seqs".to_owned(),
        };
        let segments = plural(self.segments, "sealed segment", "sealed segments");
        let tail = plural(self.tail, "record", "records");
        line("looked at", format!("{range}: {segments}, and {tail} behind the last seal"))?;
        for auditor in &self.auditors {
            line("audited by", auditor.clone())?;
        }
        if !self.auditors.is_empty() {
            line("audited", format!("the indexes of {} of {segments}", self.audited))?;
        }
        if let Some(sample) = &self.challenge {
            line("sample", sample.to_string())?;
        }
        line("here", plural(self.records, "record", "records") + &between(self.received.as_ref()))?;
        for (number, search) in (1..).zip(&self.searches) {
            let Searched { filter, candidates, withheld, .. } = search;
            let (may, here) =
                (plural(*candidates, "record", "records"), candidates.saturating_sub(*withheld));
            line(&format!("search {number}"), filter.clone())?;
            line("", format!("{}: {may} may match, {here} of them here", search.grade))?;
        }
        for Field { name, records, present, absent, unreadable } in &self.fields {
            let of = format!("{name}: of {records} records in sealed segments");
            line(
                "field",
                format!("{of} {present} have it, {absent} do not, {unreadable} could not be read"),
            )?;
        }
        for Deleted { plan, records, reason, approved_by } in &self.deleted {
            let records = plural(*records, "record", "records");
            let by = approved_by.join(", ");
            line(
                "deleted",
                format!("{records} in range, by the plan of record {plan} ({reason}), approved by {by}"),
            )?;
        }
        for (at, text) in self.unchecked.iter().enumerate() {
            line(if at == 0 { "unchecked" } else { "" }, text.clone())?;
        }
        Ok(())
    }
}

/// What a sample says, and how much that is worth.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { seed, records, of, .. } = self;
        let drawn = format!("{records} of {} in sealed segments", plural(*of, "record", "records"));
        write!(
            f,
            "{drawn}, drawn by the seed {seed:?}: the index names each of them by every term that it has. "
        )?;
        if records == of {
            return f
                .write_str("These are all: an index that left a record out of a posting would be caught");
        }
        write!(
            f,
            "An index that left a fraction f of the records out of postings would be caught with a probability of at \
             least 1-(1-f)^{records}: {} for one in 10, {} for one in 100, {} for one in 1000",
            caught(10, *records),
            caught(100, *records),
            caught(1000, *records)
        )
    }
}

/// With what probability one of `records` draws meets one in `each`, rounded down to a tenth of a percent. In integers:
/// every machine must write the same.
fn caught(each: u128, records: u64) -> String {
    const ONE: u128 = 1_000_000_000_000_000_000;
    let missed = (0..records).fold(ONE, |missed, _| (missed * (each - 1)).div_ceil(each));
    let permille = (ONE - missed) * 1000 / ONE;
    format!("{}.{} %", permille / 10, permille % 10)
}

/// Writes what is said of a thing behind its name, in as many lines as it takes.
fn paragraph(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    let mut width = WIDTH;
    for (at, word) in text.split_whitespace().enumerate() {
        let len = word.chars().count();
        width += 1 + len;
        if width > WIDTH {
            let name = if at == 0 { name } else { "" };
            write!(f, "{}{name:10}", if at == 0 { "" } else { "\n" })?;
            width = 11 + len;
        }
        write!(f, " {word}")?;
    }
    f.write_str("\n")
}

fn between(times: Option<&[String; 2]>) -> String {
    times.map_or_else(String::new, |[first, last]| format!(", from {first} to {last}"))
}

pub(super) fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
