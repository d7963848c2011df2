//! The face of the crate: a query is parsed, given its parameters, and run on a log, or on records of it.

mod look_back;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use indelible_engine::answer::Watch;
use indelible_engine::filter::Filter;
use indelible_engine::{Seq, Snapshot, Timestamp};

use crate::ast::{self, Head, Operand};
use crate::controls::{Controls, NoControls};
use crate::error::{Problem, Problems, Result};
use crate::grammar;
use crate::ground::Ground;
use crate::plan::{Base, Plan};
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
