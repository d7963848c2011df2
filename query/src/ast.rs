//! A query as it was written: words are words here, no field is looked up and no time computed.

use indelible_engine::filter::Comparison;
use indelible_engine::source::Path;

use crate::span::Spanned;

/// A whole query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Whether it asks how the answer is found, instead of the answer.
    pub explain: bool,
    /// What kind of question it is.
    pub head: Head,
    /// Conditions that all hold.
    pub conditions: Vec<Condition>,
    /// What is done with the records, one after another.
    pub stages: Vec<Spanned<Stage>>,
}

/// The words that a query begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// None: conditions alone.
    Conditions,
    /// `timeline FIELD VALUE`
    Timeline(Spanned<String>, Spanned<Operand>),
    /// `control ID, …`
    Control(Vec<Spanned<Operand>>),
    /// `controls`, `controls framework NAME`
    Controls(Option<Spanned<Operand>>),
    /// `event ID, …`
    Event(Vec<Spanned<Operand>>),
    /// `seq A..B`, both in the range; an end may be open.
    Seq(Option<u64>, Option<u64>),
    /// `around SEQ ±COUNT`
    Around(u64, u64),
}

/// A condition on one record, or on one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// All of these hold.
    All(Vec<Condition>),
    /// One of these holds.
    Any(Vec<Condition>),
    /// This does not hold.
    Not(Box<Condition>),
    /// Something passes a test.
    Test(Spanned<Expression>, Test),
    /// The event's text has this in it.
    Text(Spanned<Operand>),
    /// The time lies in a period: by the store's clock where `received` is written, else by the event's.
    Time {
        /// Whether by the store's clock.
        received: bool,
        /// When.
        period: Period,
    },
}

/// What is asked of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `exists(…)`
    Exists,
    /// `unreadable(…)`
    Unreadable,
    /// `= …`
    Equals(Spanned<Operand>),
    /// `!= …`
    Differs(Spanned<Operand>),
    /// `in (…, …)`
    In(Vec<Spanned<Operand>>),
    /// `< …` and its like
    Compare(Comparison, Spanned<Operand>),
    /// `~ "…"`
    Matches(Spanned<String>),
}

/// When.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Period {
    /// `since …`
    Since(Spanned<Operand>),
    /// `until …`
    Until(Spanned<Operand>),
    /// `between … and …`
    Between(Spanned<Operand>, Spanned<Operand>),
    /// `during …`
    During(Spanned<Operand>),
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A word without quotes.
    Word(String),
    /// A text in quotes, without them.
    Text(String),
    /// `$name`
    Param(String),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldRef {
    /// A name without dots.
    Name(String),
    /// A path in the event's JSON.
    Path(Path),
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A field or column.
    Field(FieldRef),
    /// One less the other: of times the duration between them.
    Difference(FieldRef, FieldRef),
    /// `bin(FIELD, DURATION)`: the start of the span that a time lies in.
    Bin(FieldRef, Spanned<String>),
    /// What `stats` said of a group, by the name that it gave it.
    Aggregate(Aggregate),
}

/// What `stats` says of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// Which function.
    pub function: Function,
    /// Of what; nothing for `count()`.
    pub of: Option<Box<Expression>>,
}

/// A function of `stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// How many rows.
    Count,
    /// The sum.
    Sum,
    /// The mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The value that this many percent of the values do not pass.
    Percentile(u8),
    /// How many different values.
    Distinct,
}

/// Something and the name that its column gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T> {
    /// The thing.
    pub node: Spanned<T>,
    /// `as …`
    pub name: Option<Spanned<String>>,
}

/// A key to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// What.
    pub by: Spanned<Expression>,
    /// The greatest first.
    pub descending: bool,
}

/// On which side another record is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before.
    Preceded,
    /// After.
    Followed,
}

/// How near the other record must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// It shares a value of this field.
    Field(FieldRef),
    /// No more time than this lies between.
    Duration(String),
}

/// `[unless] preceded by (F) [within …] [strictly]`, and the same for `followed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Rows stay where there is no such record.
    pub unless: bool,
    /// Before or after.
    pub side: Side,
    /// What the other record is.
    pub filter: Condition,
    /// How near it is.
    pub within: Vec<Spanned<Within>>,
    /// Pairs in disputed order do not count.
    pub strictly: bool,
}

/// What is done with rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Keeps those that match.
    Where(Condition),
    /// Keeps these columns.
    Fields(Vec<Named<Expression>>),
    /// Puts them in order.
    Sort(Vec<SortKey>),
    /// Keeps the first so many.
    Limit(u64),
    /// Keeps the last so many.
    Tail(u64),
    /// Keeps so many, drawn by this seed.
    Sample(u64, u64),
    /// Counts them, in groups.
    Count(Vec<Named<Expression>>),
    /// Says things of groups.
    Stats(Vec<Named<Aggregate>>, Vec<Named<Expression>>),
    /// Keeps what differs in these columns, and these alone.
    Distinct(Vec<Named<Expression>>),
    /// Keeps the first row of each group.
    First(Vec<Spanned<Expression>>),
    /// Keeps the last row of each group.
    Last(Vec<Spanned<Expression>>),
    /// Keeps those with, or without, another record before or after them.
    Beside(Box<Beside>),
}
