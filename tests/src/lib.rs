//! Whole-program tests live in `tests/`, as one integration binary; this library is what its modules share.

pub mod golden;
pub mod scenario;
