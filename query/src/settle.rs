//! A query as it means the same at any time: what counts back from the present becomes a moment, parameters become
//! their values.

use std::collections::BTreeMap;

use indelible_engine::Timestamp;

use crate::ast::{Condition, Head, Operand, Period, Query, Stage, Test};
use crate::time;

impl Query {
    /// The query, as of `now` and with these values.
    pub(crate) fn settled(&self, now: Timestamp, parameters: &BTreeMap<String, String>) -> Query {
        let mut query = self.clone();
        Settler { now, parameters }.query(&mut query);
        query
    }
}

struct Settler<'s> {
    now: Timestamp,
    parameters: &'s BTreeMap<String, String>,
}

impl Settler<'_> {
    fn query(&self, query: &mut Query) {
        match &mut query.head {
            Head::Timeline(_, value) => self.value(&mut value.node),
            Head::Control(ids) | Head::Event(ids) => ids.iter_mut().for_each(|id| self.value(&mut id.node)),
            Head::Controls(framework) => framework.iter_mut().for_each(|name| self.value(&mut name.node)),
            Head::Conditions | Head::Seq(..) | Head::Around(..) => {}
        }
        self.conditions(&mut query.conditions);
        for stage in &mut query.stages {
            match &mut stage.node {
                Stage::Where(condition) => self.condition(condition),
                Stage::Beside(beside) => self.condition(&mut beside.filter),
                _ => {}
            }
        }
    }

    fn conditions(&self, conditions: &mut [Condition]) {
        conditions.iter_mut().for_each(|condition| self.condition(condition));
    }

    fn condition(&self, condition: &mut Condition) {
        match condition {
            Condition::All(conditions) | Condition::Any(conditions) => self.conditions(conditions),
            Condition::Not(condition) => self.condition(condition),
            Condition::Text(text) => self.value(&mut text.node),
            Condition::Time { period, .. } => match period {
                Period::Since(time) | Period::Until(time) | Period::During(time) => self.time(&mut time.node),
                Period::Between(from, until) => {
                    [from, until].into_iter().for_each(|time| self.time(&mut time.node))
                }
            },
            Condition::Test(_, test) => match test {
                Test::Equals(value) | Test::Differs(value) | Test::Compare(_, value) => {
                    self.value(&mut value.node)
                }
                Test::In(values) => values.iter_mut().for_each(|value| self.value(&mut value.node)),
                Test::Exists | Test::Unreadable | Test::Matches(_) => {}
            },
        }
    }

    /// A parameter is exactly its value, never a word.
    fn value(&self, operand: &mut Operand) {
        if let Operand::Param(name) = operand
            && let Some(value) = self.parameters.get(name)
        {
            *operand = Operand::Text(value.clone());
        }
    }

    /// A time is a word, whoever wrote it.
    fn time(&self, operand: &mut Operand) {
        self.value(operand);
        let (Operand::Word(text) | Operand::Text(text)) = &*operand else { return };
        let moment = match text.as_str() {
            "now" => Some(self.now),
            text => time::duration(text).and_then(|ago| time::after(self.now, -ago)),
        };
        *operand = Operand::Word(moment.map_or_else(|| text.clone(), |moment| moment.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use indelible_engine::Timestamp;

    use crate::controls::NoControls;
    use crate::tests::now;
    use crate::{Options, Query, Vocabulary};

    #[test]
    fn a_settled_query_asks_the_same_at_any_time() {
        let vocabulary = Vocabulary::default();
        for (text, expected) in [
            ("kind = deployment", "kind = deployment"),
            ("kind = x since 24h", "kind = x and since 2026-04-09T00:00:00Z"),
            ("until now since 1h30m", "until 2026-04-10T00:00:00Z since 2026-04-09T22:30:00Z"),
            ("not received since 1ms", "not received since 2026-04-09T23:59:59.999Z"),
            ("between 2026-04-01 and now", "between 2026-04-01 and 2026-04-10T00:00:00Z"),
            ("during 2026-Q1 run = $run", "during 2026-Q1 run = \"r 1\""),
            ("control $run, SOC2:CC6.*", "control \"r 1\", SOC2:CC6.*"),
            ("timeline run $run since $when", "timeline run \"r 1\" since 2026-04-08T00:00:00Z"),
            (
                "| preceded by (kind = a and since 1d) within 1h | where since 2d",
                "| preceded by (kind = a and since 2026-04-09T00:00:00Z) within 1h | where since 2026-04-08T00:00:00Z",
            ),
        ] {
            let mut query = Query::parse(text, &vocabulary).unwrap();
            for (name, value) in [("run", "r 1"), ("when", "2d")] {
                if query.parameters().contains(&name) {
                    query = query.bind(name, value).unwrap();
                }
            }
            let settled = query.settled(now());
            assert_eq!(settled, expected);
            let again = Query::parse(&settled, &vocabulary).unwrap();
            let later = Options::at(Timestamp(now().0 + 5_000_000_000));
            let filters = query.filters(&NoControls, &Options::at(now())).unwrap();
            assert_eq!(again.filters(&NoControls, &later).unwrap(), filters, "{text}");
            assert_eq!(again.settled(later.now), settled);
        }
    }
}
