//! Group commit among the threads of one process.
//!
//! Whoever comes while no commit is under way leads one, for all who wait by then; whoever comes later waits for
//! the next. A leader commits once and hands the lead on, so that no thread works for others without end. What is
//! given in at once stays together and in order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};

use super::lock;

/// Most bytes of events that one leader commits at once, unless one job alone has more.
const GROUP_LEN_MAX: usize = 8 << 20;

const WAITING: u8 = 0;
const DONE: u8 = 1;
const LEADS: u8 = 2;

/// A queue of jobs, each answered by a result.
#[derive(Debug)]
pub(crate) struct Group<J, R> {
    state: Mutex<State<J, R>>,
}

#[derive(Debug)]
struct State<J, R> {
    queue: VecDeque<Arc<Ticket<J, R>>>,
    leading: bool,
}

#[derive(Debug)]
struct Ticket<J, R> {
    len: usize,
    thread: Thread,
    state: AtomicU8,
    job: Mutex<Option<J>>,
    answer: Mutex<Option<R>>,
}

impl<J, R> Default for Group<J, R> {
    fn default() -> Self {
        Group { state: Mutex::new(State { queue: VecDeque::new(), leading: false }) }
    }
}

impl<J, R> Group<J, R> {
    /// Has `job`, of `len` bytes, done, by this thread or another, through `work`: it is given jobs in order and
    /// returns an answer for each. Nothing if `work` gave too few answers.
    pub(crate) fn submit(&self, job: J, len: usize, work: impl FnOnce(Vec<J>) -> Vec<R>) -> Option<R> {
        let ticket = Arc::new(Ticket {
            len,
            thread: thread::current(),
            state: AtomicU8::new(WAITING),
            job: Mutex::new(Some(job)),
            answer: Mutex::new(None),
        });
        let leads = {
            let mut state = lock(&self.state);
            state.queue.push_back(Arc::clone(&ticket));
            !std::mem::replace(&mut state.leading, true)
        };
        if !leads {
            while ticket.state.load(Ordering::Acquire) == WAITING {
                thread::park();
            }
        }
        if leads || ticket.state.load(Ordering::Acquire) == LEADS {
            self.lead(work);
        }
        lock(&ticket.answer).take()
    }

    /// Does the jobs at the front of the queue and hands the lead to whoever waits then.
    fn lead(&self, work: impl FnOnce(Vec<J>) -> Vec<R>) {
        let relay = Relay { group: self, batch: self.take_batch() };
        let jobs = relay.batch.iter().filter_map(|ticket| lock(&ticket.job).take()).collect();
        for (ticket, answer) in relay.batch.iter().zip(work(jobs)) {
            *lock(&ticket.answer) = Some(answer);
        }
    }

    fn take_batch(&self) -> Vec<Arc<Ticket<J, R>>> {
        let mut state = lock(&self.state);
        let mut len = 0_usize;
        let mut count = 0;
        for ticket in &state.queue {
            len = len.saturating_add(ticket.len);
            if count > 0 && len > GROUP_LEN_MAX {
                break;
            }
            count += 1;
        }
        state.queue.drain(..count).collect()
    }
}

/// Wakes those whose jobs were done and the next leader, also when the work panics.
struct Relay<'a, J, R> {
    group: &'a Group<J, R>,
    batch: Vec<Arc<Ticket<J, R>>>,
}

impl<J, R> Drop for Relay<'_, J, R> {
    fn drop(&mut self) {
        let next = {
            let mut state = lock(&self.group.state);
            let next = state.queue.front().cloned();
            state.leading = next.is_some();
            next
        };
        if let Some(next) = next {
            next.state.store(LEADS, Ordering::Release);
            next.thread.unpark();
        }
        for ticket in &self.batch {
            ticket.state.store(DONE, Ordering::Release);
            ticket.thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_answered_once_and_in_order_of_each_thread() {
        let group = Group::<u64, u64>::default();
        let log = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for worker in 0..8_u64 {
                let (group, log) = (&group, &log);
                scope.spawn(move || {
                    for n in 0..200 {
                        let job = worker * 1000 + n;
                        let answer = group.submit(job, 1, |jobs| {
                            log.lock().unwrap().extend(jobs.iter().copied());
                            jobs.iter().map(|job| job + 1).collect()
                        });
                        assert_eq!(answer, Some(job + 1));
                    }
                });
            }
        });
        let log = log.into_inner().unwrap();
        assert_eq!(log.len(), 1600);
        for worker in 0..8 {
            let own: Vec<u64> = log.iter().copied().filter(|job| job / 1000 == worker).collect();
            assert!(own.is_sorted());
        }
    }

    #[test]
    fn jobs_that_do_not_fit_one_commit_are_all_answered() {
        let group = Group::<u64, u64>::default();
        thread::scope(|scope| {
            for worker in 0..16_u64 {
                let group = &group;
                scope.spawn(move || {
                    for n in 0..300 {
                        // Two or three of these are too long for one commit.
                        let len = GROUP_LEN_MAX / 2 - (n as usize % 3) * (GROUP_LEN_MAX / 5);
                        let answer = group.submit(worker * 1000 + n, len, |jobs| {
                            thread::yield_now();
                            jobs
                        });
                        assert_eq!(answer, Some(worker * 1000 + n));
                    }
                });
            }
        });
    }

    #[test]
    fn a_leader_that_panics_leaves_the_group_usable() {
        let group = Group::<u64, u64>::default();
        let result = thread::scope(|scope| {
            scope.spawn(|| group.submit(1, 1, |_| panic!("on purpose"))).join().is_err()
        });
        assert!(result);
        assert_eq!(group.submit(2, 1, |jobs| jobs), Some(2));
    }
}
