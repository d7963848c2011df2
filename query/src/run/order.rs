//! Putting rows in order.

use std::cmp::Ordering;
use std::sync::Arc;

use super::eval::Evaluator;
use super::row::Row;
use super::{Context, Rows, held};
use crate::error::Result;
use crate::plan::Expr;
use crate::value::Value;

/// Events in the order of their time; those of one time in the order of the log.
pub(super) fn by_time(limit: Option<u64>, text: String, rows: Rows, context: Arc<Context>) -> Rows {
    let key = |row: &Row| row.moment().map(|moment| (moment.time, moment.seq));
    sorted(rows, limit, text, context, Row::bare_footprint, key, Ord::cmp)
}

/// Rows in the order of these keys, each ascending or descending; equal ones as they come.
pub(super) fn by_keys(
    keys: &[(Expr, bool)],
    limit: Option<u64>,
    text: String,
    rows: Rows,
    context: Arc<Context>,
) -> Rows {
    let mut evaluator = Evaluator::new(keys.iter().map(|(expr, _)| expr));
    let descending: Vec<bool> = keys.iter().map(|(_, descending)| *descending).collect();
    let key = move |row: &Row| evaluator.columns(row);
    let compare = move |a: &Vec<Value>, b: &Vec<Value>| {
        let orders = a.iter().zip(b).zip(&descending).map(|((a, b), descending)| in_order(a, b, *descending));
        orders.fold(Ordering::Equal, Ordering::then)
    };
    sorted(rows, limit, text, context, Row::footprint, key, compare)
}

/// What is missing or unreadable comes last, whichever way is sorted.
fn in_order(a: &Value, b: &Value, descending: bool) -> Ordering {
    match (a.is_none(), b.is_none()) {
        (false, false) if descending => b.cmp(a),
        (false, false) => a.cmp(b),
        (a_is_none, b_is_none) => a_is_none.cmp(&b_is_none).then_with(|| a.cmp(b)),
    }
}

fn sorted<K: Send + 'static>(
    rows: Rows,
    limit: Option<u64>,
    text: String,
    context: Arc<Context>,
    footprint: impl Fn(&Row) -> usize + Send + 'static,
    mut key: impl FnMut(&Row) -> Result<K> + Send + 'static,
    compare: impl Fn(&K, &K) -> Ordering + Send + 'static,
) -> Rows {
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    held(move || {
        let mut kept: Vec<(K, Row, usize)> = Vec::new();
        for row in rows {
            let row = row?;
            let len = footprint(&row) + size_of::<(K, usize)>();
            context.hold(&text, len)?;
            kept.push((key(&row)?, row, len));
            // Twice as many as are wanted are sorted at a time: each row is then moved a few times in all.
            if kept.len() / 2 > limit.saturating_add(512) {
                cut(&mut kept, limit, &compare, &context);
            }
        }
        cut(&mut kept, limit, &compare, &context);
        Ok(kept.into_iter().map(|(_, row, _)| row).collect())
    })
}

fn cut<K>(
    kept: &mut Vec<(K, Row, usize)>,
    limit: usize,
    compare: &impl Fn(&K, &K) -> Ordering,
    context: &Context,
) {
    kept.sort_by(|a, b| compare(&a.0, &b.0));
    for (_, _, len) in kept.drain(limit.min(kept.len())..) {
        context.release(len);
    }
}
