//! `README.txt`: what a person who has nothing but the bundle should know, and how to check it without us.

use super::verdict::Verdict;

/// The member's name.
pub(super) const MEMBER: &str = "README.txt";

/// The member's bytes.
pub(super) fn render(verdict: &Verdict) -> Vec<u8> {
    let text = format!(
        "\
An answer of the log {origin}, with its evidence
{line}

Somebody asked this log a question, and this archive is the answer with all that it takes to check it: that each record
is authentic, that none was altered, and that none is missing. Nothing here is to be believed because it stands here:
the verdict below is what a check of these very bytes gives.

{verdict}
What is in it
-------------
README.txt    this text
report.html   the answer for people: it opens in any browser, runs no script, and can be printed
query.json    the question as it was typed, as it means the same at any time, and all that changes its answer
answer.jsonl  the answer, one JSON object a line
checkpoint    what the log's operator signed: its size and the root of its tree (C2SP tlog-checkpoint, signed-note)
extends       the proof that the log goes on from an earlier checkpoint, where one was asked for
scope.json    the searches that the question makes of the log, as filters
records.bin   the records that these searches may find, byte for byte, with the salts of their hashes
index.bin     what the index of each sealed segment says of the searches
proof.bin     the hashes that tie records, seals and index roots to the checkpoint's root

How to check it
---------------
1. Get the log's verifier key from somebody whom you trust to know it: not from this archive. It begins with
   {origin}+ .
2. indelible verify-bundle THIS-FILE --key KEY
   It needs no store and no network. It checks the signature, every proof and every record, reads the question in
   query.json anew, runs it over the records, and compares the answer, this text and the report with what it makes of
   them itself. It says nothing better of the archive than what it could check. Exit code 0 means that all of it holds.
3. If you kept an earlier checkpoint of this log, name it with --expect: then the log is shown to go on from it. Keep
   this one for the next time.
4. Where the verdict says *committed*, that the index leaves no record out is the operator's word. Choose a seed, such as
   the throw of some dice, and ask for the same bundle made with --challenge SEED --checkpoint and the checkpoint in this
   archive: it then holds a sample of records that the index must name (verify-bundle --challenge SEED).

Without indelible
-----------------
The archive is a plain ZIP, its members stored as they are. docs/FORMAT.md and docs/FORMAT-bundle.md of Indelible
describe every byte; a checker can be written from these pages alone. In short:

- The last line of `checkpoint` is an Ed25519 signature over the text above the empty line.
- A record's body is hashed by BLAKE3 under its salt; its entry holds that hash, its seq, its time of receipt, its
  source, its labels and the leaf before it. SHA-256 of a zero byte and the entry is its leaf in the tree (RFC 6962).
- Each sealed segment has a record, the seal, that states the segment's root and the root of its index. The index says
  which records carry which term of which field. So a search over an index that was committed to before the question
  leaves nothing out that the index names; and all records behind the last seal are in the archive.
- Where operators had records of a segment deleted, the last record of kind store.deleting that names the segment states the
  root of the index of what stayed, in the place of the seal. It is worth what its plan allows, and the plan what the
  operators signed whom records of kind store.operators name. All these records are in the archive.
- docs/QUERY.md says what the question means.
",
        origin = verdict.origin,
        line = "=".repeat(47),
    );
    text.into_bytes()
}
