//! Capability and status flags (`group__group__cs__capabilities__flags`, `SERVER_STATUS_flags_enum`).

use bitflags::bitflags;

bitflags! {
    /// What client and server agree on in the connection phase.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Capabilities: u32 {
        /// Set by `MySQL`; a `MariaDB` server leaves it clear to say that it has extended capabilities.
        const LONG_PASSWORD = 1;
        /// Affected rows count the rows found, not the rows changed.
        const FOUND_ROWS = 1 << 1;
        /// Longer column flags.
        const LONG_FLAG = 1 << 2;
        /// A database may be named in the login.
        const CONNECT_WITH_DB = 1 << 3;
        /// `db.table.column` is refused.
        const NO_SCHEMA = 1 << 4;
        /// zlib compression.
        const COMPRESS = 1 << 5;
        /// The client is ODBC.
        const ODBC = 1 << 6;
        /// `LOAD DATA LOCAL`.
        const LOCAL_FILES = 1 << 7;
        /// White space may stand before a function's parenthesis.
        const IGNORE_SPACE = 1 << 8;
        /// The protocol of 4.1 and later.
        const PROTOCOL_41 = 1 << 9;
        /// `interactive_timeout` counts instead of `wait_timeout`.
        const INTERACTIVE = 1 << 10;
        /// TLS.
        const SSL = 1 << 11;
        /// Status flags in OK packets.
        const TRANSACTIONS = 1 << 13;
        /// The authentication of 4.1 (`CLIENT_RESERVED2`).
        const SECURE_CONNECTION = 1 << 15;
        /// Several statements in one `COM_QUERY`.
        const MULTI_STATEMENTS = 1 << 16;
        /// Several results to one `COM_QUERY`.
        const MULTI_RESULTS = 1 << 17;
        /// Several results to one `COM_STMT_EXECUTE`.
        const PS_MULTI_RESULTS = 1 << 18;
        /// Authentication plugins by name.
        const PLUGIN_AUTH = 1 << 19;
        /// Connection attributes in the login.
        const CONNECT_ATTRS = 1 << 20;
        /// The authentication response has a length-encoded length.
        const PLUGIN_AUTH_LENENC_DATA = 1 << 21;
        /// The client can talk to the server with an expired password.
        const CAN_HANDLE_EXPIRED_PASSWORDS = 1 << 22;
        /// Session state changes are told in OK packets.
        const SESSION_TRACK = 1 << 23;
        /// OK packets instead of EOF packets at the end of rows.
        const DEPRECATE_EOF = 1 << 24;
        /// The metadata of a result may be left out.
        const OPTIONAL_RESULTSET_METADATA = 1 << 25;
        /// zstd compression.
        const ZSTD_COMPRESSION = 1 << 26;
        /// Attributes in front of the query text.
        const QUERY_ATTRIBUTES = 1 << 27;
    }
}

bitflags! {
    /// MariaDB's capabilities beyond the 32 of MySQL (<https://mariadb.com/kb/en/connection/>); only those that the
    /// proxy passes on.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Extensions: u32 {
        /// Column definitions tell more about the type (JSON, UUID …).
        const EXTENDED_METADATA = 1 << 3;
    }
}

bitflags! {
    /// What the server says of the session after each statement.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct StatusFlags: u16 {
        /// A transaction is open.
        const IN_TRANS = 1;
        /// Autocommit is on.
        const AUTOCOMMIT = 1 << 1;
        /// Another result follows.
        const MORE_RESULTS_EXISTS = 1 << 3;
        /// A cursor is open; rows come by `COM_STMT_FETCH`.
        const CURSOR_EXISTS = 1 << 6;
        /// The cursor has given its last row.
        const LAST_ROW_SENT = 1 << 7;
        /// `sql_mode` has `NO_BACKSLASH_ESCAPES`.
        const NO_BACKSLASH_ESCAPES = 1 << 9;
        /// The open transaction is a read-only one.
        const IN_TRANS_READONLY = 1 << 13;
        /// `sql_mode` has `ANSI_QUOTES`; `MariaDB` only.
        const ANSI_QUOTES = 1 << 15;
        /// Session state trackers follow in this OK packet.
        const SESSION_STATE_CHANGED = 1 << 14;
    }
}
