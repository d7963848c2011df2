//! Carrying out a plan: rows are pulled through the steps, one after another.
//!
//! Steps that must see all rows hold them, within one budget for the whole query. Every search looks at the same
//! [`Watch`], so that one call stops them all.

mod base;
mod beside;
mod coverage;
mod eval;
mod explain;
mod group;
mod near;
mod order;
mod pick;
mod predicate;
mod row;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use indelible_engine::answer::Watch;

use crate::error::{ADVICE, Error, Result};
use crate::ground::Ground;
use crate::plan::{Plan, Step, StepKind};
use crate::vocabulary::Vocabulary;

pub(crate) use base::base;
pub(crate) use explain::{COLUMNS as EXPLAIN_COLUMNS, explain};
pub use row::Row;

/// Rows that are still to come.
pub type Rows = Box<dyn Iterator<Item = Result<Row>> + Send>;

/// What all steps of a query share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) ground: Arc<dyn Ground>,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) watch: Arc<Watch>,
    held: AtomicUsize,
    held_max: usize,
    /// Whether there was a record to make rows of.
    has_found: AtomicBool,
    /// What is odd about the answer, each said once.
    warnings: Mutex<BTreeSet<String>>,
    /// How far each step is, the base first.
    meters: Mutex<Vec<Arc<Meter>>>,
}

/// About how many bytes an entry of a hash table takes beside what it points to: a table has up to twice as many places
/// as entries.
pub(crate) const fn slot_len<T>() -> usize {
    2 * (size_of::<T>() + 1)
}

/// How many rows a step gave, and in what time, the steps before it included.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) text: String,
    pub(crate) holds: bool,
    pub(crate) rows: AtomicU64,
    pub(crate) nanos: AtomicU64,
}

impl Context {
    pub(crate) fn new(
        ground: Arc<dyn Ground>,
        vocabulary: &Vocabulary,
        watch: Arc<Watch>,
        held_max: usize,
    ) -> Context {
        Context {
            ground,
            vocabulary: vocabulary.clone(),
            watch,
            held: AtomicUsize::new(0),
            held_max,
            has_found: AtomicBool::new(false),
            warnings: Mutex::default(),
            meters: Mutex::default(),
        }
    }

    /// Counts `len` bytes more that a step holds.
    pub(crate) fn hold(&self, step: &str, len: usize) -> Result<()> {
        let held = self.held.fetch_add(len, Ordering::Relaxed).saturating_add(len);
        if held <= self.held_max {
            return Ok(());
        }
        Err(Error::OverMemory { stage: step.to_owned(), limit: self.held_max, advice: ADVICE })
    }

    /// Counts `len` bytes less.
    pub(crate) fn release(&self, len: usize) {
        self.held.fetch_sub(len, Ordering::Relaxed);
    }

    /// Remembers that there was a record to make rows of, where `has` says so.
    pub(crate) fn found(&self, has: bool) {
        self.has_found.fetch_or(has, Ordering::Relaxed);
    }

    /// Whether there was a record to make rows of: a count of none is a row too.
    pub(crate) fn has_found(&self) -> bool {
        self.has_found.load(Ordering::Relaxed)
    }

    pub(crate) fn warn(&self, warning: String) {
        lock(&self.warnings).insert(warning);
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        lock(&self.warnings).iter().cloned().collect()
    }

    pub(crate) fn meters(&self) -> Vec<Arc<Meter>> {
        lock(&self.meters).clone()
    }

    /// The rows, counted and timed as they pass.
    pub(crate) fn metered(&self, text: &str, holds: bool, mut rows: Rows) -> Rows {
        let meter = Arc::new(Meter { text: text.to_owned(), holds, ..Meter::default() });
        lock(&self.meters).push(Arc::clone(&meter));
        Box::new(std::iter::from_fn(move || {
            let start = Instant::now();
            let row = rows.next();
            let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            meter.nanos.fetch_add(nanos, Ordering::Relaxed);
            meter.rows.fetch_add(u64::from(row.is_some()), Ordering::Relaxed);
            row
        }))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// All rows of a plan; each step's are metered where `is_metered`.
pub(crate) fn rows(plan: &Plan, context: &Arc<Context>, is_metered: bool) -> Result<Rows> {
    let (mut rows, done) = base(plan, context)?;
    if is_metered {
        let text = match plan.steps.first().filter(|_| done > 0) {
            Some(step) => format!("{}, by index", step.text),
            None => "search".to_owned(),
        };
        rows = context.metered(&text, done > 0, rows);
    }
    let mut steps = plan.steps.iter().skip(done).peekable();
    while let Some(step) = steps.next() {
        // Of sorted rows no more need be held than the limit behind lets pass.
        let limit = match steps.peek() {
            Some(Step { kind: StepKind::Limit(limit), .. }) => Some(*limit),
            _ => None,
        };
        rows = apply(step, limit, rows, context)?;
        if is_metered {
            rows = context.metered(&step.text, step.kind.holds(), rows);
        }
    }
    Ok(rows)
}

fn apply(step: &Step, limit: Option<u64>, rows: Rows, context: &Arc<Context>) -> Result<Rows> {
    let text = step.text.clone();
    let context = Arc::clone(context);
    Ok(match &step.kind {
        StepKind::Via(by) => pick::via(by, rows)?,
        StepKind::TimeOrder => order::by_time(limit, text, rows, context),
        StepKind::Where(predicate) => predicate::keep(predicate, rows)?,
        StepKind::Fields(exprs) => pick::fields(exprs, rows),
        StepKind::Sort(keys) => order::by_keys(keys, limit, text, rows, context),
        StepKind::Limit(count) => pick::limit(*count, rows),
        StepKind::Tail(count) => pick::tail(*count, text, rows, context),
        StepKind::Sample { count, seed } => pick::sample(*count, *seed, text, rows, context),
        StepKind::Group { keys, aggregates } => group::group(keys, aggregates, text, rows, context),
        StepKind::Distinct(exprs) => pick::distinct(exprs, text, rows, context),
        StepKind::First(keys) => pick::first(keys, text, rows, context),
        StepKind::Last(keys) => pick::last(keys, text, rows, context),
        StepKind::Beside(plan) => beside::beside(plan, text, rows, context)?,
    })
}

/// Rows that are made all at once, when the first of them is asked for.
fn held(make: impl FnOnce() -> Result<Vec<Row>> + Send + 'static) -> Rows {
    let mut make = Some(make);
    let mut made = Vec::new().into_iter();
    Box::new(std::iter::from_fn(move || {
        if let Some(make) = make.take() {
            match make() {
                Ok(rows) => made = rows.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        made.next().map(Ok)
    }))
}

/// Passes rows through `each`, which may drop some, until the first error.
fn through(rows: Rows, mut each: impl FnMut(Row) -> Result<Option<Row>> + Send + 'static) -> Rows {
    let mut rows = Some(rows);
    Box::new(std::iter::from_fn(move || {
        loop {
            let result = rows.as_mut()?.next()?.and_then(&mut each);
            match result {
                Ok(None) => {}
                Ok(Some(row)) => return Some(Ok(row)),
                Err(error) => {
                    rows = None;
                    return Some(Err(error));
                }
            }
        }
    }))
}
