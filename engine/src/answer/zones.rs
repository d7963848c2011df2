//! When the records of a stretch happened, summed up: the first and last time of each small run of records. A question
//! about a span of time needs to look closer only where such a run lies partly in it.
//!
//! Where times go up with the records, two looks tell which lie in a window. The store's own records would mostly spoil
//! this, for their time is that of receipt, and a segment begins with one: a few records without a known time of their own
//! are kept *aside*, and looked at one by one.

use std::ops::Range;

use super::set::Set;
use crate::filter::{Clock, Window};
use crate::segment::{EventTimes, Sidecar};
use crate::source::EventTime;
use crate::{Fault, Timestamp};

/// How many records are summed up together.
const ZONE_COUNT: u32 = 256;

/// Most records that are kept aside.
const ASIDE_MAX: usize = 32;

/// The first and last time by each clock.
#[derive(Debug)]
pub(super) struct Zones {
    event: Spans,
    received: Spans,
}

#[derive(Debug)]
struct Spans {
    all: Span,
    zones: Vec<Span>,
    /// Whether no record's time is before that of the one before it.
    ascend: bool,
    /// The records, ascending, of which all this does not speak.
    aside: Vec<u32>,
    /// Their times.
    of_aside: Span,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    first: Timestamp,
    last: Timestamp,
}

/// How a span lies to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lies {
    Outside,
    Across,
    Inside,
}

impl Span {
    const NONE: Span = Span { first: Timestamp(i64::MAX), last: Timestamp(i64::MIN) };

    fn add(&mut self, time: Timestamp) {
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }

    fn lies(&self, window: Window) -> Lies {
        if window.contains(self.first) && window.contains(self.last) {
            return Lies::Inside;
        }
        let before = window.from.is_some_and(|from| self.last < from);
        let after = window.until.is_some_and(|until| until <= self.first);
        if before || after || self.first > self.last { Lies::Outside } else { Lies::Across }
    }

    /// About where a time stands among `of` places, if times lie evenly.
    fn share(&self, time: Timestamp, of: u32) -> u32 {
        let since = |first: Timestamp, last: Timestamp| (i128::from(last.0) - i128::from(first.0)).max(0);
        let (before, all) = (since(self.first, time), since(self.first, self.last).max(1));
        (before * i128::from(of) / all).min(i128::from(of)) as u32
    }
}

impl Zones {
    pub(super) fn new(sidecar: &Sidecar) -> Result<Zones, Fault> {
        let (times, count) = (sidecar.event_times()?, sidecar.meta().record_count);
        let is_unknown = |offset: &u32| !matches!(times.get(*offset), EventTime::Known(_));
        let mut aside: Vec<u32> = (0..count).filter(is_unknown).take(ASIDE_MAX + 1).collect();
        if aside.len() > ASIDE_MAX {
            aside.clear();
        }
        let (mut event, mut received) = (Spans::new(count, aside), Spans::new(count, Vec::new()));
        let mut frames = sidecar.frames()?.peekable();
        while let Some(frame) = frames.next() {
            let end = frames.peek().map_or(count, |next| next.first_offset);
            if end < frame.first_offset || end > count {
                let place = "a frame behind the one before";
                return Err(Fault::damaged(0, "frame of the sidecar", place, frame.first_offset));
            }
            for offset in frame.first_offset..end {
                received.add(offset, frame.received_at);
                event.add(offset, time_of(times.get(offset), frame.received_at));
            }
        }
        event.fill();
        Ok(Zones { event, received })
    }

    fn of(&self, clock: Clock) -> &Spans {
        match clock {
            Clock::Event => &self.event,
            Clock::Received => &self.received,
        }
    }

    /// The records that are kept aside: few.
    pub(super) fn aside(&self, clock: Clock) -> &[u32] {
        &self.of(clock).aside
    }

    /// How all records lie to a window.
    pub(super) fn lies(&self, clock: Clock, window: Window) -> Lies {
        self.of(clock).lie(window)
    }

    /// The records whose time lies in the window, where they are a range but for a few: as times mostly go up with the
    /// records.
    pub(super) fn range(
        &self,
        sidecar: &Sidecar,
        clock: Clock,
        window: Window,
    ) -> Result<Option<Set>, Fault> {
        if !self.of(clock).ascend {
            return Ok(None);
        }
        let found = self.records(sidecar, clock, window, &Set::Range(0..sidecar.meta().record_count))?;
        Ok(matches!(found, Set::Range(_) | Set::Except(..)).then_some(found))
    }

    /// The records among `within` whose time lies in the window; of others some may be there too.
    pub(super) fn records(
        &self,
        sidecar: &Sidecar,
        clock: Clock,
        window: Window,
        within: &Set,
    ) -> Result<Set, Fault> {
        let spans = self.of(clock);
        match spans.lie(window) {
            Lies::Inside => return Ok(within.clone()),
            Lies::Outside => return Ok(Set::none()),
            Lies::Across => {}
        }
        let look = Look { sidecar, times: sidecar.event_times()?, clock, window };
        if let Set::List(list) = within {
            let mut found = Vec::with_capacity(list.len());
            for &offset in list {
                let zone = spans.zones.get((offset / ZONE_COUNT) as usize);
                let is_in = match zone.map_or(Lies::Outside, |zone| zone.lies(window)) {
                    _ if spans.is_aside(offset) => look.is_in(offset)?,
                    Lies::Inside => true,
                    Lies::Outside => false,
                    Lies::Across => look.is_in(offset)?,
                };
                if is_in {
                    found.push(offset);
                }
            }
            return Ok(Set::List(found));
        }
        let mut found = spans.records(&look)?;
        let (mut others, mut more) = (Vec::new(), Vec::new());
        for &offset in spans.aside.iter().filter(|offset| within.contains(**offset)) {
            match (found.contains(offset), look.is_in(offset)?) {
                (true, false) => others.push(offset),
                (false, true) => more.push(offset),
                _ => {}
            }
        }
        found = found.minus(&Set::List(others));
        Ok(found.or(Set::List(more)))
    }
}

impl Spans {
    fn new(count: u32, aside: Vec<u32>) -> Spans {
        let zones = vec![Span::NONE; count.div_ceil(ZONE_COUNT) as usize];
        Spans { all: Span::NONE, zones, ascend: true, aside, of_aside: Span::NONE }
    }

    fn add(&mut self, offset: u32, time: Timestamp) {
        if self.is_aside(offset) {
            return self.of_aside.add(time);
        }
        self.ascend &= self.all.last <= time;
        self.all.add(time);
        if let Some(zone) = self.zones.get_mut((offset / ZONE_COUNT) as usize) {
            zone.add(time);
        }
    }

    /// Gives zones of which all records are aside the time of those before them, so that these ascend too.
    fn fill(&mut self) {
        let mut last = Timestamp(i64::MIN);
        for zone in &mut self.zones {
            if zone.first > zone.last {
                *zone = Span { first: last, last };
            }
            last = zone.last;
        }
    }

    fn is_aside(&self, offset: u32) -> bool {
        self.aside.binary_search(&offset).is_ok()
    }

    /// How all records lie to a window.
    fn lie(&self, window: Window) -> Lies {
        let of_all = self.all.lies(window);
        match self.aside.as_slice() {
            [] => of_all,
            _ if of_all == self.of_aside.lies(window) => of_all,
            _ => Lies::Across,
        }
    }

    /// The records whose time lies in the window, those that are aside as it may be.
    fn records(&self, look: &Look<'_>) -> Result<Set, Fault> {
        let (window, count) = (look.window, look.sidecar.meta().record_count);
        match self.all.lies(window) {
            Lies::Inside => return Ok(Set::Range(0..count)),
            Lies::Outside => return Ok(Set::none()),
            Lies::Across => {}
        }
        if self.ascend {
            let from = window.from.map_or(Ok(0), |from| look.first_not_before(self, from))?;
            let until = window.until.map_or(Ok(count), |until| look.first_not_before(self, until))?;
            return Ok(Set::Range(from..until.max(from)));
        }
        let mut runs = Runs::default();
        for (index, zone) in (0..).zip(&self.zones) {
            let range = index * ZONE_COUNT..((index + 1) * ZONE_COUNT).min(count);
            match zone.lies(window) {
                Lies::Inside => runs.add(range),
                Lies::Outside => {}
                Lies::Across => {
                    for offset in range {
                        if look.is_in(offset)? {
                            runs.add(offset..offset + 1);
                        }
                    }
                }
            }
        }
        Ok(runs.into_set())
    }
}

/// A close look at single records.
struct Look<'a> {
    sidecar: &'a Sidecar,
    times: EventTimes<'a>,
    clock: Clock,
    window: Window,
}

impl Look<'_> {
    fn is_in(&self, offset: u32) -> Result<bool, Fault> {
        Ok(self.window.contains(self.time(offset)?))
    }

    fn time(&self, offset: u32) -> Result<Timestamp, Fault> {
        match (self.clock, self.times.get(offset)) {
            (Clock::Event, EventTime::Known(time)) => Ok(time),
            _ => Ok(self.sidecar.received_at(offset)?.unwrap_or_default()),
        }
    }

    /// The first record whose time is not before `time`, where the times ascend; those that are aside stand where their
    /// neighbours do.
    fn first_not_before(&self, spans: &Spans, time: Timestamp) -> Result<u32, Fault> {
        let count = self.sidecar.meta().record_count;
        let zones = 0..spans.zones.len() as u32;
        let guess = spans.all.share(time, zones.end);
        let index = first_from(zones, guess, |index| {
            Ok(spans.zones.get(index as usize).is_some_and(|zone| zone.last < time))
        })?;
        let Some(zone) = spans.zones.get(index as usize) else { return Ok(count) };
        let start = index * ZONE_COUNT;
        let range = start..start.saturating_add(ZONE_COUNT).min(count);
        let guess = start + zone.share(time, ZONE_COUNT);
        first_from(range.clone(), guess, |offset| {
            match (offset..range.end).find(|offset| !spans.is_aside(*offset)) {
                Some(offset) => Ok(self.time(offset)? < time),
                None => Ok(false),
            }
        })
    }
}

/// The first of a range, in which all those before come first, that is not before. It is looked for from a guess on, in
/// growing steps; then what is left is halved.
fn first_from(
    range: Range<u32>,
    guess: u32,
    is_before: impl Fn(u32) -> Result<bool, Fault>,
) -> Result<u32, Fault> {
    let Range { start: mut low, end: mut high } = range;
    let mut step = 4;
    if low < high {
        let guess = guess.clamp(low, high - 1);
        if is_before(guess)? {
            low = guess + 1;
            while high - low > step {
                if is_before(low + step)? {
                    low += step + 1
                } else {
                    high = low + step
                }
                step *= 4;
            }
        } else {
            high = guess;
            while high - low > step {
                if is_before(high - step)? {
                    low = high - step + 1
                } else {
                    high -= step
                }
                step *= 4;
            }
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// A record's time, as filters have it.
fn time_of(event: EventTime, received_at: Timestamp) -> Timestamp {
    match event {
        EventTime::Known(time) => time,
        EventTime::Absent | EventTime::Unreadable => received_at,
    }
}

/// Ranges that come in ascending order; where the times go up with the records, they make one.
#[derive(Default)]
struct Runs {
    done: Option<roaring::RoaringBitmap>,
    last: Range<u32>,
}

impl Runs {
    fn add(&mut self, range: Range<u32>) {
        if self.last.end == range.start && !self.last.is_empty() {
            self.last.end = range.end;
            return;
        }
        if !self.last.is_empty() {
            self.done.get_or_insert_default().insert_range(self.last.clone());
        }
        self.last = range;
    }

    fn into_set(self) -> Set {
        match self.done {
            None => Set::Range(self.last),
            Some(mut done) => {
                done.insert_range(self.last);
                Set::Bitmap(done)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::tests::Random;

    #[test]
    fn the_first_is_found_from_any_guess() {
        let mut random = Random(8);
        for _ in 0..2_000 {
            let start = random.below(50) as u32;
            let range = start..start + random.below(300) as u32;
            let first = start + random.below(u64::from(range.end - start) + 1) as u32;
            let guess = random.below(400) as u32;
            let found = first_from(range.clone(), guess, |at| {
                assert!(range.contains(&at), "{at} is looked at, which is not in {range:?}");
                Ok(at < first)
            });
            assert_eq!(found.unwrap(), first, "{range:?} from {guess}");
        }
    }

    #[test]
    fn a_share_is_a_place() {
        let span = Span { first: Timestamp(i64::MIN), last: Timestamp(i64::MAX) };
        assert_eq!([i64::MIN, -1, i64::MAX].map(|time| span.share(Timestamp(time), 256)), [0, 127, 256]);
        let moment = Span { first: Timestamp(7), last: Timestamp(7) };
        assert_eq!([6, 7, 8].map(|time| moment.share(Timestamp(time), 256)), [0, 0, 256]);
    }
}
