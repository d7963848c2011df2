//! What is odd about an answer, found when it is over: fields that no event has, values that could not be read, and where
//! nothing was found, what may have been meant otherwise.

use std::ops::Range;

use indelible_engine::Seq;
use indelible_engine::filter::{Field, Filter, Glob, Test};

use super::Answer;
use crate::error::Result;
use crate::ground::{self, Order};
use crate::plan::Source;
use crate::run::Context;
use crate::words::nearest;

/// So many ids are looked for that a query asks for, to tell which no event has.
const IDS_LOOKED_FOR_MAX: usize = 100;

impl Answer {
    /// Warns of fields that say nothing, and of such as could not always be read; where nothing was found, of what may have
    /// been meant otherwise.
    pub(super) fn look_back(&self) -> Result<()> {
        let (filter, seqs) = self.plan.range();
        for (plan, count) in self.context.ground.deleted(seqs.clone())? {
            self.context.warn(format!(
                "events in range that were deleted by the plan of record {plan}, and are in no answer: {count}"
            ));
        }
        for (id, evidence) in &self.plan.evidence {
            // One control that has rows has evidence.
            let has_rows = self.is_events && !self.is_empty && self.plan.evidence.len() == 1;
            if !has_rows && self.is_nowhere(evidence, seqs)? {
                self.context.warn(format!("nothing in range is evidence of {id}"));
            }
        }
        let times = times_of(filter);
        for source in &self.plan.fields {
            if self.has_found() && requires(filter, source) {
                self.look_for_unreadable(source, &times, seqs)?;
            } else {
                self.look_at(source, &times, seqs)?;
            }
        }
        for source in &self.plan.fields_beside {
            self.look_at(source, &Filter::everything(), &(0..Seq::MAX))?;
        }
        if self.has_found() {
            return self.look_for_ids(filter, 2);
        }
        for word in &self.plan.searched {
            self.context.warn(format!("`{word}` is searched for in the text of events"));
        }
        self.look_for_ids(filter, 1)?;
        self.suggest_values(filter)
    }

    /// Whether there is something to show, or there was before stages took it away that look at what no event has.
    fn has_found(&self) -> bool {
        !self.is_empty && self.context.has_found()
    }

    fn look_at(&self, source: &Source, times: &Filter, seqs: &Range<Seq>) -> Result<()> {
        let Some(field) = source.field() else { return Ok(()) };
        let exists = Filter::Field(field, Test::Exists).and(times.clone());
        if !self.is_nowhere(&exists, seqs)? {
            return self.look_for_unreadable(source, times, seqs);
        }
        match source {
            Source::Path(path) => {
                let path = path.to_string();
                let meant = nearest(&path, self.context.vocabulary.names());
                let meant = meant.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
                self.context.warn(format!("no event in range has anything at `{path}`{meant}"));
            }
            Source::Name(name) => self.context.warn(format!("no event in range has the field `{name}`")),
            Source::Builtin(_) | Source::Column(_) => {}
        }
        Ok(())
    }

    /// Warns of a named field that could not always be read. At a path nothing is unreadable.
    fn look_for_unreadable(&self, source: &Source, times: &Filter, seqs: &Range<Seq>) -> Result<()> {
        let Source::Name(name) = source else { return Ok(()) };
        let unreadable = Filter::Field(Field::Name(name.clone()), Test::Unreadable);
        // Mostly there is none in all of the log, which takes no look at times.
        if self.total(&unreadable, seqs)? == 0 {
            return Ok(());
        }
        let count = self.total(&unreadable.and(times.clone()), seqs)?;
        if count > 0 {
            self.context.warn(format!(
                "events in range whose `{name}` could not be read: {count} (unreadable({name}) finds them)"
            ));
        }
        Ok(())
    }

    /// Warns of ids that no event has, where at least so many are asked for.
    fn look_for_ids(&self, filter: &Filter, least: usize) -> Result<()> {
        for condition in conditions(filter) {
            let Filter::Ids(ids) = condition else { continue };
            for id in ids.iter().take(IDS_LOOKED_FOR_MAX).filter(|_| ids.len() >= least) {
                if self.is_nowhere(&Filter::Ids(vec![id.clone()]), &(0..Seq::MAX))? {
                    self.context.warn(format!("no event has the id `{id}`"));
                }
            }
        }
        Ok(())
    }

    /// Whether nothing matches, as far as it can be told without fetching anything: what may be in an archive is no reason
    /// to warn.
    fn is_nowhere(&self, filter: &Filter, seqs: &Range<Seq>) -> Result<bool> {
        let Context { ground, watch, .. } = &*self.context;
        if let Some(mut search) = ground.search(filter, seqs.clone(), watch)? {
            if !search.to_fetch(false)?.is_empty() {
                return Ok(false);
            }
            // The index knows, and the first that matches may be in an archive.
            if !search.to_fetch(true)?.is_empty() {
                return Ok(search.total()? == 0);
            }
        }
        let mut rows = ground.rows(filter, seqs.clone(), Order::NewestFirst, watch)?;
        Ok(rows.next().transpose()?.is_none())
    }

    fn total(&self, filter: &Filter, seqs: &Range<Seq>) -> Result<u64> {
        ground::total(&*self.context.ground, filter, seqs, &self.context.watch)
    }

    /// Says of values that no event has which one may have been meant.
    fn suggest_values(&self, filter: &Filter) -> Result<()> {
        for condition in conditions(filter) {
            let Filter::Field(Field::Name(name), Test::Equals(values)) = condition else { continue };
            let [value] = values.as_slice() else { continue };
            if value.is_glob() || self.total(condition, &(0..Seq::MAX))? > 0 {
                continue;
            }
            // Most slips leave the first letter as it is. A field with too many such words tells none.
            let first: String = value.as_str().chars().take(1).collect();
            let glob = Glob::new(&format!("{first}*"));
            let terms = self.context.ground.terms(name, &glob).unwrap_or_default();
            let known: Vec<_> = terms.keys().map(|term| String::from_utf8_lossy(&term.bytes)).collect();
            let meant = nearest(value.as_str(), known.iter().map(AsRef::as_ref))
                .map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
            self.context.warn(format!("no event has `{name}` = {}{meant}", value.as_str()));
        }
        Ok(())
    }
}

/// The conditions that all hold.
fn conditions(filter: &Filter) -> &[Filter] {
    match filter {
        Filter::All(conditions) => conditions,
        one => std::slice::from_ref(one),
    }
}

/// In which times all records lie that match.
fn times_of(filter: &Filter) -> Filter {
    let times = conditions(filter).iter().filter(|condition| matches!(condition, Filter::Time(..)));
    times.fold(Filter::everything(), |all, time| all.and(time.clone()))
}

/// Whether each record that matches has something at this field.
fn requires(filter: &Filter, source: &Source) -> bool {
    let field = source.field();
    conditions(filter).iter().any(|condition| match condition {
        Filter::Field(of, test) => Some(of) == field.as_ref() && *test != Test::Unreadable,
        _ => false,
    })
}
