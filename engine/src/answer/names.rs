//! Conditions on named fields: postings say which records match, but for fields that hold event ids or times.

use std::ops::Range;

use super::Trouble;
use super::bounds::Bounds;
use super::plan::Planner;
use super::set::Set;
use crate::filter::{Asked, Comparison, TermTest};
use crate::hash;
use crate::segment::Field;
use crate::source::{EventTime, FieldKind, Term, TermKind, compare_number_values};

/// What the index says of a condition on the field `name`.
pub(super) fn bounds(
    planner: &Planner<'_>,
    name: &str,
    asked: &Asked,
    within: &Set,
) -> Result<Bounds, Trouble> {
    let Some(field) = planner.stretch.field(name)? else { return Ok(Bounds::exact(Set::none())) };
    let mut bounds = Bounds::exact(by_terms(planner, &field, asked)?);
    for untermed in planner.stretch.untermed.iter().filter(|untermed| untermed.name == name) {
        let records = planner.of_source(untermed.source)?;
        let (sure, open) = (bounds.sure.minus(&records), bounds.open.minus(&records));
        let theirs = by_value(planner, &field, untermed.kind, asked, records.and(within.clone()))?;
        bounds = Bounds { sure, open }.or(theirs);
    }
    Ok(bounds)
}

/// The records of which the postings say that they match.
fn by_terms(planner: &Planner<'_>, field: &Field<'_>, asked: &Asked) -> Result<Set, Trouble> {
    let present = || planner.set(field.name(), b"present", field.present()?);
    let unreadable = || planner.set(field.name(), b"unreadable", field.unreadable()?);
    Ok(match asked {
        Asked::Exists => present()?.or(unreadable()?),
        Asked::Unreadable => unreadable()?,
        Asked::Some(test) => passing(planner, field, test)?,
        Asked::None(test) => present()?.minus(&passing(planner, field, test)?),
    })
}

/// The same for `records`, whose profile says that the field is their event id or event time.
fn by_value(
    planner: &Planner<'_>,
    field: &Field<'_>,
    kind: FieldKind,
    asked: &Asked,
    records: Set,
) -> Result<Bounds, Trouble> {
    let present = || planner.set(field.name(), b"present", field.present()?);
    let unreadable = || planner.set(field.name(), b"unreadable", field.unreadable()?);
    let present = present()?;
    match asked {
        Asked::Exists => {
            let unreadable = unreadable()?;
            return Ok(Bounds::exact(present.or(unreadable).and(records)));
        }
        // Of several values one may have been read: then the field is not called unreadable.
        Asked::Unreadable => {
            let unreadable = unreadable()?;
            return Ok(Bounds::exact(unreadable.minus(&present).and(records)));
        }
        Asked::Some(_) | Asked::None(_) => {}
    }
    let records = records.and(present);
    match (kind, asked) {
        (FieldKind::Time, Asked::Some(test)) => Ok(Bounds::exact(at_times(planner, test, true, records)?)),
        (FieldKind::Time, Asked::None(test)) => Ok(Bounds::exact(at_times(planner, test, false, records)?)),
        (_, Asked::Some(TermTest::OneOf(terms, globs))) if globs.is_empty() => {
            let ids = terms.iter().filter(|(kind, _)| *kind == TermKind::Text);
            let open = planner.with_ids(ids.map(|(_, id)| hash::event_id_prefix(id)))?;
            Ok(Bounds::open(open.and(records)))
        }
        _ => Ok(Bounds::open(records)),
    }
}

/// Those of `records`, whose event time is known, of whose time the test says `passes`.
fn at_times(planner: &Planner<'_>, test: &TermTest, passes: bool, records: Set) -> Result<Set, Trouble> {
    let mut found = Vec::new();
    for offset in records.offsets(false) {
        let Some(EventTime::Known(time)) = planner.stretch.sidecar.event_time(offset)? else { continue };
        let holds = match test {
            TermTest::Time(comparison, wanted) => comparison.holds(time.cmp(wanted)),
            _ => test.passes(Term { kind: TermKind::Text, bytes: time.to_string().as_bytes() }),
        };
        if holds == passes {
            found.push(offset);
        }
    }
    Ok(found.into_iter().collect())
}

/// The records with a term that passes.
fn passing(planner: &Planner<'_>, field: &Field<'_>, test: &TermTest) -> Result<Set, Trouble> {
    let mut set = Set::none();
    each_passing(field, test, |ordinal, term| {
        planner.watch.check()?;
        let posting = field.posting(ordinal)?;
        let found = planner.set(field.name(), term.bytes, posting)?;
        set = std::mem::replace(&mut set, Set::none()).or(found);
        Ok(())
    })?;
    Ok(set)
}

/// The terms that pass, where these are few and known: their postings name just the records that match.
pub(super) fn terms<'t>(
    planner: &Planner<'_>,
    name: &str,
    test: &'t TermTest,
) -> Option<&'t [(TermKind, Vec<u8>)]> {
    match test {
        TermTest::OneOf(terms, globs) if globs.is_empty() && !planner.stretch.is_untermed(name) => {
            Some(terms)
        }
        _ => None,
    }
}

/// Calls `visit` for each term of the field that passes, with its ordinal; no more of the dictionary is looked at
/// than may hold one.
pub(super) fn each_passing<'f>(
    field: &Field<'f>,
    test: &TermTest,
    mut visit: impl FnMut(u32, Term<'f>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut walk = |ordinals: Range<u32>, is_sure: bool| -> Result<(), Trouble> {
        for ordinal in ordinals {
            let Some(term) = field.term(ordinal)? else { continue };
            if is_sure || test.passes(term) {
                visit(ordinal, term)?;
            }
        }
        Ok(())
    };
    match test {
        TermTest::OneOf(terms, globs) if globs.is_empty() => {
            let mut ordinals = Vec::new();
            for (kind, bytes) in terms {
                ordinals.extend(field.find(Term { kind: *kind, bytes })?);
            }
            ordinals.sort_unstable();
            ordinals.dedup();
            ordinals.into_iter().try_for_each(|ordinal| walk(ordinal..ordinal + 1, true))
        }
        TermTest::OneOf(terms, globs) => {
            let texts = field.ordinals(TermKind::Text);
            if let ([], [glob]) = (terms.as_slice(), globs.as_slice()) {
                return walk(with_prefix(field, texts, glob.prefix())?, false);
            }
            walk(0..field.term_count(), false)
        }
        TermTest::Number(comparison, number) => {
            let all = field.ordinals(TermKind::Number);
            let below = |or_equal: bool| {
                field.partition_point(all.clone(), |term| {
                    let order = compare_number_values(term.bytes, number);
                    order.is_lt() || or_equal && order.is_eq()
                })
            };
            let passing = match comparison {
                Comparison::Less => all.start..below(false)?,
                Comparison::LessOrEqual => all.start..below(true)?,
                Comparison::Greater => below(true)?..all.end,
                Comparison::GreaterOrEqual => below(false)?..all.end,
            };
            walk(passing, true)
        }
        TermTest::Time(..) => walk(field.ordinals(TermKind::Text), false),
        TermTest::Regex(_) => {
            walk(field.ordinals(TermKind::Text), false)?;
            walk(field.ordinals(TermKind::Number), false)
        }
    }
}

/// The ordinals among `texts` whose terms begin with `prefix`.
pub(super) fn with_prefix(
    field: &Field<'_>,
    texts: Range<u32>,
    prefix: &[u8],
) -> Result<Range<u32>, Trouble> {
    let start = field.partition_point(texts.clone(), |term| term.bytes < prefix)?;
    let end = field.partition_point(start..texts.end, |term| term.bytes.starts_with(prefix))?;
    Ok(start..end)
}
