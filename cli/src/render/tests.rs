//! What formats do with words of others: they are quoted, escaped, cut, and never take over.

use super::grid::{Cell, Grid, cut};
use super::{csv, table};

#[test]
fn records_of_csv_are_quoted_where_they_must_be() {
    for (fields, expected) in [
        (&["a", "b"][..], "a,b"),
        (&["", ""], ","),
        (&["a,b", "say \"no\""], "\"a,b\",\"say \"\"no\"\"\""),
        (&["two\nlines", "\r"], "\"two\nlines\",\"\r\""),
        (&[" space ", "é"], " space ,é"),
    ] {
        assert_eq!(csv::record(fields.iter().map(|field| (*field).to_owned())), expected);
    }
}

#[test]
fn cells_of_markdown_mean_themselves() {
    assert_eq!(table::in_markdown("a|b"), r"a\|b");
    assert_eq!(table::in_markdown("run_8 _x_ a_"), r"run_8 \_x\_ a\_");
    assert_eq!(table::in_markdown("<script>*x*\n"), r"\<script\>\*x\*\\u000a");
}

#[test]
fn what_is_cut_ends_in_an_ellipsis_and_fits() {
    for (text, width, expected) in [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("世界你好", 5, "世界…"),
        ("世界你好", 4, "世…"),
        ("", 0, ""),
    ] {
        assert_eq!(cut(text, width), expected);
    }
}

#[test]
fn columns_of_words_shrink_until_the_line_fits_and_numbers_do_not() {
    let long = "x".repeat(50);
    let rows = [
        vec![Cell::words("n"), Cell::words("short"), Cell::words("long")],
        vec![Cell::number("1234567890"), Cell::words("abc"), Cell::words(&long)],
        vec![Cell::number("7"), Cell::words("世界"), Cell::words("y")],
    ];
    let grid = Grid::of(&rows, Some(40));
    let lines: Vec<String> = rows.iter().map(|row| grid.line(row)).collect();
    assert_eq!(lines[0], "         n  short  long");
    assert_eq!(lines[1], format!("1234567890  abc    {}…", "x".repeat(20)));
    assert_eq!(lines[2], "         7  世界   y");
    let free = Grid::of(&rows, None);
    assert!(free.line(&rows[1]).ends_with(&long));
}

#[test]
fn texts_give_way_before_words_and_names_never() {
    let rows = [
        vec![Cell::words("control"), Cell::words("kind"), Cell::words("title")],
        vec![
            Cell::name("SOC2:CC8.1"),
            Cell::words("deployment.request"),
            Cell::words("changes are reviewed"),
        ],
        vec![Cell::name(""), Cell::words("deployment"), Cell::words("x")],
    ];
    for (width, expected) in [
        (52, "SOC2:CC8.1  deployment.request  changes are reviewed"),
        (42, "SOC2:CC8.1  deployment.request  changes a…"),
        (36, "SOC2:CC8.1  deployment.re…  changes…"),
        (10, "SOC2:CC8.1  deploym…  changes…"),
    ] {
        assert_eq!(Grid::of(&rows, Some(width)).line(&rows[1]), expected);
    }
    // One that is no name lets the whole column be cut.
    let mixed = [rows[0].clone(), rows[1].clone(), vec![Cell::words("no name"), Cell::words("a")]];
    assert!(Grid::of(&mixed, Some(10)).line(&mixed[1]).starts_with("SOC2:CC…  "));
}

#[test]
fn nothing_raw_is_in_a_cell() {
    let rows = [vec![Cell::words("a\u{1b}[31m\n"), Cell::whole("b\u{202e}")]];
    assert_eq!(Grid::of(&rows, None).line(&rows[0]), r"a\u001b[31m\u000a  b\u202e");
}
