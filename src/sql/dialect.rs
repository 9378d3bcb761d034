//! How a session's settings change the reading of its statements.

/// Which family of servers reads the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// Not known (yet): only what every family agrees on may be assumed.
    #[default]
    Unknown,
    /// Oracle `MySQL` and its close relatives.
    MySql,
    /// `MariaDB`.
    MariaDb,
}

/// The first two numbers of a server's version: 8.4 is `(8, 4)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(pub u16, pub u16);

impl Release {
    /// Not known (yet).
    pub const UNKNOWN: Release = Release(0, 0);
}

/// What the lexer must know of `character_set_client`: whether bytes below 0x80 always stand for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TextEncoding {
    /// utf8, utf8mb4, utf8mb3, ascii, binary and single-byte sets without peculiarities.
    #[default]
    AsciiSafe,
    /// Single-byte sets in which 0xA0 is white space (latin1 and its like).
    Latin1,
    /// Multi-byte sets in which a quote or a backslash may be half of a character (gbk, sjis, cp932, big5, gb18030).
    Treacherous,
    /// A character set this program does not know.
    Unknown,
}

/// Everything about a session that changes how its text is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// The family of the cluster's servers.
    pub server: ServerKind,
    /// Their release, which decides about some built-in functions.
    pub release: Release,
    /// `character_set_client`.
    pub encoding: TextEncoding,
    /// `sql_mode` has `ANSI_QUOTES`: a double quote opens an identifier.
    pub ansi_quotes: bool,
    /// `sql_mode` has `NO_BACKSLASH_ESCAPES`.
    pub no_backslash_escapes: bool,
    /// `sql_mode` has `IGNORE_SPACE`: white space may stand between a function's name and its parenthesis.
    pub ignore_space: bool,
    /// `sql_mode` has `ORACLE` (`MariaDB`).
    pub oracle: bool,
}

impl TextEncoding {
    /// What the lexer must know of a `character_set_client` of this name.
    ///
    /// Which bytes above 0x7F are white space in which set was asked of the servers.
    #[must_use]
    pub fn from_character_set(name: &[u8]) -> TextEncoding {
        // In gb2312, euckr, ujis and eucjpms no second byte is a quote, a backslash or white space.
        const ASCII_SAFE: [&str; 16] = [
            "utf8mb4", "utf8mb3", "utf8", "ascii", "binary", "cp1251", "cp1256", "cp1257", "koi8r", "koi8u", "macce",
            "tis620", "gb2312", "euckr", "ujis", "eucjpms",
        ];
        const LATIN1: [&str; 10] =
            ["latin1", "latin2", "latin5", "latin7", "cp1250", "greek", "hebrew", "armscii8", "dec8", "geostd8"];
        // The second row: single bytes above 0x7F are white space, or control letters that make `--` a comment.
        const TREACHEROUS: [&str; 11] =
            ["gbk", "sjis", "cp932", "big5", "gb18030", "cp850", "cp852", "cp866", "keybcs2", "hp8", "macroman"];
        let among = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if among(&ASCII_SAFE) {
            TextEncoding::AsciiSafe
        } else if among(&LATIN1) {
            TextEncoding::Latin1
        } else if among(&TREACHEROUS) {
            TextEncoding::Treacherous
        } else {
            TextEncoding::Unknown
        }
    }
}

impl Dialect {
    /// Takes over what `sql_mode` says about reading. Combinations (`ANSI`, `ORACLE` …) are spelled out by the servers in
    /// the variable's value, but not in what a client writes.
    pub fn apply_sql_mode(&mut self, sql_mode: &[u8]) {
        let has = |names: &[&str]| {
            sql_mode
                .split(|byte| *byte == b',')
                .any(|mode| names.iter().any(|name| mode.trim_ascii().eq_ignore_ascii_case(name.as_bytes())))
        };
        let combined = ["DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL", "ANSI"];
        self.ansi_quotes = has(&["ANSI_QUOTES"]) || has(&combined);
        self.ignore_space = has(&["IGNORE_SPACE"]) || has(&combined);
        self.no_backslash_escapes = has(&["NO_BACKSLASH_ESCAPES"]);
        self.oracle = self.server != ServerKind::MySql && has(&["ORACLE"]);
    }
}
