//! The face of the crate: a query is parsed, given its parameters, and run on a log, or on records of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use indelible_engine::answer::Watch;
use indelible_engine::filter::{Field, Filter, Glob, Test};
use indelible_engine::source::Path;
use indelible_engine::{Seq, Snapshot, Timestamp};

use crate::ast::{self, Head, Operand};
use crate::controls::{Controls, NoControls};
use crate::error::{Problem, Problems, Result};
use crate::grammar;
use crate::ground::{self, Ground, Order};
use crate::plan::{Base, Plan, Source};
use crate::resolve::{Setting, resolve};
use crate::run::{self, Context, Row, Rows};
use crate::span::Span;
use crate::vocabulary::Vocabulary;
use crate::words::nearest;

/// What all stages of a query may hold, in bytes, unless told otherwise: with all that it needs beside, a query stays below
/// 64 MiB. Mapped pages of the store do not count.
pub const HELD_MAX_DEFAULT: usize = 48 << 20;

/// How a query is run.
#[derive(Clone)]
pub struct Options<'o> {
    /// The present time, from which `since 24h` counts back.
    pub now: Timestamp,
    /// Whether the store's own records are among the answers, named or not.
    pub all: bool,
    /// Only records in this range of seqs are looked at; what `preceded by` looks for may stand anywhere.
    pub seqs: Range<Seq>,
    /// What all stages together may hold, in bytes.
    pub held_max: usize,
    /// The catalogue of controls, and which events are evidence of each; without it, those of the log.
    pub controls: Option<&'o dyn Controls>,
    /// Tells another thread how far the query is, and lets it be stopped.
    pub watch: Arc<Watch>,
}

impl Options<'_> {
    /// The usual options at this time.
    pub fn at(now: Timestamp) -> Options<'static> {
        let (seqs, held_max) = (0..Seq::MAX, HELD_MAX_DEFAULT);
        Options { now, all: false, seqs, held_max, controls: None, watch: Arc::default() }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { now, all, seqs, held_max, watch, .. } = self;
        f.debug_struct("Options")
            .field("now", now)
            .field("all", all)
            .field("seqs", seqs)
            .field("held_max", held_max)
            .field("watch", watch)
            .finish_non_exhaustive()
    }
}

/// A query that makes sense. It can be run many times, on any ground, with other values of its parameters; its names
/// mean what they meant when it was read.
#[derive(Debug, Clone)]
pub struct Query {
    text: String,
    tree: ast::Query,
    vocabulary: Vocabulary,
    parameters: BTreeMap<String, String>,
}

impl Query {
    /// Reads a query whose names are those of `vocabulary`.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query) with all that is wrong with it.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Query> {
        let (tree, mut problems) = grammar::parse(text);
        // Controls are known when it is run; a framework that is none is complained about then.
        let setting = Setting {
            vocabulary,
            controls: &NoControls,
            now: Timestamp(0),
            all: false,
            parameters: None,
            is_check: true,
        };
        // What could be read may make no sense either: all of it is told at once.
        if let Err(more) = resolve(text, &tree, &setting) {
            problems.extend(more.problems);
        }
        if !problems.is_empty() {
            return Err(Problems::new(text, problems).into());
        }
        let vocabulary = vocabulary.clone();
        Ok(Query { text: text.to_owned(), tree, vocabulary, parameters: BTreeMap::new() })
    }

    /// The same query with a value for its parameter `$name`: exactly this text, or a time or number where one is
    /// asked for.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query) where it has no such parameter.
    pub fn bind(mut self, name: &str, value: impl Into<String>) -> Result<Query> {
        let known = self.parameters();
        if !known.contains(&name) {
            let problem = Problem::new(Span::default(), format!("the query has no parameter ${name}"));
            let problem = match nearest(name, known.iter().copied()) {
                Some(word) => problem.help(format!("did you mean ${word}?")),
                None => problem,
            };
            return Err(Problems::new(&self.text, vec![problem]).into());
        }
        self.parameters.insert(name.to_owned(), value.into());
        Ok(self)
    }

    /// The names of its parameters, each once.
    pub fn parameters(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.tree.each_operand(&mut |operand| {
            if let Operand::Param(name) = operand
                && !names.contains(&name.as_str())
            {
                names.push(name);
            }
        });
        names
    }

    /// The query's tree.
    pub fn tree(&self) -> &ast::Query {
        &self.tree
    }

    /// Runs the query. What can be answered by index alone is answered when the first row is asked for.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query) where a parameter has no value; whatever reading the store says.
    pub fn run<G: Ground + Clone + 'static>(&self, ground: &G, options: &Options<'_>) -> Result<Answer> {
        // They are read only for a query that asks about controls.
        let of_log = match self.tree.head {
            Head::Control(_) | Head::Controls(_) if options.controls.is_none() => Some(ground.controls()?),
            _ => None,
        };
        let of_log = of_log.as_ref().map_or(&NoControls as &dyn Controls, |controls| controls);
        let (plan, warnings) = self.plan(options.controls.unwrap_or(of_log), options)?;
        let ground = Arc::new(ground.clone());
        let context =
            Arc::new(Context::new(ground, &self.vocabulary, Arc::clone(&options.watch), options.held_max));
        warnings.into_iter().for_each(|warning| context.warn(warning));
        let is_events = plan.shape.events && !self.tree.explain;
        let (rows, columns): (Rows, Vec<String>) = if self.tree.explain {
            let rows = run::explain(&plan, &context)?.into_iter().map(Ok);
            (Box::new(rows), run::EXPLAIN_COLUMNS.map(str::to_owned).into())
        } else {
            let rows = run::rows(&plan, &context, false)?;
            (rows, plan.shape.columns.iter().map(|column| column.name.clone()).collect())
        };
        Ok(Answer { rows, columns, is_events, plan, context, is_empty: true, is_over: false })
    }
}

impl Query {
    /// What is carried out, and what is odd about it.
    fn plan(&self, controls: &dyn Controls, options: &Options<'_>) -> Result<(Plan, Vec<String>)> {
        let setting = Setting {
            vocabulary: &self.vocabulary,
            controls,
            now: options.now,
            all: options.all,
            parameters: Some(&self.parameters),
            is_check: false,
        };
        let (mut plan, warnings) = resolve(&self.text, &self.tree, &setting)?;
        let seqs = match &mut plan.base {
            Base::Search(_, seqs) => seqs,
            Base::Coverage(coverage) => &mut coverage.seqs,
        };
        *seqs = seqs.start.max(options.seqs.start)..seqs.end.min(options.seqs.end);
        Ok((plan, warnings))
    }

    /// Every filter that the query puts to a log with these controls: its own, and that of each `preceded by` and its
    /// like. Whoever has all records that these may match gets the same answer of them as of the log.
    ///
    /// # Errors
    /// As [`Query::run`].
    pub(crate) fn filters(&self, controls: &dyn Controls, options: &Options<'_>) -> Result<Vec<Filter>> {
        Ok(self.plan(controls, options)?.0.filters())
    }

    /// The query as it means the same at any time, in its one spelling: what counts back from the present is a moment,
    /// and parameters are their values.
    pub fn settled(&self, now: Timestamp) -> String {
        self.tree.settled(now, &self.parameters).to_string()
    }
}

/// The query in its one spelling.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}

/// Answers a query as of the snapshot's last record, with the usual options.
///
/// # Errors
/// As [`Query::parse`] and [`Query::run`].
pub fn query(snapshot: &Snapshot, text: &str) -> Result<Answer> {
    let vocabulary = Vocabulary::of(snapshot)?;
    Query::parse(text, &vocabulary)?.run(snapshot, &Options::at(snapshot.received_at()))
}

/// The rows of an answer, one after another.
pub struct Answer {
    rows: Rows,
    columns: Vec<String>,
    is_events: bool,
    plan: Plan,
    context: Arc<Context>,
    is_empty: bool,
    is_over: bool,
}

impl Answer {
    /// The names of the columns: all of a table's, and of events those that the query added.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether the rows are events, rather than rows of a table.
    pub fn is_events(&self) -> bool {
        self.is_events
    }

    /// What is odd about the query, or about the rows that were read so far: fields that no event has, values that
    /// could not be read, words that may have been meant otherwise. To be asked last: it looks into the store.
    ///
    /// # Errors
    /// Whatever reading the store says.
    pub fn warnings(&self) -> Result<Vec<String>> {
        self.look_back()?;
        Ok(self.context.warnings())
    }

    /// Warns of fields that say nothing, and of such as could not always be read.
    fn look_back(&self) -> Result<()> {
        let everywhere = 0..Seq::MAX;
        let seqs = if let Base::Search(_, seqs) = &self.plan.base { seqs } else { &everywhere };
        for (plan, count) in self.context.ground.deleted(seqs.clone())? {
            self.context.warn(format!(
                "events in range that were deleted by the plan of record {plan}, and are in no answer: {count}"
            ));
        }
        let Base::Search(filter, seqs) = &self.plan.base else { return Ok(()) };
        for (id, evidence) in &self.plan.evidence {
            // One control that has rows has evidence.
            let has_rows = self.is_events && !self.is_empty && self.plan.evidence.len() == 1;
            if !has_rows && self.is_nowhere(evidence, seqs)? {
                self.context.warn(format!("nothing in range is evidence of {id}"));
            }
        }
        for source in &self.plan.fields {
            match source {
                Source::Name(name) => self.look_at_name(name, seqs)?,
                // To find out costs a look at the events: only where the answer would be silent otherwise.
                Source::Path(path) if self.is_empty => self.look_at_path(path, seqs)?,
                _ => {}
            }
        }
        if self.is_empty { self.suggest_values(filter) } else { Ok(()) }
    }

    fn look_at_name(&self, name: &str, seqs: &Range<Seq>) -> Result<()> {
        let asks = |test| Filter::Field(Field::Name(name.to_owned()), test);
        if self.total(&asks(Test::Exists), seqs)? == 0 {
            self.context.warn(format!("no event in range has the field `{name}`"));
        }
        let unreadable = self.total(&asks(Test::Unreadable), seqs)?;
        if unreadable > 0 {
            self.context.warn(format!(
                "events in range whose `{name}` could not be read: {unreadable} (unreadable({name}) finds them)"
            ));
        }
        Ok(())
    }

    fn look_at_path(&self, path: &Path, seqs: &Range<Seq>) -> Result<()> {
        let exists = Filter::Field(Field::Path(path.clone()), Test::Exists);
        if self.is_nowhere(&exists, seqs)? {
            let path = path.to_string();
            let meant = nearest(&path, self.context.vocabulary.names());
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
            self.context.warn(format!("no event in range has anything at `{path}`{meant}"));
        }
        Ok(())
    }

    fn is_nowhere(&self, filter: &Filter, seqs: &Range<Seq>) -> Result<bool> {
        let Context { ground, watch, .. } = &*self.context;
        let mut rows = ground.rows(filter, seqs.clone(), Order::OldestFirst, watch)?;
        Ok(rows.next().transpose()?.is_none())
    }

    fn total(&self, filter: &Filter, seqs: &Range<Seq>) -> Result<u64> {
        ground::total(&*self.context.ground, filter, seqs, &self.context.watch)
    }

    /// Says of values that no event has which one may have been meant.
    fn suggest_values(&self, filter: &Filter) -> Result<()> {
        let conditions = match filter {
            Filter::All(conditions) => conditions.as_slice(),
            one => std::slice::from_ref(one),
        };
        for condition in conditions {
            let Filter::Field(Field::Name(name), Test::Equals(values)) = condition else { continue };
            let [value] = values.as_slice() else { continue };
            if value.is_glob() || self.total(condition, &(0..Seq::MAX))? > 0 {
                continue;
            }
            // Most slips leave the first letter as it is. A field with too many such words tells none.
            let first: String = value.as_str().chars().take(1).collect();
            let Ok(terms) = self.context.ground.terms(name, &Glob::new(&format!("{first}*"))) else {
                continue;
            };
            let known: Vec<_> = terms.keys().map(|term| String::from_utf8_lossy(&term.bytes)).collect();
            let meant = nearest(value.as_str(), known.iter().map(AsRef::as_ref))
                .map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
            self.context.warn(format!("no event has `{name}` = {}{meant}", value.as_str()));
        }
        Ok(())
    }
}

impl Iterator for Answer {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        if self.is_over {
            return None;
        }
        let row = self.rows.next();
        self.is_empty &= row.is_none();
        self.is_over = !matches!(row, Some(Ok(_)));
        row
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("columns", &self.columns).finish_non_exhaustive()
    }
}
