//! Names that are built in for `MariaDB` (10.11) only, or called in another form there. Sorted. Asked of the server by
//! `tests/builtins.rs`: a call that is resolved as a stored function answers with error 1305 or 1630. Words of the grammar
//! that may stand before a parenthesis (`IN (`, `VALUES (`, `DECIMAL(`) are among them. Must not know what a function does.

/// Built in whatever stands between the name and its parenthesis.
#[rustfmt::skip]
pub(super) const ANYWHERE: &[&str] = &[
    "add_months", "area", "asbinary", "astext", "aswkb", "aswkt", "binlog_gtid_pos", "boundary", "buffer", "centroid",
    "chr", "column_add", "column_check", "column_create", "column_delete", "column_exists", "column_get",
    "column_json", "column_list", "concat_operator_oracle", "contains", "convexhull", "crc32c", "crosses", "decode",
    "decode_histogram", "decode_oracle", "des_decrypt", "des_encrypt", "dimension", "disjoint", "encode", "encrypt",
    "endpoint", "envelope", "equals", "exteriorring", "geomcollfromtext", "geomcollfromwkb", "geometrycollection",
    "geometrycollectionfromtext", "geometrycollectionfromwkb", "geometryfromtext", "geometryfromwkb", "geometryn",
    "geometrytype", "geomfromtext", "geomfromwkb", "glength", "interiorringn", "intersects", "isclosed", "isempty",
    "isring", "issimple", "json_compact", "json_detailed", "json_equals", "json_exists", "json_loose",
    "json_normalize", "json_query", "lengthb", "linefromtext", "linefromwkb", "linestring", "linestringfromtext",
    "linestringfromwkb", "lpad_oracle", "ltrim_oracle", "master_gtid_wait", "mbrequal", "md5", "mlinefromtext",
    "mlinefromwkb", "mpointfromtext", "mpointfromwkb", "mpolyfromtext", "mpolyfromwkb", "multilinestring",
    "multilinestringfromtext", "multilinestringfromwkb", "multipoint", "multipointfromtext", "multipointfromwkb",
    "multipolygon", "multipolygonfromtext", "multipolygonfromwkb", "natural_sort_key", "numgeometries",
    "numinteriorrings", "numpoints", "nvl", "nvl2", "old_password", "overlaps", "password", "point", "pointfromtext",
    "pointfromwkb", "pointn", "pointonsurface", "polyfromtext", "polyfromwkb", "polygon", "polygonfromtext",
    "polygonfromwkb", "replace_oracle", "rownum", "rpad_oracle", "rtrim_oracle", "sformat", "sha", "sha1", "sql_cache",
    "srid", "st_boundary", "st_isring", "st_pointonsurface", "st_relate", "startpoint", "substr_oracle", "sys_guid",
    "sysdate", "to_char", "touches", "unique", "within", "wsrep_last_seen_gtid", "wsrep_last_written_gtid",
    "wsrep_sync_wait_upto_gtid", "x", "y",
];

/// Built in only when the parenthesis follows at once (or with `IGNORE_SPACE`).
pub(super) const ADJACENT: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "lead",
    "median",
    "nth_value",
    "ntile",
    "percent_rank",
    "percentile_cont",
    "percentile_disc",
    "rank",
    "trim_oracle",
];
