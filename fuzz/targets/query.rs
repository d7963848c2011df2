//! Queries from outside: reading them never panics, and what is printed of one reads back as the same query.
#![no_main]

use std::sync::LazyLock;

use indelible_query::{Query, Vocabulary};
use libfuzzer_sys::fuzz_target;

static NAMES: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::default);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let query = match Query::parse(text, &NAMES) {
        Ok(query) => query,
        Err(error) => {
            // Each problem is told with a line of the text and a caret below it.
            assert!(error.to_string().contains('^'), "{error}");
            return;
        }
    };
    let printed = query.to_string();
    let again = Query::parse(&printed, &NAMES).unwrap_or_else(|error| panic!("{text:?}\n{error}"));
    assert_eq!(again.tree(), query.tree(), "{text:?}\n{printed:?}");
    assert_eq!(again.to_string(), printed);
});
