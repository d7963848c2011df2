//! When the records of a stretch happened, summed up: the first and last time of each small run of records. A question
//! about a span of time needs to look closer only where such a run lies partly in it.

use std::ops::Range;

use super::set::Set;
use crate::filter::{Clock, Window};
use crate::segment::{EventTimes, Sidecar};
use crate::source::EventTime;
use crate::{Fault, Timestamp};

/// How many records are summed up together.
const ZONE_COUNT: u32 = 256;

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
}

impl Zones {
    pub(super) fn new(sidecar: &Sidecar) -> Result<Zones, Fault> {
        let (times, count) = (sidecar.event_times()?, sidecar.meta().record_count);
        let zones = vec![Span::NONE; count.div_ceil(ZONE_COUNT) as usize];
        let mut event = Spans { all: Span::NONE, zones: zones.clone(), ascend: true };
        let mut received = Spans { all: Span::NONE, zones, ascend: true };
        let mut frames = sidecar.frames()?.peekable();
        while let Some(frame) = frames.next() {
            let end = frames.peek().map_or(count, |next| next.first_offset);
            for offset in frame.first_offset..end {
                received.add(offset, frame.received_at);
                event.add(offset, time_of(times.get(offset), frame.received_at));
            }
        }
        Ok(Zones { event, received })
    }

    fn of(&self, clock: Clock) -> &Spans {
        match clock {
            Clock::Event => &self.event,
            Clock::Received => &self.received,
        }
    }

    /// How all records lie to a window.
    pub(super) fn lies(&self, clock: Clock, window: Window) -> Lies {
        self.of(clock).all.lies(window)
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
        match spans.all.lies(window) {
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
        if spans.ascend {
            let from = window.from.map_or(Ok(0), |from| look.first_not_before(spans, from))?;
            let end = sidecar.meta().record_count;
            let until = window.until.map_or(Ok(end), |until| look.first_not_before(spans, until))?;
            return Ok(Set::Range(from..until.max(from)));
        }
        let mut runs = Runs::default();
        for (index, zone) in (0..).zip(&spans.zones) {
            let range = index * ZONE_COUNT..((index + 1) * ZONE_COUNT).min(sidecar.meta().record_count);
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

impl Spans {
    fn add(&mut self, offset: u32, time: Timestamp) {
        self.ascend &= self.all.last <= time;
        self.all.add(time);
        if let Some(zone) = self.zones.get_mut((offset / ZONE_COUNT) as usize) {
            zone.add(time);
        }
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

    /// The first record whose time is not before `time`, where the times ascend.
    fn first_not_before(&self, spans: &Spans, time: Timestamp) -> Result<u32, Fault> {
        let zone = spans.zones.partition_point(|zone| zone.last < time) as u32;
        let mut low = zone * ZONE_COUNT;
        let mut high = (low + ZONE_COUNT).min(self.sidecar.meta().record_count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.time(middle)? < time { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
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
