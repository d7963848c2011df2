//! Counts of the matching records by the values of fields: from postings where these can tell, else by reading.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Trouble;
use super::hit::Hit;
use super::memo::MemoKey;
use super::plan::{count_without, set_of};
use super::search::Search;
use super::set::Set;
use super::stretch::Stretch;
use crate::filter::{Node, Place};
use crate::index::compare_terms;
use crate::segment::{Field, Posting};
use crate::source::{EventTime, Term, TermKind};
use crate::{Error, Result, limits};

/// A value of a field that owns its bytes. Texts, numbers, truth values and nulls in this order; numbers by value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnedTerm {
    /// Its type.
    pub kind: TermKind,
    /// Its canonical bytes.
    pub bytes: Box<[u8]>,
}

impl OwnedTerm {
    /// The value, borrowed.
    pub fn as_term(&self) -> Term<'_> {
        Term { kind: self.kind, bytes: &self.bytes }
    }
}

impl From<Term<'_>> for OwnedTerm {
    fn from(term: Term<'_>) -> OwnedTerm {
        OwnedTerm { kind: term.kind, bytes: term.bytes.into() }
    }
}

impl PartialOrd for OwnedTerm {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OwnedTerm {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_terms(self.as_term(), other.as_term())
    }
}

/// What the records of a group have in common in one field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupKey {
    /// This value.
    Term(OwnedTerm),
    /// Nothing there.
    Absent,
    /// Something there that could not be read.
    Unreadable,
}

/// The matching records, counted by the values of some fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// For each combination of values, one of each field, in order, the count of the records that have it. A record
    /// that has several values of a field counts for each.
    pub counts: BTreeMap<Vec<GroupKey>, u64>,
    /// How many records match.
    pub records: u64,
}

impl Search {
    /// Counts the records that match by the values of these fields.
    ///
    /// # Errors
    /// As [`Search::total`]; [`Error::OverLimit`] for more groups than [`GROUPS_MAX`](limits::GROUPS_MAX), or than about
    /// 56 MiB hold.
    pub fn group_by(&mut self, fields: &[&str]) -> Result<Groups> {
        let memo = self.memo_key(fields);
        let known = memo.as_ref().and_then(|key| self.as_of.opened.memo.get(key, &self.as_of));
        let (known_to, known) = known.unwrap_or_default();
        // What is known ends where a view does: only those behind it are looked at.
        let seqs = self.seqs.clone();
        self.seqs.start = seqs.start.max(known_to);
        let groups = self.group_on(known, memo.as_ref(), fields);
        self.seqs = seqs;
        groups
    }

    /// Adds the records of the pieces that are left to what is counted of those before.
    fn group_on(&mut self, mut groups: Groups, memo: Option<&MemoKey>, fields: &[&str]) -> Result<Groups> {
        let as_of = Arc::clone(&self.as_of);
        let last = as_of.views.len().saturating_sub(1);
        for piece in self.take_pieces()? {
            let view = as_of.view(piece)?;
            let seqs = self.of_piece(piece)?;
            self.watch.pass(seqs.end - seqs.start);
            if let Some(key) = memo {
                // The last view of the active segment grows; where it begins, later snapshots' views mostly do too.
                let is_sealed = view.first_seq == as_of.head.active.0;
                if is_sealed || piece == last {
                    as_of.opened.memo.put(key, view.first_seq, is_sealed, &groups);
                }
            }
            // A piece that has to be asked twice must not count twice.
            let of_piece = self.ask(piece, |search, stretch| search.group_piece(piece, stretch, fields))?;
            groups.records += of_piece.records;
            for (key, count) in of_piece.counts {
                *groups.counts.entry(key).or_default() += count;
            }
            check_limit(groups_max(fields), &groups)?;
        }
        Ok(groups)
    }

    /// Under which the counts are remembered: where all records are asked about, the store's own
    /// among them or not, and one field, and none was handed out before.
    fn memo_key(&self, fields: &[&str]) -> Option<MemoKey> {
        let [field] = fields else { return None };
        let is_whole = self.seqs == (0..self.as_of.head.next_seq) && self.pieces.is_none();
        let with_own = match self.matcher.root() {
            Node::All(nodes) if nodes.is_empty() => true,
            Node::Not(node) if matches!(**node, Node::StoreRecord) => false,
            _ => return None,
        };
        let rewritten_by = self.as_of.views.iter().map(|view| view.rewritten_by).max().unwrap_or(0);
        is_whole.then(|| MemoKey { field: (*field).to_owned(), with_own, rewritten_by })
    }

    fn group_piece(
        &mut self,
        piece: usize,
        stretch: &Arc<Stretch>,
        fields: &[&str],
    ) -> Result<Groups, Trouble> {
        let mut groups = Groups::default();
        let seqs = self.of_piece(piece)?;
        let records = self.matching(stretch, self.candidates(piece, stretch, &seqs))?;
        groups.records = records.len();
        if records.is_empty() {
            return Ok(groups);
        }
        if postings_serve(stretch, fields, &records)? {
            let mut key = Vec::with_capacity(fields.len());
            by_postings(stretch, fields, &records, &mut key, groups_max(fields), &mut groups)?;
            return Ok(groups);
        }
        let limit = groups_max(fields);
        for offset in records.offsets(false) {
            self.watch.check()?;
            let hit = stretch.hit(offset)?;
            add_row(&hit, fields, &mut Vec::with_capacity(fields.len()), limit, &mut groups)?;
        }
        Ok(groups)
    }
}

/// How many bytes groups may take in memory, and how many one does, about: by itself, and for each field.
const GROUPS_LEN_MAX: u64 = 56 << 20;
const GROUP_LEN: u64 = 200;
const GROUP_LEN_OF_FIELD: u64 = 80;

/// How many groups there may be.
fn groups_max(fields: &[&str]) -> u64 {
    let held = GROUPS_LEN_MAX / (GROUP_LEN + GROUP_LEN_OF_FIELD * fields.len() as u64);
    limits::GROUPS_MAX.min(held)
}

fn check_limit(limit: u64, groups: &Groups) -> Result<()> {
    let found = groups.counts.len() as u64;
    if found <= limit {
        return Ok(());
    }
    Err(Error::OverLimit { what: "the number of groups", found, limit })
}

/// Whether postings know all values of these fields, and to look through them is less work than to read the records.
fn postings_serve(stretch: &Stretch, fields: &[&str], records: &Set) -> Result<bool, Trouble> {
    let mut combinations = 1_u64;
    for name in fields {
        if stretch.untermed.iter().any(|untermed| untermed.name == *name) {
            return Ok(false);
        }
        let terms = stretch.sidecar.field(name)?.map_or(0, |field| u64::from(field.term_count()));
        combinations = combinations.saturating_mul(terms + 2);
    }
    // Nothing is fetched for what is known here.
    let is_counted =
        stretch.text.is_archived() || fields.len() == 1 && matches!(records, Set::Range(_) | Set::Except(..));
    // To intersect what two fields' terms are carried by takes longer than to read a few records.
    let work = if fields.len() == 1 { combinations / 2 } else { combinations.saturating_mul(8) };
    Ok(is_counted || work <= records.len())
}

fn by_postings(
    stretch: &Stretch,
    fields: &[&str],
    records: &Set,
    key: &mut Vec<GroupKey>,
    limit: u64,
    groups: &mut Groups,
) -> Result<(), Trouble> {
    let Some((name, rest)) = fields.split_first() else {
        *groups.counts.entry(key.clone()).or_default() += records.len();
        return Ok(check_limit(limit, groups)?);
    };
    let mut visit = |of_key: GroupKey, posting: Option<Posting<'_>>| -> Result<(), Trouble> {
        let everything = 0..stretch.count();
        let counted = match (posting, records) {
            _ if !rest.is_empty() => None,
            (Some(posting), Set::Range(range)) => Some(u64::from(posting.count_in(range)?)),
            (Some(posting), Set::Except(range, few)) if posting.count() > 0 => {
                Some(count_without(posting, range, few.clone())?)
            }
            (Some(posting), _) if posting.count() == 0 => Some(0),
            (None, _) => Some(records.len()),
            _ => None,
        };
        key.push(of_key);
        if let Some(count) = counted {
            if count > 0 {
                *groups.counts.entry(key.clone()).or_default() += count;
                check_limit(limit, groups)?;
            }
        } else {
            let these = match posting {
                Some(posting) if records.covers(&everything) => set_of(posting)?,
                Some(posting) => set_of(posting)?.and(records.clone()),
                None => records.clone(),
            };
            if !these.is_empty() {
                by_postings(stretch, rest, &these, key, limit, groups)?;
            }
        }
        key.pop();
        Ok(())
    };
    let Some(field) = stretch.sidecar.field(name)? else { return visit(GroupKey::Absent, None) };
    each_term(&field, |term, posting| visit(GroupKey::Term(term.into()), Some(posting)))?;
    visit(GroupKey::Absent, Some(field.absent()?))?;
    visit(GroupKey::Unreadable, Some(field.unreadable()?))
}

/// Calls `visit` for each term of a field with its posting.
pub(super) fn each_term<'f>(
    field: &Field<'f>,
    mut visit: impl FnMut(Term<'f>, Posting<'f>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    for ordinal in 0..field.term_count() {
        if let Some(term) = field.term(ordinal)? {
            visit(term, field.posting(ordinal)?)?;
        }
    }
    Ok(())
}

/// Adds one record to the groups of all combinations of its values: there may be many of a single one.
fn add_row(
    hit: &Hit,
    fields: &[&str],
    key: &mut Vec<GroupKey>,
    limit: u64,
    groups: &mut Groups,
) -> Result<()> {
    let Some((name, rest)) = fields.split_first() else {
        *groups.counts.entry(key.clone()).or_default() += 1;
        return check_limit(limit, groups);
    };
    for of_key in keys(hit, name)? {
        key.push(of_key);
        add_row(hit, rest, key, limit, groups)?;
        key.pop();
    }
    Ok(())
}

/// What a record has in the field `name`: its values, each once, or that there is none.
pub(super) fn keys(hit: &Hit, name: &str) -> Result<Vec<GroupKey>> {
    let term = |kind, bytes: &[u8]| GroupKey::Term(Term { kind, bytes }.into());
    let text = |text: &str| vec![term(TermKind::Text, text.as_bytes())];
    let number = |number: u64| vec![term(TermKind::Number, number.to_string().as_bytes())];
    let none = |unreadable: bool| vec![if unreadable { GroupKey::Unreadable } else { GroupKey::Absent }];
    let fields = hit.fields()?;
    let mut keys = match Place::of(hit.profile(), name) {
        Place::Nowhere => none(false),
        Place::Source => number(hit.source),
        Place::Encoding => number(u64::from(hit.encoding)),
        Place::Label => hit.labels().iter().map(|label| term(TermKind::Text, label.as_bytes())).collect(),
        Place::Day | Place::EventTime(_) => match fields.time() {
            EventTime::Known(time) if name == "day" => text(&time.day_text()),
            EventTime::Known(time) => text(&time.to_string()),
            time => none(time == EventTime::Unreadable),
        },
        Place::EventId(slot) => match fields.event_id() {
            Some(id) => vec![term(TermKind::Text, id)],
            None => none(fields.unreadable().contains(&slot)),
        },
        Place::Slot(slot) => {
            let mut keys: Vec<GroupKey> = fields
                .terms()
                .filter(|(at, _)| *at == slot)
                .map(|(_, term)| GroupKey::Term(term.into()))
                .collect();
            if fields.unreadable().contains(&slot) {
                keys.push(GroupKey::Unreadable);
            }
            keys
        }
    };
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        keys.push(GroupKey::Absent);
    }
    Ok(keys)
}
