//! Group commit among the threads of one process.
//!
//! Whoever comes while no commit is under way commits alone and at once; whoever comes meanwhile joins the batch that
//! gathers, which its first member leads as soon as the commit before is done. A leader commits once, so that no
//! thread works for others without end. What is given in at once stays together and in order.
//!
//! All members of a batch wait on one condition: waking them is one call to the system and not one each, which with
//! many threads costs more than the commit.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::lock;

/// Most bytes of events that one leader commits at once, unless one job alone has more.
const BATCH_LEN_MAX: usize = 8 << 20;

/// A queue of jobs, each answered by a result.
#[derive(Debug)]
pub(crate) struct Group<J, R> {
    queue: Mutex<Queue<J, R>>,
}

#[derive(Debug)]
struct Queue<J, R> {
    /// The batches that wait for their turn; jobs join the last.
    gathering: VecDeque<Gathering<J, R>>,
    /// Somebody leads, or was told to.
    leading: bool,
}

/// Jobs that will be done together.
#[derive(Debug)]
struct Gathering<J, R> {
    jobs: Vec<J>,
    len: usize,
    batch: Arc<Batch<R>>,
}

/// What the members of a batch wait for.
#[derive(Debug)]
struct Batch<R> {
    state: Mutex<State<R>>,
    /// It is the first member's turn to lead.
    turn: Condvar,
    done: Condvar,
}

#[derive(Debug)]
enum State<R> {
    Waiting,
    Turn,
    /// The answers in the order of the jobs, each taken by whoever gave in the job.
    Done(Vec<Option<R>>),
}

impl<R> Default for Batch<R> {
    fn default() -> Self {
        Batch { state: Mutex::new(State::Waiting), turn: Condvar::new(), done: Condvar::new() }
    }
}

impl<R> Batch<R> {
    fn wait_for_turn(&self) {
        let waits = |state: &mut State<R>| matches!(state, State::Waiting);
        drop(self.turn.wait_while(lock(&self.state), waits).unwrap_or_else(PoisonError::into_inner));
    }

    /// The answer to the job at `place`; none where the leader gave too few.
    fn answer(&self, place: usize) -> Option<R> {
        let waits = |state: &mut State<R>| !matches!(state, State::Done(_));
        let mut state =
            self.done.wait_while(lock(&self.state), waits).unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Done(answers) => answers.get_mut(place)?.take(),
            _ => None,
        }
    }
}

impl<J, R> Default for Group<J, R> {
    fn default() -> Self {
        Group { queue: Mutex::new(Queue { gathering: VecDeque::new(), leading: false }) }
    }
}

impl<J, R> Group<J, R> {
    /// Has `job`, of `len` bytes, done, by this thread or another, through `work`: it is given jobs in order and
    /// returns an answer for each. Nothing if `work` gave too few answers.
    pub(crate) fn submit(&self, job: J, len: usize, work: impl FnOnce(Vec<J>) -> Vec<R>) -> Option<R> {
        let mut queue = lock(&self.queue);
        if !std::mem::replace(&mut queue.leading, true) {
            drop(queue);
            let relay = Relay { group: self, batch: None, answers: Vec::new() };
            let answer = work(vec![job]).pop();
            drop(relay);
            return answer;
        }
        let (batch, place) = queue.join(job, len);
        drop(queue);
        if place == 0 {
            batch.wait_for_turn();
            self.lead(&batch, work);
        }
        batch.answer(place)
    }

    /// Does the jobs of the first batch, whose turn it is, and hands the lead on.
    fn lead(&self, batch: &Batch<R>, work: impl FnOnce(Vec<J>) -> Vec<R>) {
        let first = lock(&self.queue).gathering.pop_front();
        let jobs = first.map(|gathering| gathering.jobs).unwrap_or_default();
        let mut relay = Relay { group: self, batch: Some(batch), answers: Vec::new() };
        relay.answers = work(jobs).into_iter().map(Some).collect();
    }
}

impl<J, R> Queue<J, R> {
    /// Puts a job into the last batch, or begins one; the job's place in it.
    fn join(&mut self, job: J, len: usize) -> (Arc<Batch<R>>, usize) {
        if let Some(last) = self.gathering.back_mut()
            && last.len.saturating_add(len) <= BATCH_LEN_MAX
        {
            last.len += len;
            last.jobs.push(job);
            return (Arc::clone(&last.batch), last.jobs.len() - 1);
        }
        let batch = Arc::default();
        self.gathering.push_back(Gathering { jobs: vec![job], len, batch: Arc::clone(&batch) });
        (batch, 0)
    }
}

/// Tells the next leader, then those whose jobs were done, also when the work panics.
struct Relay<'a, J, R> {
    group: &'a Group<J, R>,
    /// None where the leader worked for itself alone.
    batch: Option<&'a Batch<R>>,
    answers: Vec<Option<R>>,
}

impl<J, R> Drop for Relay<'_, J, R> {
    fn drop(&mut self) {
        let next = {
            let mut queue = lock(&self.group.queue);
            let next = queue.gathering.front().map(|gathering| Arc::clone(&gathering.batch));
            queue.leading = next.is_some();
            next
        };
        if let Some(next) = next {
            *lock(&next.state) = State::Turn;
            next.turn.notify_one();
        }
        if let Some(batch) = self.batch {
            *lock(&batch.state) = State::Done(std::mem::take(&mut self.answers));
            batch.done.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

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
                        let len = BATCH_LEN_MAX / 2 - (n as usize % 3) * (BATCH_LEN_MAX / 5);
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
