//! Answers that carry their evidence. A bundle is one file: the question, the answer, and all that it takes to check
//! them without the store and without trust in whoever made it.
//!
//! The engine proves that the records are the log's and that none that may match is missing; this part reads the
//! question anew, runs it over those records alone, and compares. Both sides, [`export`] and [`verify`], get the answer
//! by the same way, from what was checked: so an export is checked before it is given out.

mod describe;
mod given;
mod html;
mod question;
mod readme;
mod registered;
mod report;
#[cfg(test)]
mod tests;
mod verdict;

use indelible_engine::bundle::{self, Candidates, Challenge, Checked, EVIDENCE_MEMBERS, Evidence, Scope};
use indelible_engine::source::Profile;
use indelible_engine::trust::{Checkpoint, Note, VerifierKey};
use indelible_engine::{Error as StoreError, Record, SegmentId, Seq, Snapshot};

use self::question::Asked;
use self::registered::{ControlTexts, Known, Registered};
use crate::ast::{self, Head, Operand, Stage};
use crate::disclosed::Disclosed;
use crate::error::{Error, Result};
use crate::run::Row;

pub use given::Given;
pub use question::Question;
pub use verdict::{Deleted, Field, Sample, Searched, Verdict, Witnessed};

/// The answer's name in a bundle.
const ANSWER: &str = "answer.jsonl";
/// The members that are not the engine's, in their order: they come first.
const MEMBERS: [&str; 4] = [readme::MEMBER, report::MEMBER, question::MEMBER, ANSWER];

/// A bundle that was made or checked.
#[derive(Debug)]
pub struct Bundle {
    /// What it establishes.
    pub verdict: Verdict,
    /// The answer, one JSON object a line.
    pub answer: Vec<u8>,
    /// The checkpoint, as it was signed: the key's line was checked, and no other but those of [`Given::witnesses`].
    pub checkpoint: Note,
}

/// What a bundle holds beside the answer and what it follows from.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Whether the candidates are among it that the index does not exclude, and that do not match.
    pub candidates: Candidates,
    /// What draws records by which the index is put to the test.
    pub challenge: Option<Challenge>,
    /// A checkpoint that somebody kept: a proof comes along that the log goes on from it.
    pub extends: Option<Note>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        ExportOptions { candidates: Candidates::Matches, challenge: None, extends: None }
    }
}

/// Answers a question as of a checkpoint, with all evidence: the bundle's bytes, and what they establish. The same
/// question under the same checkpoint, with the same options, gives the same bytes.
///
/// # Errors
/// [`Error::Query`] where the question makes no sense; what reading the store says, and what
/// checking the evidence says of a store that is damaged or forged; [`RolledBack`](StoreError::RolledBack) and
/// [`Forged`](StoreError::Forged) where the log does not go on from the checkpoint that it is to extend.
pub fn export(
    snapshot: &Snapshot,
    question: &Question,
    options: &ExportOptions,
    checkpoint: &Note,
    key: &VerifierKey,
) -> Result<(Vec<u8>, Bundle)> {
    let size = Checkpoint::open(checkpoint, key)?.size;
    let mut registered = Registered::default();
    for seq in snapshot.store_records().take_while(|seq| *seq < size) {
        registered.add(seq, &snapshot.record(seq)?.body)?;
    }
    let filters = question.read(&registered, None)?.filters;
    let ExportOptions { candidates, challenge, extends } = options;
    let scope = Scope { seqs: 0..size, filters, candidates: *candidates, challenge: challenge.clone() };
    let mut evidence = snapshot.export(&scope, checkpoint)?;
    if let Some(kept) = extends {
        let kept = Checkpoint::open(kept, key)?;
        snapshot.continues(&kept)?;
        evidence.extends = Some(snapshot.prove_extension(kept.size, checkpoint)?);
    }
    let proofs = evidence.members();
    let checked = evidence.check(key)?;
    let settled = Settled::of(question.clone(), None, &checked)?;
    let (own, bundle) = settled.members(&checked, key)?;
    let own = own.iter().map(Vec::as_slice);
    let members: Vec<(&str, &[u8])> =
        names().into_iter().zip(own.chain(proofs.iter().map(Vec::as_slice))).collect();
    Ok((bundle::pack(&members)?, bundle))
}

/// Checks a bundle without a store, and says what it establishes.
///
/// # Errors
/// What is wrong with it: [`Fault`](StoreError::Fault) where bytes are damaged,
/// [`Forged`](StoreError::Forged) where they are not what was committed to or the answer is not that of the question,
/// [`Incomplete`](StoreError::Incomplete) where something is withheld, [`NotAuthenticated`](StoreError::NotAuthenticated)
/// where the checkpoint is not signed by `key`, [`OverLimit`](StoreError::OverLimit).
pub fn verify(bytes: &[u8], key: &VerifierKey) -> Result<Bundle> {
    verify_given(bytes, key, &Given::default())
}

/// The same, given what whoever checks it knows beside the key.
///
/// # Errors
/// As [`verify`], and what holding the bundle against it says: see [`Given`].
pub fn verify_given(bytes: &[u8], key: &VerifierKey, given: &Given) -> Result<Bundle> {
    let members = bundle::unpack(bytes, &names())?;
    let (own, proofs) = members.split_at_checked(MEMBERS.len()).unwrap_or_default();
    let proofs = <[&[u8]; EVIDENCE_MEMBERS.len()]>::try_from(proofs).unwrap_or_default();
    let mut checked = Evidence::from_members(proofs)?.check(key)?;
    let (question, texts) = Question::decode(member(own, question::MEMBER))?;
    let settled = Settled::of(question, texts, &checked).map_err(forged)?;
    let (anew, mut bundle) = settled.members(&checked, key)?;
    // The question and the answer first: what is wrong with them is what a reader wants to know.
    for name in [question::MEMBER, ANSWER, readme::MEMBER, report::MEMBER] {
        let place = MEMBERS.iter().position(|member| *member == name).unwrap_or_default();
        same(name, member(own, name), anew.get(place).map(Vec::as_slice).unwrap_or_default())?;
    }
    bundle.verdict = given.judge(&settled, &mut checked, key)?;
    Ok(bundle)
}

fn names() -> Vec<&'static str> {
    MEMBERS.into_iter().chain(EVIDENCE_MEMBERS).collect()
}

fn member<'b>(own: &[&'b [u8]], name: &str) -> &'b [u8] {
    let place = MEMBERS.iter().position(|member| *member == name);
    place.and_then(|place| own.get(place)).copied().unwrap_or_default()
}

/// No bundle has a question that makes no sense: it would have had no answer.
fn forged(error: Error) -> Error {
    match error {
        Error::Query(_) | Error::Controls { .. } => {
            let reason = format!("its question makes no sense\n{error}");
            StoreError::Forged { what: question::MEMBER, reason }.into()
        }
        other => other,
    }
}

/// Whether a member is what it should be.
fn same(name: &'static str, found: &[u8], expected: &[u8]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let at = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
    let line = 1 + found.iter().take(at).filter(|byte| **byte == b'\n').count();
    let reason = format!("from line {line} on it is not what the question and the checked records give");
    Err(StoreError::Forged { what: name, reason }.into())
}

/// A question with its answer, found in checked records alone.
struct Settled {
    question: Question,
    /// The query as it means the same at any time.
    means: String,
    tree: ast::Query,
    known: Option<Known>,
    columns: Vec<String>,
    is_events: bool,
    is_timeline: bool,
    rows: Vec<Row>,
    /// The question as its member.
    written: Vec<u8>,
}

impl Settled {
    /// Reads a question by the profiles that are among the checked records, and answers it.
    fn of(question: Question, texts: Option<ControlTexts>, checked: &Checked) -> Result<Settled> {
        // All records that register something are there: they are the last thing that was asked.
        let mut registered = Registered::default();
        for record in checked.records().filter(|record| record.source == 0) {
            registered.add(record.seq, record.body)?;
        }
        let asked = question.read(&registered, texts)?;
        if asked.filters != checked.scope().filters {
            let reason = "its filters are not those that the evidence is of: another question was answered";
            return Err(StoreError::Forged { what: question::MEMBER, reason: reason.to_owned() }.into());
        }
        let mut answer = asked.query.run(&ground(checked)?, &question.options(&asked))?;
        let rows = answer.by_ref().collect::<Result<Vec<Row>>>()?;
        let (columns, is_events) = (answer.columns().to_vec(), answer.is_events());
        let written = question.encode(&asked);
        let Asked { query, known, means, .. } = asked;
        let tree = query.tree().clone();
        let is_sorted = tree.stages.iter().any(|stage| matches!(stage.node, Stage::Sort(_)));
        let is_timeline = is_events && matches!(tree.head, Head::Timeline(..)) && !is_sorted;
        Ok(Settled { question, means, tree, known, columns, is_events, is_timeline, rows, written })
    }

    /// The members that are not the engine's, in their order, and what they say.
    fn members(&self, checked: &Checked, key: &VerifierKey) -> Result<([Vec<u8>; 4], Bundle)> {
        let verdict = Verdict::of(self, checked, key, false)?;
        let mut answer = Vec::new();
        for row in &self.rows {
            answer.extend(row.to_json(&self.columns, None));
            answer.push(b'\n');
        }
        let (readme, report) = (readme::render(&verdict), report::render(self, &verdict)?);
        let members = [readme, report, self.written.clone(), answer.clone()];
        Ok((members, Bundle { verdict, answer, checkpoint: checked.note().clone() }))
    }

    fn tree(&self) -> &ast::Query {
        &self.tree
    }

    /// What an operand says.
    fn value(&self, operand: &Operand) -> String {
        match operand {
            Operand::Word(text) | Operand::Text(text) => text.clone(),
            Operand::Param(name) => self.question.parameters.get(name).cloned().unwrap_or_default(),
        }
    }
}

/// The records that queries are put to.
fn ground(checked: &Checked) -> Result<Disclosed> {
    let segments = checked.segments();
    let tail = segments.last().map_or(SegmentId(0), |last| SegmentId(last.end_seq));
    let segment = |seq: Seq| {
        let place = segments.partition_point(|segment| segment.end_seq <= seq);
        segments.get(place).map_or(tail, |segment| segment.id)
    };
    let records = checked.records().map(|record| Record {
        seq: record.seq,
        received_at: record.received_at,
        source: record.source,
        encoding: record.encoding,
        labels: record.labels.iter().map(str::to_owned).collect(),
        body: record.body.to_vec(),
        deleted: None,
        own_salt: None,
        segment: segment(record.seq),
        integrity: None,
    });
    let mut profiles = Vec::new();
    for (source, profile) in checked.sources().filter(|(source, _)| *source != 0) {
        profiles.push((source, Profile::parse(profile.text())?));
    }
    Disclosed::new(records, profiles)
}
