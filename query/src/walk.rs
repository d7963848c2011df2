//! Walking through a tree: to all its values, and to all fields that a stage speaks of.

use crate::ast::{Condition, Expression, FieldRef, Head, Operand, Period, Query, Stage, Test};

impl Query {
    /// Calls `visit` with each value that is written in the query.
    pub(crate) fn each_operand<'q>(&'q self, visit: &mut impl FnMut(&'q Operand)) {
        match &self.head {
            Head::Timeline(_, value) => visit(&value.node),
            Head::Control(ids) | Head::Event(ids) => ids.iter().for_each(|id| visit(&id.node)),
            Head::Controls(framework) => framework.iter().for_each(|framework| visit(&framework.node)),
            Head::Conditions | Head::Seq(..) | Head::Around(..) => {}
        }
        self.conditions.iter().for_each(|condition| condition.each_operand(visit));
        for stage in &self.stages {
            match &stage.node {
                Stage::Where(condition) => condition.each_operand(visit),
                Stage::Beside(beside) => beside.filter.each_operand(visit),
                _ => {}
            }
        }
    }
}

impl Condition {
    fn each_operand<'q>(&'q self, visit: &mut impl FnMut(&'q Operand)) {
        match self {
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().for_each(|condition| condition.each_operand(visit));
            }
            Condition::Not(condition) => condition.each_operand(visit),
            Condition::Text(text) => visit(&text.node),
            Condition::Time { period, .. } => match period {
                Period::Since(time) | Period::Until(time) | Period::During(time) => visit(&time.node),
                Period::Between(from, until) => [from, until].into_iter().for_each(|time| visit(&time.node)),
            },
            Condition::Test(_, test) => match test {
                Test::Equals(value) | Test::Differs(value) | Test::Compare(_, value) => visit(&value.node),
                Test::In(values) => values.iter().for_each(|value| visit(&value.node)),
                Test::Exists | Test::Unreadable | Test::Matches(_) => {}
            },
        }
    }

    fn each_field(&self, visit: &mut impl FnMut(&FieldRef)) {
        match self {
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().for_each(|condition| condition.each_field(visit));
            }
            Condition::Not(condition) => condition.each_field(visit),
            Condition::Test(of, _) => of.each_field(visit),
            Condition::Text(_) | Condition::Time { .. } => {}
        }
    }
}

impl Expression {
    fn each_field(&self, visit: &mut impl FnMut(&FieldRef)) {
        match self {
            Expression::Field(field) | Expression::Bin(field, _) => visit(field),
            Expression::Difference(of, less) => [of, less].into_iter().for_each(visit),
            Expression::Aggregate(aggregate) => aggregate.of.iter().for_each(|of| of.each_field(visit)),
        }
    }
}

impl Stage {
    /// Calls `visit` with each field or column that the stage asks of its rows.
    pub(crate) fn each_field(&self, visit: &mut impl FnMut(&FieldRef)) {
        match self {
            Stage::Where(condition) => condition.each_field(visit),
            Stage::Fields(columns) | Stage::Count(columns) | Stage::Distinct(columns) => {
                columns.iter().for_each(|column| column.node.each_field(visit));
            }
            Stage::Stats(aggregates, by) => {
                let of = aggregates.iter().filter_map(|aggregate| aggregate.node.of.as_ref());
                of.for_each(|of| of.each_field(visit));
                by.iter().for_each(|by| by.node.each_field(visit));
            }
            Stage::Sort(keys) => keys.iter().for_each(|key| key.by.each_field(visit)),
            Stage::First(by) | Stage::Last(by) => by.iter().for_each(|by| by.each_field(visit)),
            Stage::Limit(_) | Stage::Tail(_) | Stage::Sample(..) | Stage::Beside(_) => {}
        }
    }
}
