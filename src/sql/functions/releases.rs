//! Names that a family has not had, or will not have, in all its releases. Must not know what a function does.
//!
//! From the servers' own documentation; `tests/builtins.rs` asks the releases that are at hand.

use super::super::dialect::{Release, ServerKind};

/// The release whose lists the other files hold; assumed when nothing else is known.
const MYSQL: Release = Release(9, 7);
/// See [`MYSQL`].
const MARIADB: Release = Release(10, 11);
const FIRST: Release = Release(0, 1);
const LAST: Release = Release(u16::MAX, 0);

/// A name, whose it is, since which release, and before which. Blanks may stand before the parenthesis.
pub(super) struct Bound {
    pub(super) name: &'static str,
    pub(super) server: ServerKind,
    since: Release,
    before: Release,
}

const fn mysql(name: &'static str, since: Release, before: Release) -> Bound {
    Bound { name, server: ServerKind::MySql, since, before }
}

const fn mariadb(name: &'static str, since: Release) -> Bound {
    Bound { name, server: ServerKind::MariaDb, since, before: LAST }
}

/// Each name once at most.
pub(super) const BOUNDS: [Bound; 25] = [
    mysql("md5", FIRST, Release(9, 6)),
    mysql("sha", FIRST, Release(9, 6)),
    mysql("sha1", FIRST, Release(9, 6)),
    mysql("string_to_vector", Release(9, 0), LAST),
    mysql("to_vector", Release(9, 0), LAST),
    mysql("from_vector", Release(9, 0), LAST),
    mysql("vector_to_string", Release(9, 0), LAST),
    mysql("vector_dim", Release(9, 0), LAST),
    mysql("etag", Release(9, 7), LAST),
    mysql("version_with_update", Release(9, 7), LAST),
    mysql("current_user_in", Release(9, 7), LAST),
    mysql("current_role_in", Release(9, 7), LAST),
    mariadb("json_schema_valid", Release(11, 1)),
    mariadb("json_array_intersect", Release(11, 2)),
    mariadb("json_key_value", Release(11, 2)),
    mariadb("json_object_filter_keys", Release(11, 2)),
    mariadb("json_object_to_array", Release(11, 2)),
    mariadb("kdf", Release(11, 3)),
    mariadb("uuid_v4", Release(11, 7)),
    mariadb("uuid_v7", Release(11, 7)),
    mariadb("vec_distance_cosine", Release(11, 7)),
    mariadb("vec_distance_euclidean", Release(11, 7)),
    mariadb("vec_fromtext", Release(11, 7)),
    mariadb("vec_totext", Release(11, 7)),
    mariadb("vec_distance", Release(11, 8)),
];

impl Bound {
    /// Whether the name is built in for its family in this release.
    pub(super) fn holds(&self, release: Release) -> bool {
        let assumed = if self.server == ServerKind::MySql { MYSQL } else { MARIADB };
        let release = if release == Release::UNKNOWN { assumed } else { release };
        self.since <= release && release < self.before
    }
}
