//! Stages that choose rows, or columns of them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use indelible_engine::filter::{Filter, Matcher, Scratch};

use super::eval::Evaluator;
use super::row::Row;
use super::{Context, Rows, held, slot_len, through};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::plan::{ControlBy, Expr};
use crate::value::Value;

/// Adds by what each event is evidence of a control, and by which rules of the mapping.
pub(super) fn via(by: &ControlBy, rows: Rows) -> Result<Rows> {
    let matcher = |filter: &Filter| Ok::<_, Error>((Matcher::new(filter)?, Scratch::default()));
    let mut own = [("label", matcher(&by.label)?), ("event", matcher(&by.event)?)];
    let mut rules = Vec::new();
    for (name, filter) in &by.rules {
        rules.push((name.clone(), matcher(filter)?));
    }
    Ok(through(rows, move |mut row| {
        let (mut via, mut mapped_by) = (Vec::new(), Vec::new());
        if let Some(event) = &row.event {
            let subject = event.subject()?;
            for (name, (matcher, scratch)) in &mut own {
                if matcher.matches(&subject, scratch)? {
                    via.push(Value::Text((*name).to_owned()));
                }
            }
            for (name, (matcher, scratch)) in &mut rules {
                let name = Value::Text(name.clone());
                if !mapped_by.contains(&name) && matcher.matches(&subject, scratch)? {
                    mapped_by.push(name);
                }
            }
            if !mapped_by.is_empty() {
                via.push(Value::Text("mapping".to_owned()));
            }
        }
        row.set(0, Value::of_all(via));
        row.set(1, Value::of_all(mapped_by));
        Ok(Some(row))
    }))
}

/// These columns alone.
pub(super) fn fields(exprs: &[Expr], rows: Rows) -> Rows {
    let mut evaluator = Evaluator::new(exprs);
    through(rows, move |row| Ok(Some(Row::of_values(evaluator.columns(&row)?))))
}

/// The first so many.
pub(super) fn limit(count: u64, rows: Rows) -> Rows {
    Box::new(rows.take(usize::try_from(count).unwrap_or(usize::MAX)))
}

/// The last so many.
pub(super) fn tail(count: u64, text: String, rows: Rows, context: Arc<Context>) -> Rows {
    held(move || {
        let mut kept = VecDeque::new();
        for row in rows {
            let row = row?;
            context.hold(&text, row.footprint())?;
            kept.push_back(row);
            if kept.len() as u64 > count
                && let Some(gone) = kept.pop_front()
            {
                context.release(gone.footprint());
            }
        }
        Ok(kept.into())
    })
}

/// So many, drawn by the seed: those with the smallest numbers of [`draw`], in the order in which they came.
pub(super) fn sample(count: u64, seed: u64, text: String, rows: Rows, context: Arc<Context>) -> Rows {
    held(move || {
        let mut kept: BTreeMap<(u64, u64), Row> = BTreeMap::new();
        for (index, row) in (0..).zip(rows) {
            let row = row?;
            context.hold(&text, row.footprint())?;
            // Of an event it is the place in the log that counts, however it was found.
            let place = row.event.as_ref().map_or(index, Event::seq);
            kept.insert((draw(seed, place), index), row);
            if kept.len() as u64 > count
                && let Some((_, gone)) = kept.pop_last()
            {
                context.release(gone.footprint());
            }
        }
        let mut rows: Vec<_> = kept.into_iter().map(|((_, index), row)| (index, row)).collect();
        rows.sort_by_key(|(index, _)| *index);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    })
}

/// The number that a seed gives to a place: two rounds of SplitMix64, which anybody can compute again.
fn draw(seed: u64, place: u64) -> u64 {
    let round = |state: u64| {
        let mut word = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    };
    round(round(seed) ^ place)
}

/// What differs in these columns, and these alone.
pub(super) fn distinct(exprs: &[Expr], text: String, rows: Rows, context: Arc<Context>) -> Rows {
    let mut evaluator = Evaluator::new(exprs);
    let mut seen = HashSet::new();
    through(rows, move |row| {
        let values = evaluator.columns(&row)?;
        if seen.contains(&values) {
            return Ok(None);
        }
        context.hold(&text, values.iter().map(Value::footprint).sum::<usize>() + slot_len::<Vec<Value>>())?;
        seen.insert(values.clone());
        Ok(Some(Row::of_values(values)))
    })
}

/// The first row of each group, as they come.
pub(super) fn first(keys: &[Expr], text: String, rows: Rows, context: Arc<Context>) -> Rows {
    let mut evaluator = Evaluator::new(keys);
    let mut seen = HashSet::new();
    through(rows, move |row| {
        let key = evaluator.columns(&row)?;
        if seen.contains(&key) {
            return Ok(None);
        }
        context.hold(&text, key.iter().map(Value::footprint).sum::<usize>() + slot_len::<Vec<Value>>())?;
        seen.insert(key);
        Ok(Some(row))
    })
}

/// The last row of each group, in the order in which they came.
pub(super) fn last(keys: &[Expr], text: String, rows: Rows, context: Arc<Context>) -> Rows {
    let mut evaluator = Evaluator::new(keys);
    held(move || {
        let mut kept: HashMap<Vec<Value>, (u64, Row)> = HashMap::new();
        for (index, row) in (0..).zip(rows) {
            let row = row?;
            let key = evaluator.columns(&row)?;
            context.hold(&text, row.footprint())?;
            let of_key = key.iter().map(Value::footprint).sum::<usize>();
            let key_len = of_key + slot_len::<(Vec<Value>, (u64, Row))>();
            match kept.insert(key, (index, row)) {
                Some((_, gone)) => context.release(gone.footprint()),
                None => context.hold(&text, key_len)?,
            }
        }
        let mut rows: Vec<_> = kept.into_values().collect();
        rows.sort_by_key(|(index, _)| *index);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    })
}
