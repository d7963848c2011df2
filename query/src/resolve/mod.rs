//! From the tree to the plan: names are looked up, times computed, values read as what they are compared with.
//!
//! One file for each part: `condition` makes filters, `quantity` reads what is compared, `names` looks up, `head`,
//! `control` and `stage` put the plan together.

mod condition;
mod control;
mod head;
mod names;
mod quantity;
mod stage;

use std::collections::BTreeMap;

use indelible_engine::filter::Filter;
use indelible_engine::{Seq, Timestamp};

use crate::ast::{Condition, Head, Operand, Query};
use crate::controls::Controls;
use crate::error::{Problem, Problems};
use crate::plan::{Base, Plan, Predicate, Shape, Source, Step, StepKind};
use crate::span::{Span, Spanned};
use crate::vocabulary::Vocabulary;

/// What a query is resolved against.
pub(crate) struct Setting<'s> {
    pub(crate) vocabulary: &'s Vocabulary,
    pub(crate) controls: &'s dyn Controls,
    /// What `24h` counts back from.
    pub(crate) now: Timestamp,
    /// Whether the store's own records are wanted, named or not.
    pub(crate) all: bool,
    /// The values of parameters, where they are known yet.
    pub(crate) parameters: Option<&'s BTreeMap<String, String>>,
    /// Whether the query is only checked: the catalogue of controls may come later.
    pub(crate) is_check: bool,
}

/// A query on its way to a plan.
pub(super) struct Resolver<'s> {
    text: &'s str,
    setting: &'s Setting<'s>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    /// Names and paths that the query asks of its rows.
    fields: Vec<Source>,
    /// Those that it asks of events beside them alone.
    fields_beside: Vec<Source>,
    /// Bare words that are searched for.
    searched: Vec<String>,
    /// Whether a condition names records of the store's own.
    names_store: bool,
    /// The controls that are asked for, and what is evidence of each.
    evidence: Vec<(String, Filter)>,
}

/// The plan of a query, and what is odd about it.
///
/// # Errors
/// All that makes no sense.
pub(crate) fn resolve(
    text: &str,
    query: &Query,
    setting: &Setting<'_>,
) -> Result<(Plan, Vec<String>), Problems> {
    let mut resolver = Resolver {
        text,
        setting,
        problems: Vec::new(),
        warnings: Vec::new(),
        fields: Vec::new(),
        fields_beside: Vec::new(),
        searched: Vec::new(),
        names_store: false,
        evidence: Vec::new(),
    };
    let plan = resolver.plan(query);
    let Resolver { problems, warnings, .. } = resolver;
    if problems.is_empty() { Ok((plan, warnings)) } else { Err(Problems::new(text, problems)) }
}

impl Resolver<'_> {
    fn plan(&mut self, query: &Query) -> Plan {
        let mut shape = Shape::events();
        if let Head::Control(_) = query.head {
            shape.column("via");
            shape.column("mapped_by");
        }
        if let Head::Control(ids) = &query.head
            && !self.setting.is_check
        {
            self.refuse_words(ids, &query.conditions);
        }
        let conditions = query.conditions.iter().map(|condition| self.condition(condition, &shape)).collect();
        let (filter, rest) = Predicate::all(conditions).split();
        let (mut base, mut steps) = self.head(query, filter, &mut shape);
        if let Some(rest) = rest {
            if let Head::Controls(_) = query.head {
                let whole = Span { start: 0, end: self.text.len() };
                let message = "`controls` cannot count by what is computed of an event, or by an expression on its text";
                let problem = Problem::new(whole, message);
                self.problems.push(problem.help("ask for each by itself: control ID where …"));
            }
            let text = rest_of_conditions(query);
            // What is left out need not be put in order.
            let ordered = steps.iter().position(|step| matches!(step.kind, StepKind::TimeOrder));
            steps.insert(ordered.unwrap_or(steps.len()), Step { text, kind: StepKind::Where(rest) });
        }
        for (index, stage) in query.stages.iter().enumerate() {
            let later = query.stages.get(index + 1..).unwrap_or_default();
            let kind = self.stage(stage, later, &mut shape);
            // A filter that stands where the search stands is part of it.
            let is_first =
                steps.iter().all(|step| matches!(step.kind, StepKind::Via(_) | StepKind::TimeOrder));
            match (kind, &mut base) {
                (StepKind::Where(Predicate::Filter(more)), Base::Search(filter, _)) if is_first => {
                    let known = std::mem::replace(filter, Filter::everything());
                    *filter = known.and(more);
                }
                (kind, _) => {
                    if let Some(before) = steps.last().map(|step| &step.kind)
                        && kind.makes_idle(before)
                    {
                        steps.pop();
                    }
                    steps.push(Step { text: stage.node.to_string(), kind });
                }
            }
        }
        if let Base::Search(filter, seqs) = &mut base
            && !self.names_store
            && *seqs == (0..Seq::MAX)
        {
            let known = std::mem::replace(filter, Filter::everything());
            *filter = self.without_store(known);
        }
        // Who asks for words alone knows that they are searched for.
        let is_text = |condition: &Condition| matches!(condition, Condition::Text(_));
        if query.head == Head::Conditions && query.conditions.iter().all(is_text) {
            self.searched.clear();
        }
        Plan {
            base,
            steps,
            shape,
            fields: std::mem::take(&mut self.fields),
            fields_beside: std::mem::take(&mut self.fields_beside),
            searched: std::mem::take(&mut self.searched),
            evidence: std::mem::take(&mut self.evidence),
        }
    }

    /// The filter without records of the store's own, unless all are wanted.
    fn without_store(&self, filter: Filter) -> Filter {
        if self.setting.all { filter } else { filter.and(Filter::Not(Box::new(Filter::StoreRecord))) }
    }

    /// The text of an operand, and whether it was a word.
    fn operand(&mut self, operand: &Spanned<Operand>) -> (String, bool) {
        match &operand.node {
            Operand::Word(word) => (word.clone(), true),
            Operand::Text(text) => (text.clone(), false),
            Operand::Param(name) => {
                let value = self.setting.parameters.and_then(|parameters| parameters.get(name));
                if value.is_none() && self.setting.parameters.is_some() {
                    let problem = Problem::new(operand.span, format!("the parameter ${name} has no value"));
                    self.problems.push(problem);
                }
                (value.cloned().unwrap_or_default(), false)
            }
        }
    }

    /// Whether an operand is a parameter whose value is not known yet.
    fn is_open(&self, operand: &Spanned<Operand>) -> bool {
        matches!(operand.node, Operand::Param(_)) && self.setting.parameters.is_none()
    }
}

/// How the conditions that the store cannot answer are told of.
fn rest_of_conditions(query: &Query) -> String {
    let conditions: Vec<_> = query.conditions.iter().map(ToString::to_string).collect();
    format!("where {}", conditions.join(" and "))
}
