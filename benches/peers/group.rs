//! The simplest group commit that does well: one thread commits what all have given in, and wakes them.

use std::sync::{Condvar, Mutex, PoisonError};

use indelible_benches::Result;

/// Takes events durably, many at once.
pub(crate) trait Sink: Send {
    fn commit(&mut self, events: &[&[u8]]) -> Result;
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn commit(&mut self, events: &[&[u8]]) -> Result {
        (**self).commit(events)
    }
}

/// Gathers what threads append.
pub(crate) struct Group<'a, S> {
    state: Mutex<State<'a>>,
    done: Condvar,
    sink: Mutex<S>,
}

struct State<'a> {
    waiting: Vec<&'a [u8]>,
    /// The number of the commit that takes what is waiting.
    next: u64,
    /// The last commit that is done.
    done: u64,
    leading: bool,
}

impl<'a, S: Sink> Group<'a, S> {
    pub(crate) fn new(sink: S) -> Self {
        let state = State { waiting: Vec::new(), next: 1, done: 0, leading: false };
        Group { state: Mutex::new(state), done: Condvar::new(), sink: Mutex::new(sink) }
    }

    /// Returns when `event` is durable.
    pub(crate) fn append(&self, event: &'a [u8]) -> Result {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.push(event);
        let own = state.next;
        while state.leading && state.done < own {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.done >= own {
            return Ok(());
        }
        state.leading = true;
        state.next += 1;
        let events = std::mem::take(&mut state.waiting);
        drop(state);
        let result = self.sink.lock().unwrap_or_else(PoisonError::into_inner).commit(&events);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.leading = false;
        state.done = own;
        drop(state);
        self.done.notify_all();
        result
    }
}
