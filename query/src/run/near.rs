//! Events in order, to be asked which of them stands before another, and how surely.
//!
//! Order is time, ties by seq. A pair is *disputed* where the log has it the other way round, or where one of the two
//! has no time of its own. What stands after is found as what stands before in a mirror: times and seqs negated.

use super::row::Moment;
use crate::ast::Side;

/// A time and a place in the log, mirrored where what follows is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    time: i64,
    seq: i64,
}

impl Point {
    pub(super) fn new(moment: Moment, side: Side) -> Point {
        let (time, seq) = (moment.time.0, moment.seq as i64);
        match side {
            Side::Preceded => Point { time, seq },
            // One less than negated, which every time can be.
            Side::Followed => Point { time: !time, seq: -seq },
        }
    }

    /// The seq that this is of.
    pub(super) fn seq(self) -> u64 {
        self.seq.unsigned_abs()
    }

    /// How long after this `other` is, in the mirror or not.
    pub(super) fn until(self, other: Point) -> i128 {
        i128::from(other.time) - i128::from(self.time)
    }
}

/// Events in order. Most logs have them in the order of time too: then nothing more is kept.
#[derive(Debug, Default)]
pub(super) struct Line {
    points: Vec<Point>,
    /// Whether the event says its time itself.
    known: Vec<bool>,
    /// The least seqs of stretches: of all points, and of those whose time is known.
    trees: Option<Box<(LeastTree, LeastTree)>>,
}

/// What stands before a point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Before {
    /// The nearest of which there is no doubt.
    pub(super) sure: Option<Point>,
    /// The nearest by time, disputed or not.
    pub(super) nearest: Option<Point>,
    /// Whether by the log's order something stands before that by time stands after.
    pub(super) by_log: bool,
}

impl Line {
    pub(super) fn push(&mut self, point: Point, is_known: bool) {
        self.points.push(point);
        self.known.push(is_known);
    }

    /// Puts the points in order; to be called once, after the last.
    pub(super) fn finish(&mut self) {
        let mut both: Vec<(Point, bool)> = self.points.drain(..).zip(self.known.drain(..)).collect();
        both.sort_unstable();
        (self.points, self.known) = both.into_iter().unzip();
        let in_order =
            self.points.is_sorted_by_key(|point| point.seq) && self.known.iter().all(|known| *known);
        if !in_order {
            let seqs = self.points.iter().map(|point| point.seq);
            let of_known = self.points.iter().zip(&self.known);
            let known = of_known.map(|(point, known)| if *known { point.seq } else { i64::MAX });
            self.trees = Some(Box::new((LeastTree::new(seqs), LeastTree::new(known))));
        }
    }

    /// What stands before `point`, no further than `within` nanoseconds.
    pub(super) fn before(&self, point: Point, is_known: bool, within: Option<i128>) -> Before {
        let end = self.points.partition_point(|other| *other < point);
        let is_near = |other: &Point| within.is_none_or(|within| other.until(point).abs() <= within);
        let at = |index: usize| self.points.get(index).copied().filter(is_near);
        let (sure, by_log) = match self.trees.as_deref() {
            None => {
                let first_later = self.points.partition_point(|other| other.seq < point.seq);
                (end.min(first_later).checked_sub(1), (end < first_later).then_some(end))
            }
            Some((all, known)) => (known.last_below(end, point.seq), all.first_below(end, point.seq)),
        };
        Before {
            sure: sure.filter(|_| is_known).and_then(at),
            nearest: end.checked_sub(1).and_then(at),
            by_log: by_log.and_then(at).is_some(),
        }
    }
}

/// A list of numbers, with the least of each stretch that is a power of two long.
#[derive(Debug)]
struct LeastTree {
    /// The root at 1; the children of `n` at `2n` and `2n + 1`; the list in the last half.
    least: Vec<i64>,
}

impl LeastTree {
    fn new(list: impl ExactSizeIterator<Item = i64>) -> LeastTree {
        // One place more than there are numbers, so that the end is a place too.
        let width = (list.len() + 1).next_power_of_two();
        let mut least = vec![i64::MAX; width];
        least.extend(list);
        least.resize(2 * width, i64::MAX);
        for node in (1..width).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        LeastTree { least }
    }

    /// The last place before `end` with a number below `bound`.
    fn last_below(&self, end: usize, bound: i64) -> Option<usize> {
        let width = self.least.len() / 2;
        let mut node = width + end;
        // Up, until a stretch left of the way holds one; then down into it.
        while node > 1 {
            if node % 2 == 1 && self.least[node - 1] < bound {
                node -= 1;
                while node < width {
                    node = if self.least[2 * node + 1] < bound { 2 * node + 1 } else { 2 * node };
                }
                return Some(node - width);
            }
            node /= 2;
        }
        None
    }

    /// The first place from `start` on with a number below `bound`.
    fn first_below(&self, start: usize, bound: i64) -> Option<usize> {
        let width = self.least.len() / 2;
        let mut node = width + start;
        while self.least[node] >= bound {
            // On to the stretch right of this one, as long as it can be.
            while node % 2 == 1 {
                node /= 2;
            }
            if node == 0 {
                return None;
            }
            node += 1;
        }
        while node < width {
            node = if self.least[2 * node] < bound { 2 * node } else { 2 * node + 1 };
        }
        Some(node - width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indelible_engine::Timestamp;

    #[test]
    fn trees_find_what_a_walk_finds() {
        let mut state = 1_u64;
        for len in 0..40_usize {
            let list: Vec<i64> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 60) as i64
                })
                .collect();
            let tree = LeastTree::new(list.iter().copied());
            for at in 0..=len {
                for bound in -1..17 {
                    let last = (0..at).rev().find(|index| list[*index] < bound);
                    let first = (at..len).find(|index| list[*index] < bound);
                    assert_eq!(tree.last_below(at, bound), last, "{list:?} {at} {bound}");
                    assert_eq!(tree.first_below(at, bound), first, "{list:?} {at} {bound}");
                }
            }
        }
    }

    #[test]
    fn lines_say_what_a_look_at_each_pair_says() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for round in 0..300 {
            let len = random(12);
            let disorder = 1 + random(6);
            let moments: Vec<Moment> = (0..len)
                .map(|seq| {
                    let time = Timestamp((seq * 2 + random(disorder)) as i64);
                    Moment { time, seq, is_known: round % 3 > 0 || random(4) > 0 }
                })
                .collect();
            for side in [Side::Preceded, Side::Followed] {
                let mut line = Line::default();
                moments.iter().for_each(|moment| line.push(Point::new(*moment, side), moment.is_known));
                line.finish();
                for of in &moments {
                    for within in [None, Some(0), Some(3)] {
                        let point = Point::new(*of, side);
                        let found = line.before(point, of.is_known, within);
                        assert_eq!(
                            found,
                            by_pairs(&moments, *of, side, within),
                            "{moments:?} {of:?} {side:?}"
                        );
                    }
                }
            }
        }
    }

    fn by_pairs(moments: &[Moment], of: Moment, side: Side, within: Option<i128>) -> Before {
        let point = Point::new(of, side);
        let mut found = Before::default();
        for moment in moments {
            let other = Point::new(*moment, side);
            if within.is_some_and(|within| other.until(point).abs() > within) {
                continue;
            }
            let (by_time, by_log) = (other < point, other.seq < point.seq);
            if by_time {
                found.nearest = found.nearest.max(Some(other));
            }
            if by_time && by_log && moment.is_known && of.is_known {
                found.sure = found.sure.max(Some(other));
            }
            found.by_log |= by_log && !by_time;
        }
        found
    }
}
