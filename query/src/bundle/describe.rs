//! Filters in words, for people: as the language would write them, where it can.

use indelible_engine::Timestamp;
use indelible_engine::filter::{Clock, Comparison, Field, Filter, Quantity, Test, Value, Window};

use crate::ast::{FieldRef, Operand};

/// Of a list of values no more than so many are written out.
const VALUES_SHOWN: usize = 12;

/// What a filter asks for.
pub(super) fn describe(filter: &Filter) -> String {
    match filter {
        Filter::All(filters) if filters.is_empty() => "every record".to_owned(),
        Filter::Any(filters) if filters.is_empty() => "no record".to_owned(),
        Filter::All(filters) => joined(filters, " and "),
        Filter::Any(filters) => joined(filters, " or "),
        Filter::Not(filter) if **filter == Filter::StoreRecord => "not the store's own records".to_owned(),
        Filter::Not(filter) => format!("not {}", grouped(filter)),
        Filter::Field(field, test) => tested(&named(field), test),
        Filter::Text(text) => format!("the text contains {}", Operand::Text(text.clone())),
        Filter::Time(clock, window) => timed(*clock, *window),
        Filter::Seqs(seqs) if seqs.is_empty() => "no seq".to_owned(),
        Filter::Seqs(seqs) => format!("seq {}..{}", seqs.start, seqs.end - 1),
        Filter::Ids(ids) => {
            let ids: Vec<Value> = ids.iter().map(|id| Value::Text(id.clone())).collect();
            one_of("id", &ids)
        }
        Filter::StoreRecord => "the store's own records".to_owned(),
    }
}

fn joined(filters: &[Filter], word: &str) -> String {
    filters.iter().map(grouped).collect::<Vec<_>>().join(word)
}

fn grouped(filter: &Filter) -> String {
    match filter {
        Filter::All(filters) | Filter::Any(filters) if filters.len() > 1 => format!("({})", describe(filter)),
        one => describe(one),
    }
}

fn named(field: &Field) -> String {
    match field {
        Field::Name(name) => FieldRef::Name(name.clone()).to_string(),
        Field::Path(path) => FieldRef::Path(path.clone()).to_string(),
    }
}

fn tested(name: &str, test: &Test) -> String {
    match test {
        Test::Exists => format!("exists({name})"),
        Test::Unreadable => format!("unreadable({name})"),
        Test::Equals(values) => one_of(name, values),
        Test::Differs(value) => format!("{name} != {}", written(value)),
        Test::Compare(comparison, quantity) => {
            let mark = match comparison {
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            match quantity {
                Quantity::Number(number) => format!("{name} {mark} {number}"),
                Quantity::Time(time) => format!("{name} {mark} {time}"),
            }
        }
        Test::Matches(pattern) => format!("{name} ~ \"{pattern}\""),
    }
}

fn one_of(name: &str, values: &[Value]) -> String {
    if let [value] = values {
        return format!("{name} = {}", written(value));
    }
    let mut shown: Vec<String> = values.iter().take(VALUES_SHOWN).map(written).collect();
    let left = values.len().saturating_sub(VALUES_SHOWN);
    if left > 0 {
        shown.push(format!("and {left} more"));
    }
    format!("{name} in ({})", shown.join(", "))
}

fn written(value: &Value) -> String {
    match value {
        Value::Word(word) => Operand::Word(word.clone()).to_string(),
        Value::Text(text) => Operand::Text(text.clone()).to_string(),
    }
}

fn timed(clock: Clock, Window { from, until }: Window) -> String {
    let clock = match clock {
        Clock::Event => "time",
        Clock::Received => "received",
    };
    let bound = |word: &str, time: Timestamp| format!("{clock} {word} {time}");
    let bounds = [from.map(|from| bound(">=", from)), until.map(|until| bound("<", until))];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if bounds.is_empty() { format!("any {clock}") } else { bounds.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls::NoControls;
    use crate::{Options, Query, Vocabulary};

    #[test]
    fn filters_read_like_the_query() {
        for (text, expected) in [
            ("", "not the store's own records"),
            (
                "kind = deploy* run = \"r 1\"",
                "kind = deploy* and run = \"r 1\" and not the store's own records",
            ),
            (
                "(a.b > 5 or c in (1, \"2\")) and not exists(run)",
                "(a.b > 5 or .c in (1, \"2\")) and not exists(run) and not the store's own records",
            ),
            (
                "between 2026-04-01 and 2026-04-02",
                "time >= 2026-04-01T00:00:00Z and time < 2026-04-03T00:00:00Z",
            ),
            ("received since 1h", "received >= 2026-04-09T23:00:00Z and not the store's own records"),
            ("event e1, e2", "id in (\"e1\", \"e2\") and not the store's own records"),
            ("seq 3..9", "seq 3..9"),
            (
                "kind ~ \"^a\" rollback",
                "kind ~ \"^a\" and the text contains \"rollback\" and not the store's own records",
            ),
        ] {
            let query = Query::parse(text, &Vocabulary::default()).unwrap();
            let filters = query.filters(&NoControls, &Options::at(crate::tests::now())).unwrap();
            let told = describe(&filters[0]);
            assert!(told.starts_with(expected), "{text}: {told}");
        }
        let many = (0..20).map(|number| Value::Word(number.to_string())).collect();
        let told = describe(&Filter::Field(Field::Name("n".to_owned()), Test::Equals(many)));
        assert_eq!(told, "n in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, and 8 more)");
    }
}
