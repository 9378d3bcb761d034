//! What a server says of itself in its greeting's version text.
//!
//! Knows how `MySQL` and `MariaDB` write their versions. Must not know connections or members.

/// Which family of servers it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerFamily {
    /// Oracle `MySQL` and its close relatives.
    MySql,
    /// `MariaDB`.
    MariaDb,
}

impl std::fmt::Display for ServerFamily {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// A version: `8.4.3` is `(8, 4, 3)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16, pub u16, pub u16);

/// Reads a version text such as `9.7.0`, `5.5.5-10.11.19-MariaDB-log` or `8.0.36-28`.
///
/// `MariaDB` puts `5.5.5-` in front for replicas of old `MySQL` versions. What cannot be read is version 0.0.0.
#[must_use]
pub fn read_version(text: &str) -> (ServerFamily, Version) {
    let family =
        if text.to_ascii_lowercase().contains("mariadb") { ServerFamily::MariaDb } else { ServerFamily::MySql };
    let numbers = match family {
        ServerFamily::MariaDb => text.strip_prefix("5.5.5-").unwrap_or(text),
        ServerFamily::MySql => text,
    };
    let mut parts = numbers.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (family, Version(next(), next(), next()))
}

/// Whether a server of this version text knows `COM_RESET_CONNECTION`.
#[must_use]
pub fn knows_reset(version_text: &str) -> bool {
    let (family, version) = read_version(version_text);
    version
        >= match family {
            ServerFamily::MySql => Version(5, 7, 3),
            ServerFamily::MariaDb => Version(10, 2, 4),
        }
}

/// Whether a server of this version text says why (error 4031) before it closes a connection that was idle for too long.
#[must_use]
pub fn tells_idle_end(version_text: &str) -> bool {
    let (family, version) = read_version(version_text);
    family == ServerFamily::MySql && version >= Version(8, 0, 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        use ServerFamily::{MariaDb, MySql};
        for (text, family, version) in [
            ("9.7.4-2", MySql, Version(9, 7, 4)),
            ("8.0.36-28.1", MySql, Version(8, 0, 36)),
            ("5.6.51-log", MySql, Version(5, 6, 51)),
            ("5.5.5-10.11.19-MariaDB-0+deb12u1-log", MariaDb, Version(10, 11, 19)),
            ("11.4.2-MariaDB", MariaDb, Version(11, 4, 2)),
            ("5.5.5-MySQL", MySql, Version(5, 5, 5)),
            ("", MySql, Version(0, 0, 0)),
            ("99999999.1", MySql, Version(0, 1, 0)),
        ] {
            assert_eq!(read_version(text), (family, version), "{text}");
        }
    }

    #[test]
    fn a_reset_is_younger_than_some_servers() {
        for (text, knows) in [
            ("5.6.51-log", false),
            ("5.7.2-m12", false),
            ("5.7.3-m13", true),
            ("8.4.3", true),
            ("5.5.5-10.1.48-MariaDB", false),
            ("5.5.5-10.2.4-MariaDB", true),
            ("11.4.2-MariaDB", true),
        ] {
            assert_eq!(knows_reset(text), knows, "{text}");
        }
    }

    #[test]
    fn the_end_of_idle_clients_is_told_by_new_servers() {
        for (text, tells) in [("8.0.23", false), ("8.0.24", true), ("9.7.4-2", true), ("5.5.5-10.11.19-MariaDB", false)]
        {
            assert_eq!(tells_idle_end(text), tells, "{text}");
        }
    }
}
