//! What is carried out: the search that gives the first rows, and the steps behind it. All names are looked up, all
//! times computed; what the index can answer without rows is found here too.

use std::collections::BTreeMap;

use indelible_engine::filter::{Comparison, Field, Filter, TermTest, Test, Value};
use indelible_engine::source::Path;
use indelible_engine::{Seq, Timestamp};

use crate::ast::{Function, Side};
use crate::controls::Control;
use crate::decimal::Decimal;
use crate::time::Period;

/// A query, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) base: Base,
    pub(crate) steps: Vec<Step>,
    /// What the last step gives.
    pub(crate) shape: Shape,
    /// Names and paths that the query asks of its rows, to warn of those that no event has.
    pub(crate) fields: Vec<Source>,
    /// Those that it asks of events beside them, which may stand anywhere in the log.
    pub(crate) fields_beside: Vec<Source>,
    /// Bare words that are searched for among other conditions, to say so where nothing is found.
    pub(crate) searched: Vec<String>,
    /// The controls that are asked for, and what in range is evidence of each, to warn of those that have none.
    pub(crate) evidence: Vec<(String, Filter)>,
}

impl Plan {
    /// What all records that count match, and where in the log they stand.
    pub(crate) fn range(&self) -> (&Filter, &std::ops::Range<Seq>) {
        match &self.base {
            Base::Search(filter, seqs) => (filter, seqs),
            Base::Coverage(coverage) => (&coverage.within, &coverage.seqs),
        }
    }

    /// Every filter that the plan puts to its ground: that of its own search, and that of each `preceded by` and its
    /// like. Each search asks one of these, or something narrower; so whoever has all records that these may match can
    /// carry out the plan.
    pub(crate) fn filters(&self) -> Vec<Filter> {
        let (filter, seqs) = match &self.base {
            Base::Search(filter, seqs) => (filter.clone(), seqs),
            Base::Coverage(coverage) => (coverage.filter(), &coverage.seqs),
        };
        let is_all = *seqs == (0..Seq::MAX);
        let mut filters = vec![if is_all { filter } else { Filter::Seqs(seqs.clone()).and(filter) }];
        for step in &self.steps {
            if let StepKind::Beside(beside) = &step.kind
                && !filters.contains(&beside.filter)
            {
                filters.push(beside.filter.clone());
            }
        }
        filters
    }
}

/// Where the first rows come from.
#[derive(Debug, Clone)]
pub(crate) enum Base {
    /// The records that match, in the order of the log.
    Search(Filter, std::ops::Range<Seq>),
    /// A row for each control.
    Coverage(Box<Coverage>),
}

/// What is evidence of which controls: each condition once, with the places of the controls that it speaks for.
#[derive(Debug, Clone)]
pub(crate) struct Coverage {
    /// The framework that is asked about, unless all are.
    pub(crate) framework: Option<String>,
    pub(crate) controls: Vec<Control>,
    /// What the mapping says.
    pub(crate) mapped: Vec<(Filter, Vec<usize>)>,
    /// By id, as labels and events have it.
    pub(crate) ids: BTreeMap<String, Vec<usize>>,
    /// What holds for all records that count.
    pub(crate) within: Filter,
    pub(crate) seqs: std::ops::Range<Seq>,
}

impl Coverage {
    /// All records that may be evidence of one of the controls, or have an id that the catalogue does not.
    pub(crate) fn filter(&self) -> Filter {
        let framework = self.framework.as_deref().unwrap_or("*");
        let has_id = |name: &str| {
            let any = Test::Equals(vec![Value::Word(format!("{framework}:*"))]);
            Filter::Field(Field::Name(name.to_owned()), any)
        };
        let mapped = self.mapped.iter().map(|(filter, _)| filter.clone());
        Filter::Any(mapped.chain(["label", "control"].map(has_id)).collect()).and(self.within.clone())
    }
}

/// By what an event is evidence of the controls that are asked for.
#[derive(Debug, Clone)]
pub(crate) struct ControlBy {
    /// A label says so.
    pub(crate) label: Filter,
    /// The event says so itself.
    pub(crate) event: Filter,
    /// A rule of the mapping, by its name, takes it for such. Rules of one name may be several.
    pub(crate) rules: Vec<(String, Filter)>,
}

impl ControlBy {
    /// Whatever is evidence by any of these. Where two rules ask for the same, it is asked once.
    pub(crate) fn filter(&self) -> Filter {
        let mut mapped: Vec<Filter> = Vec::new();
        for (_, filter) in &self.rules {
            if !mapped.contains(filter) {
                mapped.push(filter.clone());
            }
        }
        Filter::Any(vec![self.label.clone(), self.event.clone(), Filter::Any(mapped)])
    }
}

/// One step, and how the query writes it.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) text: String,
    pub(crate) kind: StepKind,
}

/// What a step does with the rows.
#[derive(Debug, Clone)]
pub(crate) enum StepKind {
    /// Says by which of these an event is evidence of a control; the columns are added.
    Via(Box<ControlBy>),
    /// Puts events in the order of their time, those of one time in the order of the log.
    TimeOrder,
    Where(Predicate),
    Fields(Vec<Expr>),
    Sort(Vec<(Expr, bool)>),
    Limit(u64),
    Tail(u64),
    Sample {
        count: u64,
        seed: u64,
    },
    Group {
        keys: Vec<Expr>,
        aggregates: Vec<(Function, Option<Expr>)>,
    },
    Distinct(Vec<Expr>),
    First(Vec<Expr>),
    Last(Vec<Expr>),
    Beside(Box<BesidePlan>),
}

impl StepKind {
    /// Whether it must see all rows before it gives the first.
    pub(crate) fn holds(&self) -> bool {
        match self {
            StepKind::Via(_)
            | StepKind::Where(_)
            | StepKind::Fields(_)
            | StepKind::Limit(_)
            | StepKind::Distinct(_)
            | StepKind::First(_)
            | StepKind::Beside(_) => false,
            StepKind::TimeOrder
            | StepKind::Sort(_)
            | StepKind::Tail(_)
            | StepKind::Sample { .. }
            | StepKind::Group { .. }
            | StepKind::Last(_) => true,
        }
    }

    /// Whether the step before makes no difference to this one: groups are the same in whatever order their events
    /// come, and whether or not a column is there that they do not look at.
    pub(crate) fn makes_idle(&self, before: &StepKind) -> bool {
        let StepKind::Group { keys, aggregates } = self else { return false };
        let mut read = keys.iter().chain(aggregates.iter().filter_map(|(_, of)| of.as_ref()));
        match before {
            StepKind::TimeOrder => true,
            StepKind::Via(_) => !read.any(Expr::reads_column),
            _ => false,
        }
    }
}

/// `preceded by` and its like.
#[derive(Debug, Clone)]
pub(crate) struct BesidePlan {
    pub(crate) unless: bool,
    pub(crate) side: Side,
    pub(crate) filter: Filter,
    /// What of the condition the store cannot answer.
    pub(crate) rest: Option<Predicate>,
    /// Both share a value of each of these.
    pub(crate) keys: Vec<Source>,
    /// In nanoseconds.
    pub(crate) within: Option<i128>,
    pub(crate) strictly: bool,
    /// The columns of the other record's seq, its time and the time between; of `unless` there is none.
    pub(crate) other: Option<[usize; 3]>,
    /// What else is read of the other record, and the columns for it.
    pub(crate) fetched: Vec<(Expr, usize)>,
    /// The columns with what was read of the other record of a stage before: it is another one now.
    pub(crate) emptied: Vec<usize>,
    pub(crate) disputed: usize,
}

/// What rows look like at some place of the query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Whether each row is an event, so that any of its fields can be asked for.
    pub(crate) events: bool,
    pub(crate) columns: Vec<Column>,
}

/// A column of a table, or one that was added to events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// How else it may be called.
    pub(crate) alias: Option<String>,
    /// What its values are of, where these count what that does: its name says in which unit.
    pub(crate) of: Option<String>,
}

impl Shape {
    pub(crate) fn events() -> Shape {
        Shape { events: true, columns: Vec::new() }
    }

    /// The place of the column of this name, added where there is none.
    pub(crate) fn column(&mut self, name: &str) -> usize {
        self.find(name).unwrap_or_else(|| {
            self.columns.push(Column { name: name.to_owned(), alias: None, of: None });
            self.columns.len() - 1
        })
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name || column.alias.as_deref() == Some(name))
    }
}

/// What the store says of every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Builtin {
    Seq,
    Received,
    Ts,
    Id,
    Segment,
    Text,
}

impl Builtin {
    pub(crate) const ALL: [(&'static str, Builtin); 6] = [
        ("seq", Builtin::Seq),
        ("received", Builtin::Received),
        ("ts", Builtin::Ts),
        ("id", Builtin::Id),
        ("segment", Builtin::Segment),
        ("text", Builtin::Text),
    ];

    pub(crate) fn of(name: &str) -> Option<Builtin> {
        Builtin::ALL.iter().find(|(known, _)| *known == name).map(|(_, builtin)| *builtin)
    }
}

/// Where values come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Builtin(Builtin),
    /// A field of the record's profile.
    Name(String),
    /// A place in the event's JSON.
    Path(Path),
    /// A column of the row.
    Column(usize),
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Expr {
    Source(Source),
    Difference(Source, Source),
    /// The start of the span of so many nanoseconds.
    Bin(Source, i128),
}

impl Expr {
    /// Whether it is of a column that a step before added.
    fn reads_column(&self) -> bool {
        let is_column = |source: &Source| matches!(source, Source::Column(_));
        match self {
            Expr::Source(source) | Expr::Bin(source, _) => is_column(source),
            Expr::Difference(a, b) => is_column(a) || is_column(b),
        }
    }
}

/// A condition on a row. What the store can say is one filter, as far up as it goes.
#[derive(Debug, Clone)]
pub(crate) enum Predicate {
    Filter(Filter),
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    Value(Expr, Asked),
}

/// What is asked of a value that the store does not index.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Exists,
    Unreadable,
    /// A value passes.
    Some(Check),
    /// There are values, and none passes.
    None(Check),
}

/// A test on one value.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    /// It is one of these, as the word that was written may be understood.
    OneOf { terms: TermTest, periods: Vec<Period>, durations: Vec<i128> },
    /// It stands in this order to what was written.
    Order { comparison: Comparison, number: Option<Decimal>, period: Option<Period>, duration: Option<i128> },
    /// A text matches.
    Matches(TermTest),
}

impl Predicate {
    /// All of these; filters side by side become one.
    pub(crate) fn all(predicates: Vec<Predicate>) -> Predicate {
        let mut filter: Option<Filter> = None;
        let mut others = Vec::new();
        for predicate in predicates {
            match predicate {
                Predicate::Filter(more) => {
                    filter = Some(filter.unwrap_or_else(Filter::everything).and(more));
                }
                other => others.push(other),
            }
        }
        match (filter, others.len()) {
            (filter, 0) => Predicate::Filter(filter.unwrap_or_else(Filter::everything)),
            (None, 1) => others.swap_remove(0),
            (filter, _) => Predicate::All(filter.map(Predicate::Filter).into_iter().chain(others).collect()),
        }
    }

    /// At least one of these.
    pub(crate) fn any(predicates: Vec<Predicate>) -> Predicate {
        let filters: Option<Vec<Filter>> = predicates.iter().map(Predicate::as_filter).collect();
        filters.map_or(Predicate::Any(predicates), |filters| Predicate::Filter(Filter::Any(filters)))
    }

    /// Not this.
    pub(crate) fn not(predicate: Predicate) -> Predicate {
        match predicate {
            Predicate::Filter(filter) => Predicate::Filter(Filter::Not(Box::new(filter))),
            other => Predicate::Not(Box::new(other)),
        }
    }

    fn as_filter(&self) -> Option<Filter> {
        match self {
            Predicate::Filter(filter) => Some(filter.clone()),
            _ => None,
        }
    }

    /// What the store can answer, and what is left to ask of the rows that it gives.
    pub(crate) fn split(self) -> (Filter, Option<Predicate>) {
        match self {
            Predicate::Filter(filter) => (filter, None),
            Predicate::All(predicates) => {
                let (mut filter, mut rest) = (Filter::everything(), Vec::new());
                for predicate in predicates {
                    match predicate {
                        Predicate::Filter(more) => filter = filter.and(more),
                        other => rest.push(other),
                    }
                }
                (filter, Some(Predicate::all(rest)))
            }
            other => (Filter::everything(), Some(other)),
        }
    }
}

impl Period {
    /// Whether `time` stands in this order to the period as a whole: what is `<=` may lie in it, what is `>` not.
    pub(crate) fn holds(self, comparison: Comparison, time: Timestamp) -> bool {
        let (bound, comparison) = self.bound(comparison);
        comparison.holds(time.cmp(&bound))
    }

    /// The comparison with one moment that means the same as `comparison` with the whole period.
    pub(crate) fn bound(self, comparison: Comparison) -> (Timestamp, Comparison) {
        let is_moment = self.start == self.end;
        match comparison {
            Comparison::LessOrEqual if !is_moment => (self.end, Comparison::Less),
            Comparison::Greater if !is_moment => (self.end, Comparison::GreaterOrEqual),
            other => (self.start, other),
        }
    }

    /// Whether `time` lies in it, or is this moment.
    pub(crate) fn contains(self, time: Timestamp) -> bool {
        time == self.start || self.start < time && time < self.end
    }
}
