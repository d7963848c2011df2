//! The query language of Indelible: a text becomes a tree, the tree a plan over the store's index, the plan rows.
//!
//! `docs/QUERY.md` is the language's page. This crate reads no file, no terminal and no clock: a snapshot and the
//! present time are given to it.
#![forbid(unsafe_code)]

pub mod ast;
mod error;
mod grammar;
mod lexer;
mod print;
mod span;
mod words;

pub use error::{Error, Problem, Problems, Result};
pub use span::{Span, Spanned};
