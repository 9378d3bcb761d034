//! Which names are built-in functions, for which family of servers, and which of them do more than compute.
//!
//! One hash table built at compile time from the lists. Must not know statements.

mod common;
mod mariadb;
mod mysql;
mod releases;

use super::dialect::{Release, ServerKind};
use releases::BOUNDS;

/// What a call of a name means for routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// Built in, and only computes or reads; also a word of the grammar that may stand before a parenthesis.
    Plain,
    /// The same with such arguments; otherwise a stored function.
    PlainWith(Arguments),
    /// Not built in, or not in this form: a stored or loadable function, which may do anything.
    Unknown,
    /// Takes a named lock until it is released: `GET_LOCK`.
    TakesLock,
    /// Releases or asks for named locks: their state lives on the primary.
    AsksLock,
    /// Reads or moves a sequence.
    Sequence,
    /// Reads a file, waits for replication or tells about the instance.
    Instance,
    /// `LAST_INSERT_ID`: the previous statement's with no argument, a side effect with one.
    LastInsertId,
    /// `ROW_COUNT`, `FOUND_ROWS`: about the previous statement.
    PreviousStatement,
    /// `CONNECTION_ID`.
    ConnectionId,
}

/// How a name must be written to be the built-in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Never,
    /// With the parenthesis at once.
    Adjacent,
    Anywhere,
}

/// A name that calls no stored function when a parenthesis stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// In lower case.
    pub name: &'static str,
    /// Whether white space before the parenthesis makes it a stored function's name (without `IGNORE_SPACE`).
    pub adjacent: bool,
    /// With which arguments it is the built-in one.
    pub arguments: Arguments,
}

/// `MariaDB` takes `polygon()` and `point(1)` for stored functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Any, or none.
    Any,
    /// One at least.
    Some,
    /// Two, no more and no less.
    Two,
}

/// The names that are taken for built-in ones on a family of servers; on an unknown one, those of all families.
#[must_use]
pub fn built_ins(server: ServerKind, release: Release) -> Vec<BuiltIn> {
    let names = TABLE.iter().filter(|slot| !slot.name.is_empty()).filter_map(|slot| {
        let adjacent = match slot.form(server, release) {
            Form::Never => return None,
            Form::Adjacent => true,
            Form::Anywhere => false,
        };
        Some(BuiltIn { name: slot.name, adjacent, arguments: arguments(slot.name, server) })
    });
    names.collect()
}

#[derive(Clone, Copy)]
struct Slot {
    name: &'static str,
    mysql: Form,
    mariadb: Form,
    /// The place in [`BOUNDS`], counted from one; 0 for the many that have none.
    bound: u8,
}

impl Slot {
    /// How the name must be written on this family; on an unknown one, as the stricter of them asks.
    fn form(&self, server: ServerKind, release: Release) -> Form {
        if self.bound != 0
            && let Some(bound) = BOUNDS.get(self.bound as usize - 1).filter(|bound| bound.server == server)
        {
            return if bound.holds(release) { Form::Anywhere } else { Form::Never };
        }
        match server {
            ServerKind::MySql => self.mysql,
            ServerKind::MariaDb => self.mariadb,
            ServerKind::Unknown => self.mysql.min(self.mariadb),
        }
    }
}

const EMPTY: Slot = Slot { name: "", mysql: Form::Never, mariadb: Form::Never, bound: 0 };
const SLOTS: usize = 2048;
/// The longest name in the lists; anything longer is not built in.
const LONGEST: usize = 40;

static TABLE: [Slot; SLOTS] = build();

// At compile time only.
#[allow(clippy::large_stack_arrays)]
const fn build() -> [Slot; SLOTS] {
    let mut table = [EMPTY; SLOTS];
    table = fill(table, common::ANYWHERE, Form::Anywhere, true, true);
    table = fill(table, common::ADJACENT, Form::Adjacent, true, true);
    table = fill(table, mysql::ANYWHERE, Form::Anywhere, true, false);
    table = fill(table, mysql::ADJACENT, Form::Adjacent, true, false);
    table = fill(table, mariadb::ANYWHERE, Form::Anywhere, false, true);
    table = fill(table, mariadb::ADJACENT, Form::Adjacent, false, true);
    let mut i = 0;
    while i < BOUNDS.len() {
        let at = place(&table, BOUNDS[i].name);
        table[at].name = BOUNDS[i].name;
        table[at].bound = i as u8 + 1;
        i += 1;
    }
    table
}

/// Where a name is, or would be.
const fn place(table: &[Slot; SLOTS], name: &str) -> usize {
    let mut at = hash(name.as_bytes());
    while !table[at].name.is_empty() && !same(table[at].name.as_bytes(), name.as_bytes()) {
        at = (at + 1) % SLOTS;
    }
    at
}

const fn fill(
    mut table: [Slot; SLOTS],
    names: &[&'static str],
    form: Form,
    mysql: bool,
    mariadb: bool,
) -> [Slot; SLOTS] {
    let mut i = 0;
    while i < names.len() {
        let at = place(&table, names[i]);
        table[at].name = names[i];
        if mysql {
            table[at].mysql = form;
        }
        if mariadb {
            table[at].mariadb = form;
        }
        i += 1;
    }
    table
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] | 0x20 != b[i] | 0x20 {
            return false;
        }
        i += 1;
    }
    true
}

/// Letters in either case give the same place.
const fn hash(name: &[u8]) -> usize {
    let mut h: u32 = name.len() as u32;
    let mut i = 0;
    while i < name.len() {
        h = h.wrapping_mul(0x0100_0193) ^ (name[i] | 0x20) as u32;
        i += 1;
    }
    (h ^ (h >> 15)) as usize % SLOTS
}

/// What `name`, written before a parenthesis, calls. `adjacent`: nothing stands between them (or white
/// space alone, and `IGNORE_SPACE` is on).
pub(super) fn look_up(name: &[u8], adjacent: bool, server: ServerKind, release: Release) -> Function {
    if let Some(function) = sequence(name, server) {
        return function;
    }
    if name.is_empty() || name.len() > LONGEST {
        return Function::Unknown;
    }
    let mut at = hash(name);
    let slot = loop {
        let slot = &TABLE[at];
        if slot.name.is_empty() {
            return Function::Unknown;
        }
        if slot.name.as_bytes().eq_ignore_ascii_case(name) {
            break slot;
        }
        at = (at + 1) % SLOTS;
    };
    let known = match slot.form(server, release) {
        Form::Anywhere => true,
        Form::Adjacent => adjacent,
        Form::Never => false,
    };
    match special(slot.name) {
        // A name with an effect is that effect on any family: if it is not built in, the call fails on the primary.
        Some(function) => function,
        None if !known => Function::Unknown,
        None => match arguments(slot.name, server) {
            Arguments::Any => Function::Plain,
            needed => Function::PlainWith(needed),
        },
    }
}

/// `MariaDB`'s sequence functions; elsewhere a stored function may have the name, which goes to the primary as well.
fn sequence(name: &[u8], server: ServerKind) -> Option<Function> {
    let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
    if !matches!(name.len(), 6 | 7) || server == ServerKind::MySql {
        return None;
    }
    (is("nextval") || is("setval") || is("lastval")).then_some(Function::Sequence)
}

fn arguments(name: &str, server: ServerKind) -> Arguments {
    match name {
        _ if server == ServerKind::MySql => Arguments::Any,
        "point" => Arguments::Two,
        "geometrycollection" | "linestring" | "multilinestring" | "multipoint" | "multipolygon" | "polygon" => {
            Arguments::Some
        }
        _ => Arguments::Any,
    }
}

fn special(name: &str) -> Option<Function> {
    // The first letter decides for nearly every name.
    Some(match name.as_bytes().first()? {
        b'g' if name == "get_lock" => Function::TakesLock,
        b'r' if matches!(name, "release_lock" | "release_all_locks") => Function::AsksLock,
        b'i' if matches!(name, "is_free_lock" | "is_used_lock") => Function::AsksLock,
        b'l' if name == "load_file" => Function::Instance,
        b'l' if name == "last_insert_id" => Function::LastInsertId,
        b'r' if name == "row_count" => Function::PreviousStatement,
        b'f' if name == "found_rows" => Function::PreviousStatement,
        b'c' if name == "connection_id" => Function::ConnectionId,
        b'b' if name == "binlog_gtid_pos" => Function::Instance,
        b'm' if matches!(name, "master_pos_wait" | "master_gtid_wait") => Function::Instance,
        b's' if name == "source_pos_wait" => Function::Instance,
        b'w' if name == "wait_for_executed_gtid_set" => Function::Instance,
        b'w' if matches!(name, "wsrep_sync_wait_upto_gtid" | "wsrep_last_seen_gtid" | "wsrep_last_written_gtid") => {
            Function::Instance
        }
        b'p' if matches!(name, "ps_thread_id" | "ps_current_thread_id") => Function::Instance,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(name: &[u8], adjacent: bool, server: ServerKind) -> Function {
        super::look_up(name, adjacent, server, Release::UNKNOWN)
    }

    #[test]
    fn every_listed_name_is_found_and_no_name_is_too_long() {
        for (names, server) in [
            (common::ANYWHERE, ServerKind::Unknown),
            (common::ADJACENT, ServerKind::Unknown),
            (mysql::ANYWHERE, ServerKind::MySql),
            (mysql::ADJACENT, ServerKind::MySql),
            (mariadb::ANYWHERE, ServerKind::MariaDb),
            (mariadb::ADJACENT, ServerKind::MariaDb),
        ] {
            for name in names {
                assert!(name.len() <= LONGEST, "{name}");
                assert_ne!(look_up(name.to_uppercase().as_bytes(), true, server), Function::Unknown, "{name}");
            }
        }
    }

    #[test]
    fn the_form_and_the_family_count() {
        assert_eq!(look_up(b"Count", true, ServerKind::Unknown), Function::Plain);
        assert_eq!(look_up(b"count", false, ServerKind::Unknown), Function::Unknown);
        assert_eq!(look_up(b"concat", false, ServerKind::Unknown), Function::Plain);
        assert_eq!(look_up(b"md5", true, ServerKind::MySql), Function::Unknown);
        assert_eq!(look_up(b"md5", true, ServerKind::MariaDb), Function::Plain);
        assert_eq!(look_up(b"nextval", true, ServerKind::MariaDb), Function::Sequence);
        assert_eq!(look_up(b"my_function", true, ServerKind::MariaDb), Function::Unknown);
    }

    #[test]
    fn the_release_counts() {
        use ServerKind::{MariaDb, MySql, Unknown};

        let known =
            |name: &str, server, release| super::look_up(name.as_bytes(), true, server, release) == Function::Plain;
        for (name, server, without, with) in [
            ("MD5", MySql, Release(9, 6), Release(8, 4)),
            ("sha1", MySql, Release::UNKNOWN, Release(5, 7)),
            ("string_to_vector", MySql, Release(8, 4), Release(9, 0)),
            ("string_to_vector", MySql, Release(5, 7), Release::UNKNOWN),
            ("uuid_v7", MariaDb, Release(11, 4), Release(11, 8)),
            ("uuid_v7", MariaDb, Release::UNKNOWN, Release(12, 0)),
            ("json_schema_valid", MariaDb, Release(10, 11), Release(11, 4)),
        ] {
            assert!(!known(name, server, without), "{name} {without:?}");
            assert!(known(name, server, with), "{name} {with:?}");
        }
        assert!(known("md5", MariaDb, Release(11, 4)) && known("json_schema_valid", MySql, Release(8, 0)));
        assert!(!known("md5", Unknown, Release(8, 4)) && !known("uuid_v7", Unknown, Release(11, 8)));
    }
}
