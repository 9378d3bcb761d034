//! What may differ between one server and the proxy, and why; everything else may not.

use std::io;

use super::support::raw::Message;

/// Something that one line cannot have the same on both sides.
struct Exception {
    /// The lines it is about: a text in them.
    about: &'static str,
    /// Takes away what differs.
    apply: fn(Vec<Message>, u32) -> Vec<Message>,
    /// Why it differs.
    #[allow(dead_code)]
    reason: &'static str,
}

/// Keep this short: each is an exception in `docs/routing.md`.
const EXCEPTIONS: [Exception; 18] = [
    Exception {
        about: "SHOW WARNINGS",
        apply: without_statement_ids,
        reason: "the text of an error names the statement's id, which is the proxy's own",
    },
    Exception { about: "SHOW ERRORS", apply: without_statement_ids, reason: "the same" },
    Exception { about: "@execute", apply: without_statement_ids, reason: "the same, prepared" },
    Exception { about: "@cursor", apply: without_statement_ids, reason: "the same, with a cursor" },
    Exception {
        about: "@",
        apply: without_length_of_null,
        reason: "the length of a variable that is NULL tells on MariaDB who has made it: nobody, a statement that failed, a write that read it",
    },
    Exception {
        about: " < @",
        apply: without_plan,
        reason: "how often MySQL warns of a value that it cannot compare depends on the plan",
    },
    Exception {
        about: "",
        apply: without_state_change,
        reason: "a classic EOF has no room for the changes of which its flag tells, and they are the proxy's",
    },
    Exception {
        about: "@database",
        apply: without_warnings,
        reason: "MySQL's reply to COM_INIT_DB counts the warnings of the statement before",
    },
    Exception { about: "@ping", apply: without_warnings, reason: "the same" },
    Exception { about: "@multi", apply: without_warnings, reason: "the same" },
    Exception {
        about: "@execute",
        apply: without_binary_flag,
        reason: "what MariaDB prepares anew behind DDL takes on the character set of that moment",
    },
    Exception { about: "@cursor", apply: without_binary_flag, reason: "the same" },
    Exception {
        about: "@execute",
        apply: without_warnings,
        reason: "how often MySQL warns of a value that it cannot compare depends on the plan, which is older on one server",
    },
    Exception {
        about: "JOIN",
        apply: without_plan,
        reason: "MySQL's metadata and flags tell of the plan, which is made by statistics that each server gathers itself",
    },
    Exception { about: " v ", apply: without_plan, reason: "the view joins" },
    Exception {
        about: "SET ",
        apply: without_order,
        reason: "servers tell changed variables in the order of a hash table, which depends on how many are tracked",
    },
    Exception {
        about: "SELECT CONNECTION_ID()",
        apply: without_own_id,
        reason: "ids are the proxy's own, and stand as numbers in larger statements, with a number's metadata",
    },
    Exception {
        about: "SHOW CREATE TABLE",
        apply: without_auto_increment,
        reason: "a replica's counter has not seen what was rolled back on the primary",
    },
];

/// Takes away which variables an OK names. `MariaDB` tells those of a `SET STATEMENT` with a later OK of its connection.
pub fn without_trackers(heard: Heard) -> Heard {
    /// `SERVER_SESSION_STATE_CHANGED`, in the second byte of the status.
    const CHANGED: u8 = 0x40;
    heard.map(|mut messages| {
        for message in &mut messages {
            // An OK: two short numbers, then the status.
            if matches!(message.payload.as_slice(), [0 | 0xfe, ..=0xfa, ..=0xfa, _, _, ..]) {
                message.payload.truncate(7);
                message.payload[4] &= !CHANGED;
            }
        }
        messages
    })
}

/// A reply, or why there was none.
pub type Heard = io::Result<Vec<Message>>;

/// Takes away what may differ. `id` is the session's own.
pub fn normalise(line: &str, id: u32, heard: Heard) -> Heard {
    heard.map(|mut messages| {
        for exception in EXCEPTIONS.iter().filter(|exception| line.contains(exception.about)) {
            messages = (exception.apply)(messages, id);
        }
        // MariaDB tells of the database again when something of another one has run, or has been prepared, there.
        if changes_database(line) { messages } else { without_database(messages) }
    })
}

fn changes_database(line: &str) -> bool {
    ["USE ", "DATABASE", "@database", "@change", "@reset"].iter().any(|text| line.contains(text))
}

/// Whether both are the same.
pub fn same(alone: &Heard, proxied: &Heard) -> bool {
    match (alone, proxied) {
        (Ok(alone), Ok(proxied)) => alone == proxied,
        (Err(alone), Err(proxied)) => alone.kind() == proxied.kind(),
        _ => false,
    }
}

/// What differs, in two lines and more.
pub fn show(alone: &Heard, proxied: &Heard) -> String {
    let (Ok(alone), Ok(proxied)) = (alone, proxied) else {
        return format!("  one server {alone:?}\n  the proxy  {proxied:?}");
    };
    let first = alone.iter().zip(proxied).take_while(|(alone, proxied)| alone == proxied).count();
    let rest = |messages: &[Message]| -> String {
        let shown = messages.iter().skip(first).take(4).map(|message| format!("\n      {message:?}"));
        format!("{} packets; from packet {}:{}", messages.len(), first + 1, shown.collect::<String>())
    };
    format!("  one server {}\n  the proxy  {}", rest(alone), rest(proxied))
}

/// Column definitions are left out, and the own id in text is named.
fn without_own_id(mut messages: Vec<Message>, id: u32) -> Vec<Message> {
    messages.retain(|message| !message.payload.starts_with(b"\x03def"));
    for message in &mut messages {
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        let digits = id.to_string();
        if text.contains(&digits) {
            message.payload = text.replacen(&digits, "<id>", 1).into_bytes();
            // Its length stands before it, and digits are not always as many.
            message.payload.retain(|byte| *byte >= b' ');
        }
    }
    messages
}

/// Column definitions are left out, and so is what the end says of indexes and warnings.
fn without_plan(mut messages: Vec<Message>, _: u32) -> Vec<Message> {
    /// `SERVER_QUERY_NO_GOOD_INDEX_USED` and `SERVER_QUERY_NO_INDEX_USED`.
    const INDEXES: u8 = 0x30;
    messages.retain(|message| !message.payload.starts_with(b"\x03def"));
    for message in &mut messages {
        // Classic: two bytes of warnings before the status; else affected rows and insert id, which are 0 here, and
        // warnings behind it.
        if let [0xfe, before, other, status, _, behind @ ..] = message.payload.as_mut_slice() {
            *status &= !INDEXES;
            (*before, *other) = (0, 0);
            behind.fill(0);
        }
    }
    messages
}

/// Takes the numbers out of rows that name a statement by one, and with them their lengths.
fn without_statement_ids(mut messages: Vec<Message>, _: u32) -> Vec<Message> {
    for message in &mut messages {
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        if text.contains("no open cursor") || text.contains("prepared statement handler") {
            message.payload.retain(|byte| *byte >= b' ' && !byte.is_ascii_digit());
            message.payload.drain(..message.payload.len().min(12));
        }
    }
    messages
}

fn without_state_change(mut messages: Vec<Message>, _: u32) -> Vec<Message> {
    for message in &mut messages {
        if let [0xfe, _, _, _, high] = message.payload.as_mut_slice() {
            *high &= !0x40;
        }
    }
    messages
}

fn without_warnings(mut messages: Vec<Message>, _: u32) -> Vec<Message> {
    for message in &mut messages {
        match message.payload.as_mut_slice() {
            [0, 0, 0, _, _, few, many] | [0, 0, 0, _, _, few, many, 0, ..] => (*few, *many) = (0, 0),
            // Classic, and the OK in its place.
            [0xfe, few, many, _, _] | [0xfe, 0, 0, _, _, few, many] => (*few, *many) = (0, 0),
            _ => {}
        }
    }
    messages
}

/// All bytes of OK packets, in their order.
fn without_order(mut messages: Vec<Message>, _: u32) -> Vec<Message> {
    for message in messages.iter_mut().filter(|message| message.payload.first() == Some(&0)) {
        message.payload.sort_unstable();
    }
    messages
}

fn without_auto_increment(mut messages: Vec<Message>, _: u32) -> Vec<Message> {
    for message in &mut messages {
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        let Some((before, after)) = text.split_once(" AUTO_INCREMENT=") else { continue };
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        message.payload = format!("{before}{after}").into_bytes();
        message.payload.retain(|byte| *byte >= b' ' && *byte != 0xbd && *byte != 0xbf && *byte != 0xef);
    }
    messages
}

/// The length of a column that has only been NULL, in the end of its definition.
fn without_length_of_null(mut messages: Vec<Message>, _: u32) -> Vec<Message> {
    /// From the end: two fillers, decimals, two of flags, the type, four of length.
    const LENGTH: std::ops::Range<usize> = 6..10;
    for message in &mut messages {
        let size = message.payload.len();
        if message.payload.starts_with(b"\x03def") && size > LENGTH.end {
            let length = &mut message.payload[size - LENGTH.end..size - LENGTH.start];
            if matches!(length, [0, 0, 0, 0 | 1] | [0xff, 0xff, 0xff, 0]) {
                length.fill(0);
            }
        }
    }
    messages
}

/// Whether a column is shown as binary.
fn without_binary_flag(mut messages: Vec<Message>, _: u32) -> Vec<Message> {
    /// From the end: two fillers, decimals, and the flags.
    const FLAGS: usize = 5;
    const BINARY: u8 = 0x80;
    for message in messages.iter_mut().filter(|message| message.payload.starts_with(b"\x03def")) {
        let at = message.payload.len().saturating_sub(FLAGS);
        message.payload[at] &= !BINARY;
    }
    messages
}

/// What an OK tells of the database alone, and that it does.
fn without_database(mut messages: Vec<Message>) -> Vec<Message> {
    /// `SERVER_SESSION_STATE_CHANGED`, in the second byte of the status.
    const CHANGED: u8 = 0x40;
    /// `SESSION_TRACK_SCHEMA`
    const SCHEMA: u8 = 1;
    for message in &mut messages {
        // Two short numbers, status, warnings; then an empty text, and the changes behind their length.
        if let [0, ..=0xfa, ..=0xfa, _, _, _, _, 0, _, SCHEMA, ..] = message.payload.as_slice() {
            message.payload.truncate(7);
            message.payload[4] &= !CHANGED;
        }
    }
    messages
}
