//! What a command or a statement changes of what the next one may ask for: `ROW_COUNT()`, `FOUND_ROWS()`, the conditions.
//!
//! Knows both servers' habits. Must not know on which connection anything is.

use crate::{
    sql::{Facts, Kind, ServerKind, Statement, details},
    wire::response::Shape,
};

/// A statement and its text.
pub type Text<'a> = (&'a Statement, &'a [u8]);

/// What a command changes, whatever its statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandChanges {
    /// `ROW_COUNT()`, and with rows `FOUND_ROWS()`.
    pub counts: bool,
    /// The number of warnings that `MySQL` tells in the reply to `COM_PING`.
    pub warnings: bool,
}

/// By the shape of a command's reply.
const COMMANDS: [(Shape, CommandChanges); 7] = [
    (Shape::Results, CommandChanges { counts: true, warnings: true }),
    (Shape::Cursor, CommandChanges { counts: true, warnings: true }),
    (Shape::Prepare, CommandChanges { counts: false, warnings: true }),
    (Shape::Acknowledgement, CommandChanges { counts: true, warnings: true }),
    (Shape::Fields, CommandChanges { counts: true, warnings: true }),
    (Shape::Rows, CommandChanges { counts: true, warnings: true }),
    // `COM_STATISTICS` is no statement.
    (Shape::Text, CommandChanges { counts: false, warnings: false }),
];

impl CommandChanges {
    /// Of the command with this reply.
    #[must_use]
    pub fn of(shape: Shape) -> Self {
        let row = COMMANDS.iter().find(|(known, _)| *known == shape);
        row.map_or(CommandChanges { counts: true, warnings: true }, |(_, changes)| *changes)
    }
}

/// Whether a statement that raises nothing takes away the conditions of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clears {
    /// It does.
    Surely,
    /// Its text does not tell.
    Perhaps,
    /// It does not.
    Never,
}

/// What a statement does to the conditions of the one before. `MySQL`'s take them away, but for those that show them;
/// `MariaDB`'s where they open tables: `CREATE TABLE` does, `CREATE DATABASE` does not, and of a procedure nobody knows
/// (seen on 10.11).
#[must_use]
pub fn clears_conditions(statement: &Statement, server: ServerKind) -> Clears {
    match statement.kind {
        Kind::Diagnostics => Clears::Never,
        _ if server == ServerKind::MySql => Clears::Surely,
        Kind::Write
        | Kind::Load
        | Kind::ExplainWrite
        | Kind::CreateTemporary
        | Kind::DropTable
        | Kind::DropTemporary
        | Kind::Handler => Clears::Surely,
        Kind::Ddl
        | Kind::Metadata
        | Kind::Instance
        | Kind::Profile
        | Kind::Administration
        | Kind::LockTables
        | Kind::Call
        | Kind::Prepare
        | Kind::Execute
        | Kind::Compound
        | Kind::Several
        | Kind::Unknown => Clears::Perhaps,
        _ if statement.has(Facts::READS_TABLES | Facts::SEQUENCE) => Clears::Surely,
        _ if statement.has(Facts::UNKNOWN_FUNCTION) => Clears::Perhaps,
        _ => Clears::Never,
    }
}

/// Whether an error leaves `ROW_COUNT()` as it was. On MariaDB that of a `SHOW` does that would read the information schema
/// (seen on 10.11), not that of `SHOW CREATE`.
pub fn leaves_row_count((statement, sql): Text<'_>, server: ServerKind, error: Option<u16>) -> bool {
    /// `ER_PARSE_ERROR`
    const PARSE_ERROR: u16 = 1064;
    let failed = error.is_some_and(|code| code != PARSE_ERROR);
    failed && server != ServerKind::MySql && statement.kind == Kind::Metadata && {
        let [_, what] = details::words::<2>(sql, statement.dialect);
        !what.of(sql).eq_ignore_ascii_case(b"create")
    }
}

/// Whether a `SELECT` finds more rows than it gives.
#[must_use]
pub fn counts_all_rows(sql: &[u8]) -> bool {
    /// It stands among the first words.
    const WITHIN: usize = 96;
    const WORD: &[u8] = b"sql_calc_found_rows";
    let start = sql.get(..WITHIN).unwrap_or(sql);
    // By its rare letter: this is looked for in every statement that has rows.
    let begins = memchr::memchr_iter(b'_', start).filter_map(|at| at.checked_sub(b"sql".len()));
    begins.into_iter().any(|at| sql.get(at..at + WORD.len()).is_some_and(|word| word.eq_ignore_ascii_case(WORD)))
}

/// Whether a statement that has no rows changes what `FOUND_ROWS()` gives: one that copies rows, and on `MySQL` some
/// others.
#[must_use]
pub fn finds_rows(statement: &Statement, sql: &[u8], server: ServerKind) -> bool {
    let words = details::words::<4>(sql, statement.dialect).map(|word| word.of(sql));
    let [first, ..] = words;
    match server {
        _ if statement.kind == Kind::Ddl => {
            // `CREATE TABLE … SELECT`, on MariaDB
            let selects = || sql.windows(b"select".len()).any(|text| text.eq_ignore_ascii_case(b"select"));
            let makes = server != ServerKind::MySql && words.iter().any(|word| word.eq_ignore_ascii_case(b"table"));
            makes && selects()
        }
        ServerKind::MySql if first.eq_ignore_ascii_case(b"update") || first.eq_ignore_ascii_case(b"do") => true,
        _ => {
            statement.kind == Kind::Write
                && statement.has(Facts::READS_TABLES)
                && !first.eq_ignore_ascii_case(b"delete")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, classify};

    #[test]
    fn what_surely_opens_tables_clears_on_mariadb() {
        let clears = |sql: &str, server| {
            let dialect = Dialect { server, ..Dialect::default() };
            clears_conditions(&classify(sql.as_bytes(), &dialect), server)
        };
        assert_eq!(clears("CREATE DATABASE x", ServerKind::MariaDb), Clears::Perhaps);
        assert_eq!(clears("CREATE DATABASE x", ServerKind::MySql), Clears::Surely);
        assert_eq!(clears("SHOW COUNT(*) WARNINGS", ServerKind::MySql), Clears::Never);
        assert_eq!(clears("SELECT @@warning_count", ServerKind::MySql), Clears::Surely);
        assert_eq!(clears("SELECT @@warning_count", ServerKind::MariaDb), Clears::Never);
        assert_eq!(clears("SELECT f(1)", ServerKind::MariaDb), Clears::Perhaps);
        assert_eq!(clears("SELECT f(a) FROM t", ServerKind::MariaDb), Clears::Surely);
    }

    #[test]
    fn a_select_that_counts_all_rows_is_found_in_any_spelling() {
        assert!(counts_all_rows(b"SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1"));
        assert!(counts_all_rows(b"select distinct Sql_Calc_Found_Rows a_b FROM t"));
        assert!(!counts_all_rows(b"SELECT a_b, sql_c FROM t_"));
        assert!(!counts_all_rows(b"_"));
    }
}
