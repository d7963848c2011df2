//! From files to prepared events, in order: one thread reads and cuts lines, several prepare them, and whoever
//! holds the [`Feed`] takes them out in the order of the input.
//!
//! Each chunk gets a slot when it is read, and the slots are queued in order: so no event overtakes another,
//! and no more chunks are under way than the queue has places.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use bytes::Bytes;
use indelible::{Error, Masking, Prepared, Source, Store, limits};

use crate::exit::{Failure, Outcome};
use crate::input::{self, Chunk, Input, Line, LineReader};

/// How many chunks may be under way.
const CHUNKS_MAX: usize = 32;

/// How events are prepared.
#[derive(Clone)]
pub(crate) struct Rules {
    /// The profile by which events are read.
    pub(crate) source: Source,
    /// What is masked.
    pub(crate) masking: Masking,
    /// Whether the bytes of each event are kept, so that it can be prepared again.
    pub(crate) keep_bytes: bool,
}

/// Where an event or a bad line stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The file's name, `-` for stdin.
    pub(crate) file: Arc<str>,
    /// From 1.
    pub(crate) line: u64,
}

/// One event that can be committed.
pub(crate) struct Ready {
    /// Where it stands.
    pub(crate) place: Place,
    /// What is committed.
    pub(crate) event: Prepared,
    /// Its bytes as they came, where they were to be kept.
    pub(crate) bytes: Option<Bytes>,
}

/// A line that cannot be taken.
#[derive(Debug)]
pub(crate) struct BadLine {
    /// Where it stands.
    pub(crate) place: Place,
    /// The byte in the line, from 1.
    pub(crate) column: u64,
    /// What is wrong.
    pub(crate) reason: String,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// Its bytes, or where it is over the limit, the first of them.
    pub(crate) bytes: Vec<u8>,
}

/// One step through the input.
pub(crate) enum Step {
    /// An event.
    Ready(Ready),
    /// A line that is none.
    Bad(BadLine),
}

/// What comes out of a feed.
pub(crate) enum Item {
    /// What one chunk of input became.
    Steps(Vec<Step>),
    /// So many empty lines were passed over in one file.
    Blank(u64),
    /// The input could not be read on.
    Failed(Failure),
    /// Somebody called [`Waker::wake`].
    Woken,
    /// All input has been given out.
    End,
}

enum Slot {
    Chunk(Receiver<Vec<Step>>),
    Item(Item),
}

struct Job {
    chunk: Chunk,
    file: Arc<str>,
    reply: Sender<Vec<Step>>,
}

/// Prepared events, in the order of the input.
pub(crate) struct Feed {
    slots: Receiver<Slot>,
    waker: SyncSender<Slot>,

    read: Arc<AtomicU64>,
}

/// Brings whoever waits in [`Feed::next`] back.
pub(crate) struct Waker(SyncSender<Slot>);

impl Waker {
    /// Wakes. A feed that is busy is not woken: it comes back by itself.
    pub(crate) fn wake(&self) {
        let _ = self.0.try_send(Slot::Item(Item::Woken));
    }
}

impl Feed {
    /// Starts to read `paths` one after the other. `store` must outlive the feed's use, not its threads: they
    /// end when they find it gone.
    pub(crate) fn start(paths: Vec<PathBuf>, store: &Arc<Store>, rules: &Rules) -> Outcome<Self> {
        let (waker, slots) = sync_channel(CHUNKS_MAX);
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let read = Arc::new(AtomicU64::new(0));
        let workers = thread::available_parallelism().map_or(1, usize::from).min(16);
        for _ in 0..workers {
            let (queue, store, rules) = (Arc::clone(&queue), Arc::downgrade(store), rules.clone());
            spawn("prepare", move || work(&queue, &store, &rules))?;
        }
        let reader = Reader { slots: waker.clone(), jobs, read: Arc::clone(&read), rules: rules.clone() };
        spawn("read", move || reader.run(&paths))?;
        Ok(Feed { slots, waker, read })
    }

    /// A way to wake whoever waits in [`Feed::next`].
    pub(crate) fn waker(&self) -> Waker {
        Waker(self.waker.clone())
    }

    /// How many bytes of the input, as stored, have been read.
    pub(crate) fn read_len(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// What comes next, if any of it has been read already; a chunk that is being prepared is waited for.
    pub(crate) fn next_read(&mut self) -> Option<Item> {
        match self.slots.try_recv() {
            Ok(slot) => Some(Self::take(slot)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Item::Failed(broken())),
        }
    }

    /// What comes next; waits for it.
    pub(crate) fn next(&mut self) -> Item {
        self.slots.recv().map_or_else(|_| Item::Failed(broken()), Self::take)
    }

    fn take(slot: Slot) -> Item {
        match slot {
            Slot::Item(item) => item,
            Slot::Chunk(reply) => reply.recv().map_or_else(|_| Item::Failed(broken()), Item::Steps),
        }
    }
}

/// A thread of ours ended before its time: it has said why, and that is a bug.
fn broken() -> Failure {
    Failure::Told(crate::exit::Code::Bug)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Outcome<()> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map(drop).map_err(Failure::io("start a thread"))
}

struct Reader {
    slots: SyncSender<Slot>,
    jobs: Sender<Job>,
    read: Arc<AtomicU64>,
    rules: Rules,
}

impl Reader {
    /// Reads all; whoever listens may have gone, and then nothing is left to do.
    fn run(self, paths: &[PathBuf]) {
        for path in paths {
            match self.file(path) {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => {
                    let _ = self.slots.send(Slot::Item(Item::Failed(failure)));
                    return;
                }
            }
        }
        let _ = self.slots.send(Slot::Item(Item::End));
    }

    fn file(&self, path: &std::path::Path) -> Outcome<bool> {
        let input = Input::open(path, Arc::clone(&self.read))?;
        let file: Arc<str> = input.name.as_str().into();
        let mut lines = LineReader::new(input, limits::EVENT_LEN_MAX);
        if self.rules.source.profile().splits() {
            lines = lines.with_documents();
        }
        while let Some(chunk) = lines.next_chunk().map_err(Failure::io(format!("read {file}")))? {
            let (reply, steps) = channel();
            // The slot first: it waits where too much is under way.
            let sent = self.slots.send(Slot::Chunk(steps)).is_ok()
                && self.jobs.send(Job { chunk, file: Arc::clone(&file), reply }).is_ok();
            if !sent {
                return Ok(false);
            }
        }
        Ok(self.slots.send(Slot::Item(Item::Blank(lines.blank_count()))).is_ok())
    }
}

fn work(queue: &Mutex<Receiver<Job>>, store: &Weak<Store>, rules: &Rules) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let (Ok(job), Some(store)) = (job, store.upgrade()) else { return };
        let mut steps = Vec::new();
        for (line, text) in job.chunk.lines() {
            let place = Place { file: Arc::clone(&job.file), line };
            match text {
                Line::Whole(bytes) => prepare(&store, rules, &place, (&job.chunk, bytes), &mut steps),
                Line::TooLong { len, start } => steps.push(Step::Bad(BadLine {
                    place,
                    column: start.len() as u64 + 1,
                    reason: format!("the line is {len} bytes long, over the limit of {}", start.len()),
                    len,
                    bytes: start.to_vec(),
                })),
            }
        }
        drop(store);
        if job.reply.send(steps).is_err() {
            return;
        }
    }
}

/// One line, which is one event, or where the profile splits, a document of many.
fn prepare(
    store: &Store,
    rules: &Rules,
    place: &Place,
    (chunk, line): (&Chunk, &[u8]),
    steps: &mut Vec<Step>,
) {
    let bad = |offset: u64, reason: String| {
        // A document may go over many lines: the place is told in those.
        let before = line.get(..offset as usize).unwrap_or(line);
        let lines = memchr::memchr_iter(b'\n', before).count() as u64;
        let start = memchr::memrchr(b'\n', before).map_or(0, |at| at as u64 + 1);
        let place = Place { line: place.line + lines, ..place.clone() };
        let column = offset.saturating_sub(start) + 1;
        Step::Bad(BadLine { place, column, reason, len: line.len() as u64, bytes: line.to_vec() })
    };
    if let Some(reason) = input::not_plain_utf8(line) {
        return steps.push(bad(0, reason.to_owned()));
    }
    let profile = rules.source.profile();
    let events = if profile.splits() {
        match profile.split(line) {
            Ok(events) => events,
            Err(error) => {
                let (offset, reason) = told(error);
                return steps.push(bad(offset, reason));
            }
        }
    } else {
        vec![line]
    };
    let first = steps.len();
    for event in events {
        let bytes = chunk.share(event);
        match store.prepare(&rules.source, bytes.clone(), &rules.masking) {
            Ok(prepared) => {
                let bytes = rules.keep_bytes.then_some(bytes);
                steps.push(Step::Ready(Ready { place: place.clone(), event: prepared, bytes }));
            }
            Err(error) => {
                let (offset, reason) = told(error);
                let before = (event.as_ptr() as usize).saturating_sub(line.as_ptr() as usize) as u64;
                // A document is taken whole or not at all: else its quarantined bytes would come in twice.
                steps.truncate(first);
                return steps.push(bad(before + offset, reason));
            }
        }
    }
}

fn told(error: Error) -> (u64, String) {
    match error {
        Error::InvalidEvent { offset, reason } => (offset, reason),
        other => (0, other.to_string()),
    }
}
