//! Crash tests: a seeded workload on a simulated machine, cut at every changing call; after each cut the disk as
//! many power losses may leave it, recovered and checked.
//!
//! A failure prints one line. Set as `INDELIBLE_CRASH_REPLAY` it runs that case alone:
//! `INDELIBLE_CRASH_REPLAY='...' cargo test -p indelible-tests crash::replay -- --nocapture`.
//! `INDELIBLE_CRASH_STATES` is how many states are to be looked at, 50,000 unless set.

mod archive;
mod check;
mod cuts;
mod deletions;
mod errors;
mod ledger;
mod workload;
